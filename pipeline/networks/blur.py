"""Halving and doubling of feature maps without aliasing (Zhang 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.padding import ReflectionPad


class BlurDown(nn.Module):
    """BxCxHxW to every second pixel of it, blurred by [1, 2, 1] / 4 both ways first; odd sides are rounded up."""

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.pad = ReflectionPad(1)
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("weights", torch.outer(line, line)[None, None], persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return BxCxceil(H/2)xceil(W/2); H and W are at least 2."""
        channels = features.shape[1]
        weights = self.weights.expand(channels, 1, 3, 3)
        return functional.conv2d(self.pad(features), weights, stride=2, groups=channels)


def blur_up() -> nn.Module:
    """Return a layer from BxCxHxW to BxCx2Hx2W.

    Zhang's filter for this, [1, 3, 3, 1] / 4 both ways on pixels set apart, with the edges repeated, is bilinear
    interpolation.
    """
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
