"""Landmark consistency: how far the landmarks found on outputs lie from those that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

import cv2
import numpy as np

from pipeline.faces.detection import Search, find_faces
from pipeline.faces.ibug import eye_centers
from pipeline.faces.landmarks.marking import Unmarkable, mark_cartoon, mark_real
from pipeline.metrics.enlarging import enlarge
from pipeline.metrics.pairs import check_images

# An aligned face fills its picture; a reflected border gives the detectors' windows room around it.
_BORDER = 1 / 8
# The crop's side in the search: landmarks need more pixels than a 64 px output has, but detectors want sharp ones.
_SEARCHED_PX = 160


class Summary(TypedDict):
    """Of how many outputs the face was found, and the median error of those; None where none was found."""

    found: int
    of: int
    median_error: float | None


def landmark_errors(outputs: np.ndarray, asked: np.ndarray, search: Search, model: str) -> list[float | None]:
    """Return for each output the mean distance of its 68 landmarks from those asked, or None without a face.

    `outputs` are N×H×W×3 uint8, `asked` N×68×2 in their pixels; the unit is the distance between the asked
    eye centres, so 0.05 is good and 1 is elsewhere. `search` and `model` are how the domain's faces
    are found and marked.
    """
    check_images(outputs)
    if asked.shape != (len(outputs), 68, 2):
        raise ValueError(f"asked landmarks must be {len(outputs)}×68×2, not {asked.shape}")
    apart = [_eye_distance(points) for points in asked]
    found = [find_landmarks(output, search, model) for output in outputs]
    return [
        None if points is None else float(np.linalg.norm(points - goal, axis=1).mean() / unit)
        for points, goal, unit in zip(found, asked, apart, strict=True)
    ]


def summarize(errors: Sequence[float | None]) -> Summary:
    """Return how many faces were found, of how many, and the median error of the found ones."""
    known = [error for error in errors if error is not None]
    return {
        "found": len(known),
        "of": len(errors),
        "median_error": float(np.median(known)) if known else None,
    }


def find_landmarks(rgb: np.ndarray, search: Search, model: str) -> np.ndarray | None:
    """Return the 68×2 landmarks of the best face of an aligned HxWx3 uint8 RGB crop, in its pixels, or None.

    Found as the detect and landmarks stages do, but with the crop inside a reflected border, reduced to 160 px
    for the detector and enlarged to 256 px for the landmarks; and without the stages' rejection of doubtful
    landmarks: those show as a large error.
    """
    large, factor = enlarge(rgb)
    border = round(_BORDER * min(large.shape[:2]))
    searched = cv2.copyMakeBorder(large, border, border, border, border, cv2.BORDER_REFLECT_101)
    long_side_px = round(_SEARCHED_PX * (1 + 2 * _BORDER))
    found = find_faces(searched, replace(search, long_side_px=long_side_px, max_faces=1))
    if not found.faces:
        return None
    best = found.faces[0]
    try:
        if search.faces == "cartoon":
            points = mark_cartoon(searched, best.points, model).points_68
        else:
            points = mark_real(searched, best.box_xyxy, best.points, model).points_68
    except Unmarkable:
        return None
    if points is None:
        return None
    return (points - border + 0.5) / factor - 0.5


def _eye_distance(points_68: np.ndarray) -> float:
    left, right = eye_centers(points_68)
    distance = float(np.linalg.norm(right - left))
    if not (np.isfinite(points_68).all() and distance > 0):
        raise ValueError("asked landmarks must be finite, with two eyes at different places")
    return distance
