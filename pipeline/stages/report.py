"""report: writes the page that people look at."""

from __future__ import annotations

from pathlib import Path

from pipeline import parts
from pipeline.experiments import as_dict
from pipeline.params import load_params
from pipeline.report.page import render

PAGE = Path("report/index.html")


def run() -> None:
    """Write report/index.html, whole or not at all."""
    page = render({name: as_dict(experiment) for name, experiment in load_params().experiments.items()})
    with parts.atomic_path(PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
