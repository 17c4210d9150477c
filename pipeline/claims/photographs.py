"""The real pictures that some claims are about; without them these claims are not measured."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.claims.verdicts import NotMeasured

_BESIDE = Path(__file__).parents[3] / "shared" / "images"


def folder_of(name: str) -> Path:
    """Return a folder of real pictures, such as `identity/baby`; raise `NotMeasured` where it is missing."""
    folder = Path(os.environ.get("LIKENESS_IMAGES", _BESIDE)) / name
    if not folder.is_dir():
        raise NotMeasured(f"pictures missing: set LIKENESS_IMAGES to the folder that has {name}")
    return folder
