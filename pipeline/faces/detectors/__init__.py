"""The detectors by name; each is one small module."""

from __future__ import annotations

from functools import cache

from pipeline.faces.detectors.base import Detector


@cache
def load_detector(name: str) -> Detector:
    """Return the detector `name`, loaded once per process; raise `KeyError` for an unknown one."""
    if name == "dlib-hog":
        from pipeline.faces.detectors.dlib_hog import DlibHog

        return DlibHog()
    if name == "animeface":
        from pipeline.faces.detectors.animeface import AnimeFace

        return AnimeFace()
    raise KeyError(name)
