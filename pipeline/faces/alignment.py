"""Alignment: the similarity that puts the eyes at fixed places, and the one resampling that applies it."""

from __future__ import annotations

import math

import cv2
import numpy as np

_MAX_OVERSAMPLING = 8


class DegenerateEyesError(ValueError):
    """The two eye centres lie on one spot, so no similarity leads to the target places."""


def eye_similarity(eyes: np.ndarray, size_px: int, eye_y: float, eye_distance: float) -> np.ndarray:
    """Return the 2x3 similarity from image to crop that levels the eyes at their places.

    `eyes` are the centres of the left and the right eye as seen in the image (2x2 px); `eye_y` and
    `eye_distance` are fractions of the crop's side. A similarity neither mirrors nor shears.
    """
    across = eyes[1] - eyes[0]
    distance = float(np.hypot(*across))
    if distance < 1:
        raise DegenerateEyesError(f"{distance:.2f} px apart")
    scale = eye_distance * size_px / distance
    cosine, sine = scale * across / distance
    rotation = np.array([(cosine, sine), (-sine, cosine)])
    target = np.array([size_px / 2, eye_y * size_px])
    return np.hstack([rotation, (target - rotation @ eyes.mean(axis=0))[:, None]])


def whole_similarity(width_px: int, height_px: int, size_px: int) -> np.ndarray:
    """Return the 2x3 similarity that fits a whole picture, centred, into a square crop."""
    scale = size_px / max(width_px, height_px)
    left, top = (size_px - width_px * scale) / 2, (size_px - height_px * scale) / 2
    return np.array([(scale, 0, left), (0, scale, top)])


def warp(rgb: np.ndarray, matrix: np.ndarray, size_px: int) -> np.ndarray:
    """Return the size_px x size_px x 3 crop of HxWx3 uint8 RGB, reflected at the picture's border.

    A shrinking similarity is sampled on a finer grid whose cells are then averaged, so nothing aliases.
    """
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    finer = min(max(math.ceil(1 / scale), 1), _MAX_OVERSAMPLING)
    # Pixel centres lie at half integers; the finer grid's do too.
    fine = matrix * finer
    fine[:, 2] += _half_pixel(matrix) * finer - 0.5
    crop = cv2.warpAffine(
        rgb,
        fine,
        (size_px * finer, size_px * finer),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return crop if finer == 1 else cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_AREA)


def padded_fraction(width_px: int, height_px: int, matrix: np.ndarray, size_px: int) -> float:
    """Return the share of the crop that lies outside the picture."""
    corners = np.array([(0, 0), (width_px, 0), (width_px, height_px), (0, height_px)], np.float32)
    crop = np.array([(0, 0), (size_px, 0), (size_px, size_px), (0, size_px)], np.float32)
    inside, _ = cv2.intersectConvexConvex(transform(corners, matrix).astype(np.float32), crop)
    return 1 - float(inside) / size_px**2


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map Nx2 points from image to crop, or back with the inverse matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def _half_pixel(matrix: np.ndarray) -> np.ndarray:
    return matrix[:, :2] @ np.array([0.5, 0.5])
