"""The project's own YAML files, read as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError

PARAMS_FILE = Path("params.yaml")
DVC_FILE = Path("dvc.yaml")


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; raise `UserError` where the file is missing or is something else."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file here; run this in the repository's root") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold a mapping of sections, not {type(values).__name__}")
    return values
