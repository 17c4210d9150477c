"""Pixels and landmarks as a network's input: normalised images, landmark planes, and their mirror images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

LandmarkKind = Literal["points", "lines"]

# The contours of the 68 iBUG points: first and last index, and whether the line closes.
_CONTOURS = (
    (0, 16, False),  # jaw
    (17, 21, False),  # left brow
    (22, 26, False),  # right brow
    (27, 30, False),  # nose bridge
    (31, 35, False),  # nose base
    (36, 41, True),  # left eye
    (42, 47, True),  # right eye
    (48, 59, True),  # outer lip
    (60, 67, True),  # inner lip
)

# Which point of the face is at each place of its mirror image.
_MIRRORED = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *range(27, 31),
        *range(35, 30, -1),
        *(45, 44, 43, 42, 47, 46),
        *(39, 38, 37, 36, 41, 40),
        *range(54, 47, -1),
        *range(59, 54, -1),
        *range(64, 59, -1),
        *range(67, 64, -1),
    ]
)


def to_tensor(images: np.ndarray) -> Tensor:
    """Return uint8 BxHxWx3 images as float32 Bx3xHxW in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def to_images(tensor: Tensor) -> np.ndarray:
    """Return Bx3xHxW (or Bx1xHxW, shown grey) in [-1, 1] as uint8 BxHxWx3 images."""
    pixels = ((tensor.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())


def flip_images(images: np.ndarray) -> np.ndarray:
    """Return ...xHxWx3 images mirrored left to right."""
    return images[..., ::-1, :]


def flip_points(points: np.ndarray, width: int) -> np.ndarray:
    """Return ...x68x2 points (px) of the image mirrored left to right, in iBUG order again."""
    mirrored = points[..., _MIRRORED, :].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored


def landmark_planes(points: np.ndarray, size_px: int, kind: LandmarkKind = "points") -> np.ndarray:
    """Draw 68x2 points (px) on a plane, 1xSxS float32 in [-1, 1]: the background is 0, the landmarks are 1.

    A plane of 0s is what a grey of 127.5 is after normalisation: document 004 trained with masks of 0 and 1
    as pixels, which are nearly constant -1 after it, and its weights exploded. The points are discs with a
    radius of 1/64 of the size, the lines follow the iBUG contours; unknown points (NaN) give an empty plane.
    """
    plane = Image.new("L", (size_px, size_px))
    if np.isfinite(points).all():
        # Pillow cuts fractions off, which would move a plane and its mirror image apart.
        _DRAW[kind](ImageDraw.Draw(plane), points.round(), size_px)
    return np.asarray(plane, dtype=np.float32)[None]


def _draw_points(draw: ImageDraw.ImageDraw, points: np.ndarray, size_px: int) -> None:
    radius = size_px / 64
    for x, y in points:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)


def _draw_lines(draw: ImageDraw.ImageDraw, points: np.ndarray, size_px: int) -> None:
    width = max(1, round(size_px / 64))
    for first, last, closed in _CONTOURS:
        contour = [(x, y) for x, y in points[first : last + 1].tolist()]
        draw.line(contour + contour[:1] if closed else contour, fill=1, width=width)


_DRAW: dict[LandmarkKind, Callable[[ImageDraw.ImageDraw, np.ndarray, int], None]] = {
    "points": _draw_points,
    "lines": _draw_lines,
}
