"""Attention of feature maps: to one another's places (SAGAN), and to an image's landmarks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.initialise import OwnStart


class SelfAttention(nn.Module):
    """BxCxHxW plus gamma times what each place gathers from all others; gamma starts at 0 and changes nothing then.

    Zhang et al. 2019 (SAGAN): queries and keys have C / 8 channels, and their products are not divided by the square
    root of the dimension. `heads` splits the channels into parts that look at different places (Vaswani et al. 2017).
    """

    def __init__(self, channels: int, heads: int = 1) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        if inner % heads or channels % heads:
            raise ValueError(
                f"{heads} heads cannot share {inner} of {channels} channels; give a divisor of both"
            )
        self.heads = heads
        self.queries = nn.Conv2d(channels, inner, 1)
        self.keys = nn.Conv2d(channels, inner, 1)
        self.values = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape; memory without fused attention grows with (H x W)^2."""
        gathered = functional.scaled_dot_product_attention(
            self._split(self.queries(features)),
            self._split(self.keys(features)),
            self._split(self.values(features)),
            scale=1.0,
        )
        # The sum is laid out in memory as its first term is, and so is what comes after it computed.
        return features + self.gamma * gathered.transpose(2, 3).reshape(features.shape)

    def _split(self, maps: Tensor) -> Tensor:
        """Return BxCxHxW as Bx`heads`x(H*W)x(C/`heads`)."""
        return maps.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)


class LandmarkAttention(OwnStart, nn.Module):
    """BxCxhxw, stronger or weaker where a plane has landmarks (document 004's "attention by key points").

    features x (1 + strength x (2 mask - 1)), where the mask is a learnt 3x3 convolution of the plane, squeezed into
    (0, 1). The convolution starts at 0, so the mask is 0.5 everywhere and nothing changes at first. The strength
    starts at 1: were it 0 as well, neither would ever get a gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.soften = nn.Conv2d(1, 1, 3, padding=1)
        self.strength = nn.Parameter(torch.ones(1))
        self.start()

    @torch.no_grad()
    def start(self, generator: torch.Generator | None = None) -> None:
        """Set the convolution to 0 and the strength to 1."""
        nn.init.zeros_(self.soften.weight)
        if self.soften.bias is not None:
            nn.init.zeros_(self.soften.bias)
        nn.init.ones_(self.strength)

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        """Return features of the same shape.

        `guide` is Bx1xHxW in [-1, 1], 0 in the background and 1 on landmarks; H and W are the same multiple of h
        and w, and the plane is averaged down to them.
        """
        reduced = functional.avg_pool2d(guide, guide.shape[-1] // features.shape[-1])
        mask = torch.sigmoid(self.soften(reduced))
        return features * (1 + self.strength * (2 * mask - 1))
