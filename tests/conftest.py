"""Workspaces to run in, and pictures to run on."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import flows  # noqa: F401
from benchmarks.real_pictures import MISSING, find_real_pictures
from benchmarks.workspace import Workspace

# Importing the flows led this process to the checkout's Prefect server, if `make ui` has started one.
os.environ.pop("PREFECT_API_URL", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes as long as half of the others, so that two processes end together."""
    items.sort(key=lambda item: item.path.name != "test_chain.py")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draw the same numbers in every run: a network of unlucky weights is no failure of the code under test."""
    np.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_pictures() -> Path:
    folder = find_real_pictures()
    if folder is None:
        pytest.skip(MISSING)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[[dict], Workspace]:
    """Return a maker of workspaces with the given sources."""
    return lambda sources: Workspace(tmp_path / "workspace", sources)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()
