"""Putting a translated face back into its photograph: the alignment's inverse, under a feathered mask."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.faces.alignment import corners, enclosing_box, transform
from pipeline.faces.warping import warp

# From where on the mask falls off, as a part of the way from the crop's middle to its edge.
_WHOLE_TO = 0.7
_TILE_PX = 512


def paste(rgb: np.ndarray, face: np.ndarray, matrix: np.ndarray, crop_px: int, whole: bool) -> np.ndarray:
    """Return a copy of HxWx3 uint8 RGB with a face, SxSx3 uint8 RGB of any side, where its crop was cut out.

    `matrix` is the similarity (2x3) from the picture to the crop of `crop_px`. The face fills the circle in the crop
    and fades towards its edge; with `whole` the crop is the picture and is replaced up to its edges. One resampling
    leads to the picture's pixels, which are averaged where the picture is the smaller one.
    """
    pasted = rgb.copy()
    height, width = rgb.shape[:2]
    to_face = matrix * (len(face) / crop_px)
    back = cv2.invertAffineTransform(to_face)
    left, top, right, bottom = enclosing_box(transform(corners((0, 0, len(face), len(face))), back))
    first_x, first_y = max(math.floor(left), 0), max(math.floor(top), 0)
    for y in range(first_y, min(math.ceil(bottom), height), _TILE_PX):
        for x in range(first_x, min(math.ceil(right), width), _TILE_PX):
            tile = pasted[y : y + _TILE_PX, x : x + _TILE_PX]
            mask = _mask(to_face / len(face), x, y, tile.shape[1], tile.shape[0], whole)[..., None]
            if mask.any():
                moved = back - np.array([(0, 0, x), (0, 0, y)])
                shown = warp(face, moved, max(tile.shape[:2]))[: tile.shape[0], : tile.shape[1]]
                tile[:] = (tile * (1 - mask) + shown * mask).round().astype(np.uint8)
    return pasted


def _mask(to_unit: np.ndarray, x: int, y: int, width: int, height: int, whole: bool) -> np.ndarray:
    """Return how much of the face each pixel of a tile shows, HxW from 0 to 1; the crop is 0 to 1 in `to_unit`."""
    columns, rows = np.arange(width) + x + 0.5, np.arange(height)[:, None] + y + 0.5
    u, v = (row[0] * columns + row[1] * rows + row[2] for row in to_unit)
    if whole:
        return ((u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)).astype(np.float64)
    from_middle = 2 * np.hypot(u - 0.5, v - 0.5)
    falling = ((1 - from_middle) / (1 - _WHOLE_TO)).clip(0, 1)
    return falling**2 * (3 - 2 * falling)
