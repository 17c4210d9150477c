"""Cutting an aligned face out: one resampling from the picture to the crop, and what lies outside the picture."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.faces.alignment import corners, enclosing_box, transform

_MAX_OVERSAMPLING = 16
# Larger grids are sampled block by block: OpenCV's coordinates are 16 bits wide, and memory stays small.
_BLOCK_PX = 2048
# How far beyond a pixel the interpolation looks.
_REACH_PX = 3
# Outside the picture, as fractions of the crop's side: the blur's width, how far out it is whole, and how far out
# only the one colour is left.
_BLUR, _BLURRED, _FADED = 0.02, 0.08, 0.5
_MEDIAN_OF_EVERY = 4


def warp(rgb: np.ndarray, matrix: np.ndarray, size_px: int) -> np.ndarray:
    """Return the size_px x size_px x 3 crop of HxWx3 uint8 RGB that a similarity from picture to crop shows.

    Every pixel of the crop is the mean over its area of the interpolated picture. Outside the picture the crop
    shows its reflection, ever more blurred and faded into the face's median colour (as FFHQ does).
    """
    crop = _resample(rgb, matrix, size_px)
    height, width = rgb.shape[:2]
    outside = _distance_outside(width, height, matrix, size_px)
    return _soften(crop, outside) if outside.any() else crop


def _resample(rgb: np.ndarray, matrix: np.ndarray, size_px: int) -> np.ndarray:
    """Sample a grid at least as fine as the picture's pixels, and average its cells: nothing aliases."""
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    finer = min(max(math.ceil(1 / scale), 1), _MAX_OVERSAMPLING)
    # Where samples are averaged, the cubic's sharper ones hardly show (3 dB) and take three times as long.
    interpolation = cv2.INTER_CUBIC if finer == 1 else cv2.INTER_LINEAR
    step = max(_BLOCK_PX // finer, 1)
    crop = np.empty((size_px, size_px, 3), np.uint8)
    for top in range(0, size_px, step):
        for left in range(0, size_px, step):
            block = crop[top : top + step, left : left + step]
            height, width = block.shape[:2]
            moved = matrix - np.array([(0, 0, left), (0, 0, top)])
            region, x, y = _needed(rgb, moved, width, height)
            fine = finer * moved
            # Pixel centres lie at half integers, in the region as in the finer grid.
            fine[:, 2] += fine[:, :2] @ np.array([x + 0.5, y + 0.5]) - 0.5
            size = (width * finer, height * finer)
            sampled = cv2.warpAffine(
                region, fine, size, flags=interpolation, borderMode=cv2.BORDER_REFLECT_101
            )
            block[:] = cv2.resize(sampled, (width, height), interpolation=cv2.INTER_AREA)
    return crop


def _needed(
    rgb: np.ndarray, matrix: np.ndarray, width_px: int, height_px: int
) -> tuple[np.ndarray, int, int]:
    """Return the part of the picture that a block shows, reflections included, and where its corner lies."""
    shown = enclosing_box(transform(corners((0, 0, width_px, height_px)), cv2.invertAffineTransform(matrix)))
    (x0, x1), (y0, y1) = (
        _span(shown[axis] - _REACH_PX, shown[axis + 2] + _REACH_PX, rgb.shape[1 - axis]) for axis in (0, 1)
    )
    return rgb[y0:y1, x0:x1], x0, y0


def _span(first: float, last: float, length: int) -> tuple[int, int]:
    """Return from where to where a side of the picture is seen, directly or reflected at its ends."""
    low = min(first, 2 * length - last) if last > length else first
    high = max(last, -first) if first < 0 else last
    return int(np.clip(math.floor(low), 0, length - 1)), int(np.clip(math.ceil(high), 1, length))


def _distance_outside(width_px: int, height_px: int, matrix: np.ndarray, size_px: int) -> np.ndarray:
    """Return for each pixel of the crop how far it lies outside the picture, as a fraction of the crop's side."""
    back = cv2.invertAffineTransform(matrix)
    left, top, right, bottom = enclosing_box(transform(corners((0, 0, size_px, size_px)), back))
    if left >= 0 and top >= 0 and right <= width_px and bottom <= height_px:
        return np.zeros((size_px, size_px), np.float32)
    centers = np.arange(size_px) + 0.5
    x, y = ((row[0] * centers + row[1] * centers[:, None] + row[2]).astype(np.float32) for row in back)
    beyond = (np.maximum(np.maximum(-at, at - end), 0) for at, end in ((x, width_px), (y, height_px)))
    return cv2.magnitude(*beyond) * (math.hypot(matrix[0, 0], matrix[1, 0]) / size_px)


def _soften(crop: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Blur and fade what lies outside the picture, more the farther out; the picture itself stays as it is."""
    some = slice(None, None, _MEDIAN_OF_EVERY)
    seen = crop[some, some][outside[some, some] == 0]
    median = np.median(seen if len(seen) else crop[some, some].reshape(-1, 3), axis=0)
    blurred = cv2.GaussianBlur(crop, (0, 0), _BLUR * len(crop))
    blur, fade = ((outside / reach).clip(0, 1) for reach in (_BLURRED, _FADED))
    soft = cv2.blendLinear(crop, blurred, 1 - blur, blur)
    return cv2.blendLinear(soft, np.full_like(crop, median.round()), 1 - fade, fade)
