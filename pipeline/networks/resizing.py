"""Resizing by name, equal to what published figures were made with: the same metric differs from one to another.

What each does, and how much it matters: Parmar, Zhang and Zhu 2022, "On Aliased Resizing and Surprising Subtleties in
GAN Evaluation".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional


class Resizing(NamedTuple):
    """`resize`: BxHxWx3 uint8 images to Bx3xSxS float32, 0..255; `grey`: the value that is 0 to the network.

    A value x becomes (x - grey) / grey, as the library that the resizing is equal to has it.
    """

    resize: Callable[[Tensor, int], Tensor]
    grey: float


def prepare(images: Tensor, side_px: int, name: str) -> Tensor:
    """Return BxHxWx3 uint8 images of any size as a network takes them, Bx3xSxS float32 from about -1 to 1.

    `name` is one of `RESIZINGS`. The memory's order is channels last, in which convolutions on a CPU are fastest.
    """
    resize, grey = RESIZINGS[name]
    return ((resize(images, side_px) - grey) / grey).contiguous(memory_format=torch.channels_last)


def resize_as_tensorflow_1(images: Tensor, side_px: int) -> Tensor:
    """Return images by TensorFlow 1's bilinear rule: corners on corners at the top left, no low-pass filter."""
    left, right, along = _neighbours(images.shape[2], side_px)
    values = _between(images[:, :, left].float(), images[:, :, right].float(), along[:, None])
    upper, lower, down = _neighbours(images.shape[1], side_px)
    values = _between(values[:, upper], values[:, lower], down[:, None, None])
    return values.permute(0, 3, 1, 2)


def resize_as_pillow_bicubic(images: Tensor, side_px: int) -> Tensor:
    """Return images by Pillow's bicubic filter, which widens as it reduces, each channel in float32, cut to 0..255."""
    planes = images.permute(0, 3, 1, 2).float().flatten(0, 1).numpy()
    made = np.stack([_bicubic(plane, side_px) for plane in planes])
    return torch.from_numpy(made).clamp_(0, 255).view(len(images), 3, side_px, side_px)


def resize_as_torch_bilinear(images: Tensor, side_px: int) -> Tensor:
    """Return images by PyTorch's bilinear rule: centres of pixels on centres, no low-pass filter."""
    planes = images.permute(0, 3, 1, 2).contiguous().float()
    return functional.interpolate(planes, (side_px, side_px), mode="bilinear", align_corners=False)


def _neighbours(size: int, made: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each of `made` places the pixels before and after it, and how far it is on the way."""
    places = torch.arange(made, dtype=torch.float32) * torch.tensor(size / made, dtype=torch.float32)
    before = places.long()
    return before, (before + 1).clamp_max(size - 1), places - before


def _between(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    return start + (end - start) * share


def _bicubic(plane: np.ndarray, side_px: int) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize((side_px, side_px), Image.Resampling.BICUBIC))


# torch-fidelity's only one, and clean-fid's modes `clean`, `legacy_pytorch` and `legacy_tensorflow`: the last is
# TensorFlow 1's too.
RESIZINGS: Mapping[str, Resizing] = {
    "fidelity": Resizing(resize_as_tensorflow_1, 128.0),
    "clean": Resizing(resize_as_pillow_bicubic, 128.0),
    "legacy_pytorch": Resizing(resize_as_torch_bilinear, 127.5),
    "legacy_tensorflow": Resizing(resize_as_tensorflow_1, 128.0),
}
