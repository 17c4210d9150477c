"""Where on an aligned face skin, hair and what is behind the head are to be looked for."""

from __future__ import annotations

import cv2
import numpy as np

# Larger crops are reduced until the eyes are this far apart: more pixels tell no more about colours.
_EYE_DISTANCE_PX = 96.0
_LEFT_CHEEK = [36, 41, 40, 31, 48, 4, 2]
_RIGHT_CHEEK = [45, 46, 47, 35, 54, 12, 14]
_BROWS = slice(17, 27)


def working_scale(eyes: np.ndarray) -> float:
    """Return by how much to reduce a picture with these eye centres (2x2 px), at most 1."""
    return min(_EYE_DISTANCE_PX / max(float(np.linalg.norm(eyes[1] - eyes[0])), 1.0), 1.0)


def reduced(rgb: np.ndarray, factor: float) -> np.ndarray:
    """Return HxWx3 uint8 reduced by a factor of at most 1."""
    if factor == 1:
        return rgb
    size = max(round(rgb.shape[1] * factor), 1), max(round(rgb.shape[0] * factor), 1)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def polygon(shape: tuple[int, ...], corners: np.ndarray) -> np.ndarray:
    """Return the HxW mask of the convex hull of Nx2 corners, cut at the picture's border."""
    mask = np.zeros(shape[:2], np.uint8)
    if mask.size == 0:
        return mask.astype(bool)
    hull = cv2.convexHull(corners.round().clip(-20000, 20000).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1)
    return mask.astype(bool)


def cheeks(shape: tuple[int, ...], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks of the left and the right cheek, between eye, nose and mouth, away from the jaw."""
    left, right = (_shrunk(points[cheek], 0.6) for cheek in (_LEFT_CHEEK, _RIGHT_CHEEK))
    return polygon(shape, left), polygon(shape, right)


def chin(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Return the mask of the chin below the lips."""
    return polygon(shape, _shrunk(points[[48, 54, 57, 6, 10]], 0.5))


def forehead(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Return the mask of the lower middle of the forehead, under most fringes' ends and the hairline."""
    up, height = _upward(points)
    side = (points[45] - points[36]) / 4
    brows = points[[19, 24]].mean(axis=0)
    corners = [
        points[21] + 0.04 * height * up,
        points[22] + 0.04 * height * up,
        brows + 0.22 * height * up + side,
        brows + 0.22 * height * up - side,
    ]
    return polygon(shape, _shrunk(np.array(corners), 0.9))


def crown(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Return the mask of a band above the forehead, as wide as the eyes, where hair or a bald head is."""
    up, height = _upward(points)
    brows, half = points[_BROWS].mean(axis=0), (points[45] - points[36]) / 2
    corners = [
        brows + up * height * rise + side * half
        for rise, side in ((0.3, -1), (0.3, 1), (0.62, 0.8), (0.62, -0.8))
    ]
    return polygon(shape, np.array(corners))


def head_rim(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Return the mask of the upper rim of the head, from temple over crown to temple."""
    return _within_head(shape, points, 1.06) & ~_within_head(shape, points, 0.86) & _above(shape, points, 0.0)


def behind_head(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Return the mask of what is well outside the head, above the chin: background, or very long hair."""
    return ~_within_head(shape, points, 1.45) & _above(shape, points, 0.3)


def _within_head(shape: tuple[int, ...], points: np.ndarray, scale: float) -> np.ndarray:
    """An ellipse as wide as the jaw at the ears, from half way down the nose to where the hair ends on top."""
    up, height = _upward(points)
    ears = (points[0] + points[16]) / 2
    width = np.linalg.norm(points[16] - points[0]) / 2
    top = points[_BROWS].mean(axis=0) + up * 0.66 * height
    tall = max(float((top - ears) @ up), 1.0)
    tilt = np.degrees(np.arctan2(up[0], -up[1]))
    mask = np.zeros(shape[:2], np.uint8)
    axes = (1.03 * width * scale, tall * scale)
    cv2.ellipse(mask, (tuple(map(float, ears)), (2 * axes[0], 2 * axes[1]), float(tilt)), 1, -1)
    return mask.astype(bool)


def _above(shape: tuple[int, ...], points: np.ndarray, drop: float) -> np.ndarray:
    """What is higher in the face than the ears, or lower by at most a share of the face's height."""
    up, height = _upward(points)
    line = (points[0] + points[16]) / 2 - up * drop * height
    far = 2 * max(shape) * np.array([(up[1], -up[0]), (-up[1], up[0])])
    return polygon(shape, np.concatenate([line + far, line + far + 2 * max(shape) * up]))


def _upward(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The direction from chin to brows, and their distance."""
    rise = points[_BROWS].mean(axis=0) - points[8]
    height = max(float(np.linalg.norm(rise)), 1.0)
    return rise / height, height


def _shrunk(corners: np.ndarray, share: float) -> np.ndarray:
    middle = corners.mean(axis=0)
    return middle + share * (corners - middle)
