"""report: writes the page that people look at."""

from __future__ import annotations

from pathlib import Path

from pipeline import parts
from pipeline.report.page import render

PAGE = Path("report/index.html")


def run() -> None:
    """Write report/index.html, whole or not at all."""
    with parts.atomic_path(PAGE) as temporary:
        temporary.write_text(render(), encoding="utf-8")
