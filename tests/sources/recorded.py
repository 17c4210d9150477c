"""Recorded answers of sites, and the requests that they are the answers to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.crawl.local_site import Reply

JSON = {"Content-Type": "application/json; charset=utf-8"}


def answer(name: str) -> Reply:
    """Return what a site answered: `name` is a file beside this module."""
    return Reply((Path(__file__).parent / name).read_bytes(), headers=JSON)


def request(path: str, params: Mapping[str, Any]) -> str:
    """Return the path and query of a request; parameters that are None are not in it."""
    return f"{path}?{urlencode({name: value for name, value in params.items() if value is not None})}"
