"""What was trained and measured, as it lies on the disk; each file that is no such file is a user's error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

MODELS = Path("models")
METRICS = Path("metrics")
SAMPLES = Path("samples")

Numbers = dict[str, Any]


def is_measured(experiment: str) -> bool:
    """Say whether an experiment has come to its end: one that failed, or never ran, has nothing to show."""
    return (METRICS / f"{experiment}.json").exists()


def read_metrics(experiment: str) -> dict[str, Numbers]:
    """Return what was measured: for each way its numbers. Raises `UserError` where the file is something else."""
    return _read(METRICS / f"{experiment}.json", experiment)


def read_missing(experiment: str) -> dict[str, dict[str, str]]:
    """Return for each way what was not measured, and why; nothing where no file says so. Raises `UserError`."""
    path = SAMPLES / experiment / "not_measured.json"
    return _read(path, experiment) if path.exists() else {}


def read_attributes(experiment: str) -> dict[str, Numbers]:
    """Return for each way what became of the faces' attributes; nothing where no file says so. Raises `UserError`."""
    path = SAMPLES / experiment / "attributes.json"
    return _read(path, experiment) if path.exists() else {}


def _read(path: Path, experiment: str) -> dict[str, Any]:
    again = f"`dvc repro --force --single-item evaluate@{experiment}` writes it anew"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}; {again}") from None
    if not isinstance(values, dict) or not all(isinstance(of_way, dict) for of_way in values.values()):
        raise UserError(f"{path}: must hold a mapping for each way; {again}")
    return values
