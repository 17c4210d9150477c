"""Landmark consistency: how far the landmarks found on outputs lie from those that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

import cv2
import numpy as np

from pipeline.faces.detection import find_faces
from pipeline.faces.detectors import load_detector
from pipeline.faces.ibug import eye_centers
from pipeline.faces.landmarks import predict_68, predict_68_cartoon
from pipeline.metrics.enlarging import enlarge
from pipeline.metrics.pairs import check_images

Faces = Literal["real", "cartoon"]

# A detector's own threshold, as in params.yaml.
_MIN_SCORE = 0.5
# An aligned face fills its picture; a reflected border gives the detectors' windows room around it.
_BORDER = 1 / 8
# The crop's side in the search. Landmarks need more pixels than a 64 px output has, but the detectors want
# sharp ones: enlarged to 256 px, animeface finds 21 of 117 rendered cartoons, reduced to 160 px again 115.
_SEARCHED_PX = 160


class Summary(TypedDict):
    """Of how many outputs the face was found, and the median error of those; None where none was found."""

    found: int
    of: int
    median_error: float | None


def landmark_errors(
    outputs: np.ndarray, asked: np.ndarray, detector: str, faces: Faces
) -> list[float | None]:
    """Return for each output the mean distance of its 68 landmarks from those asked, or None without a face.

    `outputs` are N×H×W×3 uint8, `asked` N×68×2 in their pixels; the unit is the distance between the asked
    eye centres, so 0.05 is good and 1 is elsewhere. `detector` and `faces` are the domain's.
    """
    check_images(outputs)
    if asked.shape != (len(outputs), 68, 2):
        raise ValueError(f"asked landmarks must be {len(outputs)}×68×2, not {asked.shape}")
    apart = [_eye_distance(points) for points in asked]
    found = [find_landmarks(output, detector, faces) for output in outputs]
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


def find_landmarks(rgb: np.ndarray, detector: str, faces: Faces) -> np.ndarray | None:
    """Return the 68×2 landmarks of the best face of an aligned HxWx3 uint8 RGB crop, in its pixels, or None.

    Found as the detect and landmarks stages do, but with the crop inside a reflected border, reduced to 160 px
    for the detector and enlarged to 256 px for the landmarks; and without the stages' rejection of doubtful
    landmarks: those show as a large error.
    """
    large, factor = enlarge(rgb)
    border = round(_BORDER * min(large.shape[:2]))
    searched = cv2.copyMakeBorder(large, border, border, border, border, cv2.BORDER_REFLECT_101)
    long_side_px = round(_SEARCHED_PX * (1 + 2 * _BORDER))
    best = find_faces(searched, load_detector(detector), long_side_px, _MIN_SCORE, max_faces=1)
    if not best:
        return None
    if faces == "cartoon":
        points = predict_68_cartoon(searched, best[0].points)
    else:
        points = predict_68(searched, best[0].box_xyxy)
    return (points - border) / factor


def _eye_distance(points_68: np.ndarray) -> float:
    left, right = eye_centers(points_68)
    distance = float(np.linalg.norm(right - left))
    if not (np.isfinite(points_68).all() and distance > 0):
        raise ValueError("asked landmarks must be finite, with two eyes at different places")
    return distance
