"""Faces as the landmark models know them: upright, of one size, their box at one place of a small crop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.faces.alignment import transform
from pipeline.faces.mesh import Mesh

Point = tuple[float, float]

BOX_SIDE_PX = 200.0
MARGIN_PX = 60.0
SIDE_PX = round(BOX_SIDE_PX + 2 * MARGIN_PX)
BOX_XYXY = (MARGIN_PX, MARGIN_PX, MARGIN_PX + BOX_SIDE_PX, MARGIN_PX + BOX_SIDE_PX)
# Where the boxes that the models were trained with (dlib's HOG) have the eyes and the mouth, as fractions of the
# box, and how they lie over the mesh of an upright face: their side over the mesh's height, and their centre
# from the mean of its points in parts of their side (medians over 284 photographs).
_USUAL_IN_BOX = np.array([(0.29, 0.29), (0.71, 0.29), (0.5, 0.755)])
_BOX_PER_MESH_HEIGHT = 0.914
_BOX_FROM_MESH_MEAN = np.array([0.022, 0.019])


@dataclass(frozen=True)
class Canonical:
    """320x320x3 uint8 RGB with the face's box at `BOX_XYXY`, and the 2x3 matrix from the picture to it."""

    pixels: np.ndarray
    matrix: np.ndarray

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Map Nx2 points of the crop into the picture."""
        return transform(points, cv2.invertAffineTransform(self.matrix))


def leveled(rgb: np.ndarray, mesh: Mesh) -> Canonical:
    """Return a real face turned upright, by a similarity that puts the usual box over its mesh."""
    across = mesh.eyes[1] - mesh.eyes[0]
    cosine, sine = across / np.linalg.norm(across)
    upright = np.array([(cosine, sine), (-sine, cosine)])
    points = mesh.points @ upright.T
    side = _BOX_PER_MESH_HEIGHT * np.ptp(points[:, 1])
    center = points.mean(axis=0) + _BOX_FROM_MESH_MEAN * side
    scale = BOX_SIDE_PX / side
    return _cut(rgb, np.hstack([scale * upright, (SIDE_PX / 2 - scale * center)[:, None]]))


def stretched(rgb: np.ndarray, points: Mapping[str, Point]) -> Canonical:
    """Return a drawn face stretched until eyes and mouth lie where people have them.

    Cartoon faces have their mouth close below large eyes, and models trained on people then slip down.
    """
    known = np.array([points[name] for name in ("left_eye", "right_eye", "mouth")], np.float32)
    usual = (MARGIN_PX + _USUAL_IN_BOX * BOX_SIDE_PX).astype(np.float32)
    return _cut(rgb, cv2.getAffineTransform(known, usual))


def boxed(rgb: np.ndarray, box_xyxy: tuple[float, ...]) -> Canonical:
    """Return an upright face whose box is all that is known of it, by a similarity."""
    left, top, right, bottom = box_xyxy
    scale = BOX_SIDE_PX / max(right - left, bottom - top)
    x, y = SIDE_PX / 2 - scale * (left + right) / 2, SIDE_PX / 2 - scale * (top + bottom) / 2
    return _cut(rgb, np.array([(scale, 0, x), (0, scale, y)]))


def _cut(rgb: np.ndarray, matrix: np.ndarray) -> Canonical:
    size = (SIDE_PX, SIDE_PX)
    pixels = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Canonical(pixels, matrix)
