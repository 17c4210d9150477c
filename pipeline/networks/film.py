"""Feature maps scaled and shifted by values that describe the image (Perez et al. 2018, FiLM)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.networks.initialise import OwnStart


class Film(OwnStart, nn.Module):
    """BxCxHxW x (1 + scale) + shift, both learnt from BxN values; starts at 0 and changes nothing then."""

    def __init__(self, values: int, channels: int) -> None:
        super().__init__()
        self.layer = nn.Linear(values, 2 * channels)
        self.start()

    @torch.no_grad()
    def start(self, generator: torch.Generator | None = None) -> None:
        """Set scale and shift to 0."""
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, features: Tensor, values: Tensor) -> Tensor:
        """Return features of the same shape."""
        scale, shift = self.layer(values)[:, :, None, None].chunk(2, dim=1)
        return features * (1 + scale) + shift
