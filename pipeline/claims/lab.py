"""Where the claims' renderings, trainings and numbers lie, each made once: what is finished is never made again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.claims.effort import Effort
from pipeline.parts import content_hash, write_json

_PACKAGE = Path(__file__).parents[1]
_DONE = "done.json"


@dataclass(frozen=True)
class Lab:
    """A folder of results, and how large the experiments in it are."""

    folder: Path
    effort: Effort

    def once(
        self, kind: str, what: Mapping[str, Any], code: tuple[str, ...], make: Callable[[Path], Any]
    ) -> Path:
        """Return the folder of a result, which `make` fills unless it is finished; what is begun is gone on with.

        The result is named after `what` it is and the `code` (files and folders of the package) that made it. What
        `make` returns is JSON, found again by `note`.
        """
        place = self.place(kind, what, code)
        if not (place / _DONE).exists():
            place.mkdir(parents=True, exist_ok=True)
            write_json(place / _DONE, make(place))
        return place

    def place(self, kind: str, what: Mapping[str, Any], code: tuple[str, ...]) -> Path:
        """Return where such a result lies."""
        named = json.dumps([what, {name: code_hash(name) for name in code}], sort_keys=True, default=str)
        return self.folder / kind / hashlib.sha256(named.encode()).hexdigest()[:20]


def note(place: Path) -> Any:
    """Return what a finished result says of itself."""
    return json.loads((place / _DONE).read_text(encoding="utf-8"))


def empty(folder: Path) -> Path:
    """Return the folder without what an earlier run left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@cache
def code_hash(name: str) -> str:
    """Return the hash of a file or of all modules of a folder of the package; the same all through one run."""
    path = _PACKAGE / name
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    hashes = [(str(file.relative_to(_PACKAGE)), content_hash(file)) for file in files]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
