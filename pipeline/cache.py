"""The result cache: finished output parts, kept under the hash of everything that they depend on.

It lies beside DVC and is ignored by it. Deleting it changes nothing but time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline import parts, weights
from pipeline.project import DVC_FILE, load_yaml

CACHE = Path(".cache/parts")
CHECKPOINTS = Path(".cache/train")


def stage_key(stage: str, options: Mapping[str, Any], weight_names: Iterable[str] = ()) -> str:
    """Return the hash of the code that `dvc.yaml` lists for a stage, of its options, and of its weights.

    `options` is all that the stage reads of params.yaml.
    """
    declared = load_yaml(DVC_FILE)["stages"][stage]["do"]
    return _hash(
        {
            "code": {str(path): parts.content_hash(path) for path in _code_files(declared["deps"])},
            "options": options,
            "weights": {name: weights.sha256(name) for name in sorted(weight_names)},
        }
    )


def result_key(stage_hash: str, inputs: Iterable[Path], said: Mapping[str, Any] | None = None) -> str:
    """Return the key of one result: the stage's hash, the content of its files, and what people said of its images."""
    return _hash([stage_hash, *(parts.content_hash(path) for path in inputs), *([said] if said else [])])


def fetch(key: str, target: Path) -> bool:
    """Put the result `key` at `target` if it is there; say whether it was."""
    stored = _place(key)
    if not stored.exists():
        return False
    parts.link(stored, target)
    return True


def store(key: str, result: Path) -> None:
    """Keep a finished output part as the result `key`."""
    parts.link(result, _place(key))


def _place(key: str) -> Path:
    return CACHE / key[:2] / f"{key}.parquet"


def _code_files(dependencies: Iterable[str]) -> list[Path]:
    listed = [Path(path) for path in dependencies if path.startswith("pipeline")]
    return sorted(file for path in listed for file in (path.rglob("*.py") if path.is_dir() else [path]))


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
