"""Alignment: the similarities that lead from a picture to a square crop, for points and boxes both ways.

A similarity is a 2x3 matrix that turns, scales and moves; it never mirrors or shears. Pixel centres lie at half
integers, so a crop spans 0 to its side. `cv2.invertAffineTransform` gives the way back.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.faces.ibug import eye_centers
from pipeline.faces.mean_face import MEAN_FACE

_MOUTH_CORNERS = [48, 54]


class DegenerateEyesError(ValueError):
    """The two eye centres lie on one spot, so no similarity leads to the target places."""


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map Nx2 points from image to crop, or back with the inverse matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def corners(box_xyxy: tuple[float, ...]) -> np.ndarray:
    """Return a box's corners (4x2), clockwise as seen from its left top one: so boxes are mapped without loss."""
    left, top, right, bottom = box_xyxy
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def enclosing_box(points: np.ndarray) -> tuple[float, float, float, float]:
    """Return the smallest upright box (xyxy) around Nx2 points; of a box's corners, the box."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom


def fit_similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the similarity that brings Nx2 points nearest to their targets, by least squares.

    In complex numbers it is w = a z + b, whose a is the slope of a regression. Two points are met exactly.
    """
    z, w = points @ np.array([1, 1j]), targets @ np.array([1, 1j])
    centered = z - z.mean()
    a = np.vdot(centered, w - w.mean()) / np.vdot(centered, centered)
    b = w.mean() - a * z.mean()
    return np.array([(a.real, -a.imag, b.real), (a.imag, a.real, b.imag)])


def eye_similarity(eyes: np.ndarray, size_px: int, eye_y: float, eye_distance: float) -> np.ndarray:
    """Return the similarity that levels the eyes at their places.

    `eyes` are the centres of the left and the right eye as seen in the image (2x2 px); `eye_y` and
    `eye_distance` are fractions of the crop's side. Raises `DegenerateEyesError`.
    """
    _check_apart(eyes)
    places = np.array([(0.5 - eye_distance / 2, eye_y), (0.5 + eye_distance / 2, eye_y)])
    return fit_similarity(eyes, size_px * places)


def landmark_similarity(points_68: np.ndarray, size_px: int, eye_y: float, eye_distance: float) -> np.ndarray:
    """Return the similarity that brings all 68 points nearest to a mean face whose eyes lie at their places.

    Raises `DegenerateEyesError`.
    """
    _check_apart(eye_centers(points_68))
    return fit_similarity(points_68, size_px * (eye_distance * MEAN_FACE + (0.5, eye_y)))


def ffhq_similarity(eyes: np.ndarray, points_68: np.ndarray, size_px: int) -> np.ndarray:
    """Return the similarity to the square that FFHQ was cut by (Karras et al. 2019, appendix A).

    It is turned by the eyes and the mouth together, lies a tenth of the way from the eyes to the mouth, and is
    four eye distances wide, or 3.6 times the way from the eyes to the mouth where that is more. Raises
    `DegenerateEyesError`.
    """
    _check_apart(eyes)
    middle, across = eyes.mean(axis=0), eyes[1] - eyes[0]
    down = points_68[_MOUTH_CORNERS].mean(axis=0) - middle
    right = across + (down[1], -down[0])
    length = float(np.hypot(*right))
    if length < 1:
        raise DegenerateEyesError("the mouth lies above them, as far as they are apart")
    right *= max(2 * np.hypot(*across), 1.8 * np.hypot(*down)) / length
    below = np.array([-right[1], right[0]])
    center = middle + 0.1 * down
    diagonal = np.stack([center - right - below, center + right + below])
    return fit_similarity(diagonal, np.array([(0, 0), (size_px, size_px)]))


def whole_similarity(width_px: int, height_px: int, size_px: int) -> np.ndarray:
    """Return the similarity that fits a whole picture, centred, into a square crop."""
    scale = size_px / max(width_px, height_px)
    left, top = (size_px - width_px * scale) / 2, (size_px - height_px * scale) / 2
    return np.array([(scale, 0, left), (0, scale, top)])


def central_square(width_px: int, height_px: int) -> tuple[np.ndarray, int]:
    """Return the move by whole pixels that leads to the largest square in a picture's middle, and its side."""
    side = min(width_px, height_px)
    left, top = (width_px - side) // 2, (height_px - side) // 2
    return np.array([(1.0, 0, -left), (0, 1.0, -top)]), side


def padded_fraction(width_px: int, height_px: int, matrix: np.ndarray, size_px: int) -> float:
    """Return the share of the crop that lies outside the picture."""
    picture = transform(corners((0, 0, width_px, height_px)), matrix).astype(np.float32)
    crop = corners((0, 0, size_px, size_px)).astype(np.float32)
    inside, _ = cv2.intersectConvexConvex(picture, crop)
    return 1 - float(inside) / size_px**2


def _check_apart(eyes: np.ndarray) -> None:
    distance = float(np.hypot(*(eyes[1] - eyes[0])))
    if distance < 1:
        raise DegenerateEyesError(f"{distance:.2f} px apart")
