"""Padding of images by their own pixels: by reflection, and up to the sizes that a network takes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


class ReflectionPad(nn.Module):
    """BxCxHxW with `border_px` mirrored pixels on each side, as nn.ReflectionPad2d, and repeatable on every device.

    On CUDA the gradient of nn.ReflectionPad2d adds in any order. Where PyTorch is told to be deterministic the pad is
    made of slices there, whose gradient adds in one order.
    """

    def __init__(self, border_px: int) -> None:
        super().__init__()
        self.border_px = border_px

    def forward(self, images: Tensor) -> Tensor:
        """Return BxCx(H+2p)x(W+2p); H and W are larger than the border p."""
        if images.is_cuda and torch.are_deterministic_algorithms_enabled():
            return reflected_by_slices(images, self.border_px)
        return functional.pad(images, [self.border_px] * 4, mode="reflect")

    def extra_repr(self) -> str:
        """Return the border, for the network's description."""
        return f"{self.border_px}"


def reflected_by_slices(images: Tensor, border_px: int) -> Tensor:
    """Return BxCxHxW with mirrored borders, put together from slices; `ValueError` where H or W are too small."""
    for dimension in (-1, -2):
        images = _reflected(images, border_px, dimension)
    return images


def _reflected(images: Tensor, border_px: int, dimension: int) -> Tensor:
    length = images.shape[dimension]
    if border_px >= length:
        raise ValueError(f"{length} pixels cannot be mirrored by {border_px}; give a larger image")
    before = images.narrow(dimension, 1, border_px).flip(dimension)
    after = images.narrow(dimension, length - 1 - border_px, border_px).flip(dimension)
    return torch.cat([before, images, after], dim=dimension)


def padded(network: Callable[[Tensor], Tensor], images: Tensor, multiple: int) -> Tensor:
    """Return BxDxHxW that a network makes of BxCxHxW, whose sides need be no multiples of `multiple`.

    The images are padded on all sides to the next multiple (4 for a ResNet, the size that a U-Net was built for), and
    what the network returns is cropped back. The border mirrors the image; where it is as wide as the image or wider,
    it repeats the outermost pixels.
    """
    height, width = images.shape[-2:]
    missing_y, missing_x = -height % multiple, -width % multiple
    if not missing_x and not missing_y:
        return network(images)
    left, top = missing_x // 2, missing_y // 2
    border = [left, missing_x - left, top, missing_y - top]
    mirrored = max(border[:2]) < width and max(border[2:]) < height
    results = network(functional.pad(images, border, mode="reflect" if mirrored else "replicate"))
    return results[..., top : top + height, left : left + width]
