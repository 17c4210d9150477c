"""Layers whose weight is divided by its largest singular value (Miyato et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.initialise import OwnStart

_FIRST_ROUNDS = 15


class _Spectral(OwnStart, nn.Module):
    """Keeps in the buffer `u` the direction in which the weight enlarges most; each training pass improves it.

    Two uses of one pass must share one call of `normalised_weight`, which moves `u` while training.
    """

    weight: Tensor
    u: Tensor

    def __init__(self, *sizes: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.register_buffer("u", torch.empty(self.weight.shape[0]))
        self.start()

    @torch.no_grad()
    def start(self, generator: torch.Generator | None = None) -> None:
        """Draw the direction, and improve it until the first training pass can use it."""
        self.u.normal_(generator=generator)
        matrix = self.weight.flatten(1)
        for _ in range(_FIRST_ROUNDS):
            self.u.copy_(_next_directions(matrix, self.u)[0])

    def normalised_weight(self) -> Tensor:
        """Return the weight, divided by its largest singular value."""
        matrix = self.weight.flatten(1)
        with torch.autocast(matrix.device.type, enabled=False):
            with torch.no_grad():
                u, v = _next_directions(matrix, self.u)
                if self.training:
                    self.u.copy_(u)
            return self.weight / torch.dot(u, torch.mv(matrix, v))


def _next_directions(matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    v = functional.normalize(torch.mv(matrix.T, u), dim=0)
    return functional.normalize(torch.mv(matrix, v), dim=0), v


class SpectralConv2d(_Spectral, nn.Conv2d):
    """nn.Conv2d with such a weight, without padding of its own."""

    def forward(self, features: Tensor) -> Tensor:
        """Return the convolution of BxCxHxW."""
        return functional.conv2d(features, self.normalised_weight(), self.bias, self.stride)


class SpectralLinear(_Spectral, nn.Linear):
    """nn.Linear with such a weight."""

    def forward(self, values: Tensor) -> Tensor:
        """Return what the layer makes of BxN."""
        return functional.linear(values, self.normalised_weight(), self.bias)
