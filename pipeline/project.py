"""The project's own YAML files, read as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError

PARAMS_FILE = Path("params.yaml")
DVC_FILE = Path("dvc.yaml")
# Both are safe; libyaml's is eight times as fast, and a PyYAML that was built without it has only its own.
_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def errors_in(entry: str) -> Iterator[None]:
    """Put the file and the entry, such as `sources.NAME`, in front of every line of a `UserError`."""
    try:
        yield
    except UserError as error:
        lines = (f"{PARAMS_FILE}: {entry}.{line}" for line in str(error).splitlines())
        raise UserError("\n".join(lines)) from None


def parse_yaml(text: str) -> Any:
    """Return what YAML says; raise `yaml.YAMLError` where it is none."""
    return yaml.load(text, _Loader)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; raise `UserError` where the file is missing or is something else."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file here; run this in the repository's root") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold a mapping of sections, not {type(values).__name__}")
    return values
