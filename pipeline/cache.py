"""The result cache: finished output parts, kept under the hash of everything that they depend on.

It lies beside DVC and is ignored by it. Deleting it changes nothing but time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline import parts, weights
from pipeline.project import DVC_FILE, PARAMS_FILE, load_yaml

CACHE = Path(".cache/parts")


def stage_key(stage: str, name: str, weight_names: Iterable[str] = ()) -> str:
    """Return the hash of what `dvc.yaml` says that `stage@name` depends on, and of its weights.

    That is the content of the code it lists and the values of the parameters it lists.
    """
    declared = load_yaml(DVC_FILE)["stages"][stage]["do"]
    return _hash(
        {
            "code": {str(path): parts.content_hash(path) for path in _code_files(declared["deps"])},
            "params": _values(declared.get("params", []), name),
            "weights": {name: weights.sha256(name) for name in sorted(weight_names)},
        }
    )


def result_key(stage_hash: str, inputs: Iterable[Path]) -> str:
    """Return the key of one result: the stage's hash with the content of the files it is made from."""
    return _hash([stage_hash, *(parts.content_hash(path) for path in inputs)])


def fetch(key: str, target: Path) -> bool:
    """Put the result `key` at `target` if it is there; say whether it was."""
    stored = _place(key)
    if not stored.exists():
        return False
    _link(stored, target)
    return True


def store(key: str, result: Path) -> None:
    """Keep a finished output part as the result `key`."""
    _link(result, _place(key))


def _link(existing: Path, target: Path) -> None:
    with parts.atomic_path(target) as temporary:
        try:
            os.link(existing, temporary)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(existing, temporary)


def _place(key: str) -> Path:
    return CACHE / key[:2] / f"{key}.parquet"


def _code_files(dependencies: Iterable[str]) -> list[Path]:
    listed = [Path(path) for path in dependencies if path.startswith("pipeline")]
    return sorted(file for path in listed for file in (path.rglob("*.py") if path.is_dir() else [path]))


def _values(keys: Iterable[str], name: str) -> dict[str, Any]:
    params = load_yaml(PARAMS_FILE)
    expanded = [key.replace("${key}", name) for key in keys]
    if any("${item.domain}" in key for key in expanded):
        domain = params["sources"][name]["domain"]
        expanded = [key.replace("${item.domain}", domain) for key in expanded]
    return {key: _value(params, key) for key in expanded}


def _value(params: dict[str, Any], key: str) -> Any:
    value: Any = params
    for name in key.split("."):
        value = value[name]
    return value


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
