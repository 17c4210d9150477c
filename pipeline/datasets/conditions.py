"""Pixels, landmarks and colours as a network's input: normalised images, planes, and their mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

LandmarkShape = Literal["points", "lines"]
# Skin, hair and eyes, three numbers each; both eyes count as one colour.
COLOR_VALUES = 9

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
_MIRRORED = (
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
)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device, which is not waited for: it may still compute the step before."""
    return tensor.to(device, non_blocking=True)


def to_tensor(images: np.ndarray | Tensor) -> Tensor:
    """Return uint8 BxHxWx3 images as float32 Bx3xHxW in [-1, 1]."""
    pixels = torch.from_numpy(np.array(images)) if isinstance(images, np.ndarray) else images
    return pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def to_images(tensor: Tensor) -> np.ndarray:
    """Return Bx3xHxW (or Bx1xHxW, shown grey) in [-1, 1] as uint8 BxHxWx3 images."""
    pixels = ((tensor.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())


def flip_points(points: Tensor, width: int) -> Tensor:
    """Return ...x68x2 points (px) of the image mirrored left to right, in iBUG order again."""
    mirrored = points.index_select(-2, sent(torch.tensor(_MIRRORED), points.device))
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored


def landmark_planes(
    points: Tensor,
    size_px: int,
    shape: LandmarkShape = "points",
    pixels: tuple[float, float] = (127.5, 255.0),
) -> Tensor:
    """Draw Bx68x2 points (px) on planes, Bx1xSxS in [-1, 1]; `pixels` are those of background and landmark.

    A background of 127.5 is 0 after normalisation. Document 004 trained with pixels of 0 and 1, which are nearly
    constant -1 after it, and its weights exploded. The points are discs with a radius of 1/64 of the size, the lines
    follow the iBUG contours; unknown points (NaN) give an empty plane.
    """
    starts, ends = _segments(shape, points.device)
    reach = max(size_px / 64, 0.5 if shape == "points" else 0.75)
    # Whole pixels, so that a plane and its mirror image are alike.
    places = points.float().round()
    start, end = places[:, starts], places[:, ends]
    steps = 1 if shape == "points" else _steps(start, end, size_px)
    drawn = _near(start, end, steps, reach, size_px)
    background, landmark = (value / 127.5 - 1 for value in pixels)
    return torch.where(drawn, landmark, background)


def _segments(shape: LandmarkShape, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the first and the last point of every line to draw; a point is a line to itself."""
    if shape == "points":
        every = torch.arange(68, device=device)
        return every, every
    pairs: list[tuple[int, int]] = []
    for first, last, closed in _CONTOURS:
        pairs += [(point, point + 1) for point in range(first, last)]
        pairs += [(last, first)] if closed else []
    starts, ends = zip(*pairs, strict=True)
    return sent(torch.tensor(starts), device), sent(torch.tensor(ends), device)


def _steps(start: Tensor, end: Tensor, size_px: int) -> int:
    """Return how many points, at most a pixel apart, reach from start to end, BxLx2; from a GPU a bound."""
    if start.is_cuda:
        return 2 * size_px  # its answer would have to be waited for
    return 1 + int((end - start).norm(dim=-1).nan_to_num().max().ceil())


def _near(start: Tensor, end: Tensor, steps: int, reach: float, size_px: int) -> Tensor:
    """Return Bx1xSxS: whether a pixel is at most `reach` from one of the BxLx2 segments; unknown ones are far.

    Only the pixels around `steps` points of each segment are looked at.
    """
    device = start.device
    start, along = start[:, :, None, None], (end - start)[:, :, None, None]
    share = torch.linspace(0, 1, steps, device=device)[:, None, None]
    side = torch.arange(-int(reach + 1), int(reach + 1) + 1, device=device)
    window = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).reshape(-1, 2)
    pixel = (start + share * along).round() + window
    inside = ((pixel >= 0) & (pixel < size_px)).all(dim=-1)
    near = inside & (_distance_to_segments(pixel, start, along) <= reach**2)
    x, y = pixel.unbind(dim=-1)
    # What is far is drawn on one more pixel, which is not shown.
    index = torch.where(near, y * size_px + x, size_px**2).long().flatten(1)
    canvas = torch.zeros(len(start), size_px**2 + 1, dtype=torch.bool, device=device)
    return canvas.scatter_(1, index, True)[:, :-1].reshape(-1, 1, size_px, size_px)


def _distance_to_segments(pixel: Tensor, start: Tensor, along: Tensor) -> Tensor:
    """Return the squared distance of ...x2 pixels to segments; NaN where one is unknown."""
    length = along.square().sum(-1)
    share = ((pixel - start) * along).sum(-1) / length.clamp(min=1e-6)
    nearest = start + share.clamp(0, 1)[..., None] * along
    return (pixel - nearest).square().sum(-1)


def color_values(rows: Sequence[dict]) -> np.ndarray:
    """Return Nx9 float32 in [-1, 1]: skin, hair and eyes of catalogue rows; NaN where a colour is unknown."""
    return np.array([_values(row) for row in rows], dtype=np.float32).reshape(-1, COLOR_VALUES)


def _values(row: dict) -> list[float]:
    unknown = [float("nan")] * 3
    eyes = [row[name] for name in ("left_eye_rgb", "right_eye_rgb") if row.get(name) is not None]
    eye = np.mean(eyes, axis=0).tolist() if eyes else unknown
    known = [row.get("skin_rgb") or unknown, row.get("hair_rgb") or unknown, eye]
    return [value / 127.5 - 1 for color in known for value in color]


def color_planes(values: Tensor, size_px: int) -> Tensor:
    """Return Bx9 colours in [-1, 1] as constant planes Bx9xSxS; an unknown colour (NaN) is 0, a medium grey."""
    return known_colors(values)[:, :, None, None].expand(-1, -1, size_px, size_px)


def known_colors(values: Tensor) -> Tensor:
    """Return colours with 0 where they are unknown."""
    return values.nan_to_num(0.0)
