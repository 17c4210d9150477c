"""Where tests and benchmarks find the real pictures, and what they say where these are missing."""

from __future__ import annotations

from pathlib import Path

from pipeline.claims.photographs import find_real_pictures

__all__ = ["MISSING", "REPOSITORY", "find_real_pictures"]

REPOSITORY = Path(__file__).parent.parent
MISSING = "the real pictures are not here: set LIKENESS_IMAGES to their folder"
