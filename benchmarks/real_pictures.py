"""Where the real pictures for tests and measurements lie; they are never part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
MISSING = "the real pictures are not here: set LIKENESS_IMAGES to their folder"


def find_real_pictures() -> Path | None:
    """Return the folder that LIKENESS_IMAGES names, by default ../shared/images; None where it is missing."""
    folder = Path(os.environ.get("LIKENESS_IMAGES", REPOSITORY.parent / "shared" / "images"))
    return folder if folder.is_dir() else None
