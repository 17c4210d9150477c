"""Where the real pictures for claims, tests and benchmarks lie; they are never part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.claims.verdicts import NotMeasured

_BESIDE = Path(__file__).parents[3] / "shared" / "images"


def folder_of(name: str) -> Path:
    """Return a folder of real pictures, such as `identity/baby`; raise `NotMeasured` where it is missing."""
    pictures = find_real_pictures()
    if pictures is None or not (pictures / name).is_dir():
        raise NotMeasured(f"pictures missing: set LIKENESS_IMAGES to the folder that has {name}")
    return pictures / name


def find_real_pictures() -> Path | None:
    """Return the folder that LIKENESS_IMAGES names, by default ../shared/images; None where it is missing."""
    folder = Path(os.environ.get("LIKENESS_IMAGES", _BESIDE))
    return folder if folder.is_dir() else None
