"""The faces found on outputs, each output looked at once: how many there are, and the landmarks of the best.

`single_face`, `landmark_consistency` and `pose` measure what is found here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.faces.detection import Search, find_faces
from pipeline.faces.detectors.base import Detection
from pipeline.faces.landmarks.marking import Unmarkable, mark_cartoon, mark_real
from pipeline.metrics.enlarging import enlarge
from pipeline.metrics.pairs import check_images

# An aligned face fills its picture; a reflected border gives the detectors' windows room around it.
_BORDER = 1 / 8
# The crop's side in the search: landmarks need more pixels than a 64 px output has, but detectors want sharp ones.
_SEARCHED_PX = 160


class Seen(NamedTuple):
    """How many faces were found on an output, and the best one's 68×2 landmarks in its pixels, or None."""

    faces: int
    points_68: np.ndarray | None


def look(outputs: np.ndarray, search: Search, model: str) -> list[Seen]:
    """Return what is found on each of N×H×W×3 uint8 aligned crops.

    `search` and `model` are how the domain's faces are found and marked; the model `none` leaves them unmarked.
    """
    check_images(outputs)
    return [look_at(output, search, model) for output in outputs]


def look_at(rgb: np.ndarray, search: Search, model: str) -> Seen:
    """Return what is found on an aligned HxWx3 uint8 RGB crop.

    Found as the detect and landmarks stages do, but with the crop inside a reflected border, reduced to 160 px
    for the detector and enlarged to 256 px for the landmarks; and without the stages' rejection of doubtful
    landmarks: those show as a large error.
    """
    large, factor = enlarge(rgb)
    border = round(_BORDER * min(large.shape[:2]))
    searched = cv2.copyMakeBorder(large, border, border, border, border, cv2.BORDER_REFLECT_101)
    long_side_px = round(_SEARCHED_PX * (1 + 2 * _BORDER))
    faces = find_faces(searched, replace(search, long_side_px=long_side_px)).faces
    points = _mark(searched, faces[0], search, model) if faces and model != "none" else None
    return Seen(len(faces), None if points is None else (points - border + 0.5) / factor - 0.5)


def _mark(rgb: np.ndarray, face: Detection, search: Search, model: str) -> np.ndarray | None:
    try:
        if search.faces == "cartoon":
            return mark_cartoon(rgb, face.points, model).points_68
        return mark_real(rgb, face.box_xyxy, face.points, model).points_68
    except Unmarkable:
        return None
