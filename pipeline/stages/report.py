"""report: writes the page that people look at."""

from __future__ import annotations

from pathlib import Path

from pipeline import parts
from pipeline.params import load_params
from pipeline.report.page import render

PAGE = Path("report/index.html")


def run() -> None:
    """Write report/index.html, whole or not at all."""
    experiments = load_params().experiments
    page = render({name: experiment.model_dump(mode="json") for name, experiment in experiments.items()})
    with parts.atomic_path(PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
