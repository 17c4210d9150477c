"""The detectors by name; each is one small module."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pipeline.faces.detectors.base import Detector
from pipeline.weights import OWN

# The weight files of each, where they are not called like the detector.
_WEIGHTS = {"mtcnn": ("mtcnn-p", "mtcnn-r", "mtcnn-o")}
_OF_FACE_ALIGNMENT = ("sfd", "yunet", "scrfd")


def weights_of(name: str) -> tuple[str, ...]:
    """Return the names of the weight files that a detector needs."""
    return _WEIGHTS.get(name, (name,))


@cache
def load_detector(name: str) -> Detector:
    """Return the detector `name`, loaded once per process.

    Raises `KeyError` for an unknown one, and `UserError` where its package or its weights are missing.
    """
    if name == "blazeface":
        from pipeline.faces.detectors.blazeface import BlazeFace

        return BlazeFace()
    if name == "dlib-hog":
        from pipeline.faces.detectors.dlib_hog import DlibHog

        return DlibHog()
    if name == "mtcnn":
        from pipeline.faces.detectors.mtcnn import Mtcnn

        return Mtcnn()
    if name == "animeface":
        from pipeline.faces.detectors.animeface import AnimeFace

        return AnimeFace()
    if name in _OF_FACE_ALIGNMENT:
        from pipeline.faces.detectors.face_alignment import FaceAlignmentDetector

        return FaceAlignmentDetector(name)
    if name.startswith(OWN):
        from pipeline.faces.detectors.onnx import OnnxFaces

        return OnnxFaces(Path(name.removeprefix(OWN)))
    raise KeyError(name)
