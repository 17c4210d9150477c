"""The parts of a face on an aligned crop, by its landmarks: eyes, brows, nose, mouth, jaw, cheeks, hair, the rest."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.faces.colors.regions import crown, head_rim
from pipeline.faces.ibug import LEFT_EYE, MOUTH, RIGHT_EYE
from pipeline.metrics.points import eye_distance

# Every pixel of a crop is of exactly one. `cheeks` are what of the face between brows and jaw is nothing else; `hair`
# is the crown and the rim of the head, be it bald or not; `rest` are forehead, neck, ears and what is behind.
REGIONS = ("eyes", "brows", "nose", "mouth", "jaw", "cheeks", "hair", "rest")
# The landmarks of each part's hulls, and how far the part reaches beyond them, in distances between the eyes: an
# operation moves lids, wings of the nose and the line of the jaw to either side of where they were.
_HULLS: dict[str, tuple[tuple[list[int], ...], float]] = {
    "cheeks": ((list(range(68)),), 0.0),
    "jaw": (([5, 6, 7, 8, 9, 10, 11, 55, 57, 59],), 0.0),
    "brows": (([17, 18, 19, 20, 21], [22, 23, 24, 25, 26]), 0.06),
    "eyes": (tuple(list(range(68))[eye] for eye in (LEFT_EYE, RIGHT_EYE)), 0.15),
    "nose": (([27, 28, 29, 30, 31, 32, 33, 34, 35],), 0.1),
    "mouth": ((list(range(68))[MOUTH],), 0.06),
}
_JAW_LINE = slice(2, 15)
_JAW_REACH = 0.18
# OpenCV takes corners in sixteenths of a pixel.
_SHIFT = 4
_FAR_PX = 20_000


def region_map(side_px: int, points_68: np.ndarray) -> np.ndarray:
    """Return for each pixel of a square crop the place of its region in `REGIONS`, uint8; 68×2 landmarks in px.

    Where parts meet, mouth and nose come before eyes, these before brows, jaw, cheeks and hair.
    """
    shape = (side_px, side_px)
    unit = eye_distance(points_68)
    regions = np.full(shape, REGIONS.index("rest"), np.uint8)
    regions[crown(shape, points_68) | head_rim(shape, points_68)] = REGIONS.index("hair")
    for name, (hulls, reach) in _HULLS.items():
        for hull in hulls:
            corners = cv2.convexHull(_corners(points_68[hull]))
            drawn = cv2.fillConvexPoly(np.zeros(shape, np.uint8), corners, 1, shift=_SHIFT)
            regions[_around(drawn, reach * unit)] = REGIONS.index(name)
        if name == "jaw":
            line = [_corners(points_68[_JAW_LINE])]
            drawn = cv2.polylines(np.zeros(shape, np.uint8), line, False, 1, shift=_SHIFT)
            regions[_around(drawn, _JAW_REACH * unit)] = REGIONS.index(name)
    return regions


def _corners(points: np.ndarray) -> np.ndarray:
    """Return points as OpenCV draws them: pixel centres lie at whole numbers there, at half ones in landmarks."""
    return ((points - 0.5).clip(-_FAR_PX, _FAR_PX) * 2**_SHIFT).round().astype(np.int32)


def _around(drawn: np.ndarray, reach_px: float) -> np.ndarray:
    """Return what was drawn, and what is at most so far from it."""
    if not drawn.any():
        return drawn.astype(bool)
    distances: np.ndarray = cv2.distanceTransform(1 - drawn, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distances <= reach_px
