"""GET-GAN's generator in parts: one encoder, a branch for what is translated, one for what is wrong, and a gate.

Document 001; the sizes are those of the specification. Encoder and branch together are CycleGAN's ResNet generator.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.networks.initialise import OwnStart
from pipeline.networks.residual import ResidualBlock, Upsample, growing, shrinking

_OPEN = 2.0


class SharedEncoder(nn.Module):
    """Bx`in_channels`xHxW in [-1, 1] to Bx4`width`xH/4xW/4 features: the first half of a ResNet generator.

    Of `blocks` residual blocks of the whole generator it has the first half: 4 of 9, 3 of 6.
    """

    def __init__(self, in_channels: int = 3, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        own = [ResidualBlock(4 * width) for _ in range(blocks // 2)]
        self.layers = nn.Sequential(*shrinking(in_channels, width), *own)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features; H and W are multiples of 4."""
        return self.layers(images)


class Branch(nn.Module):
    """Bx4`width`xhxw features to Bx`out_channels`x4hx4w in [-1, 1]: the second half of a ResNet generator.

    It has the residual blocks that `SharedEncoder` leaves of `blocks`: 5 of 9, 3 of 6.
    """

    def __init__(
        self, out_channels: int = 3, width: int = 64, blocks: int = 9, upsample: Upsample = "transposed"
    ) -> None:
        super().__init__()
        own = [ResidualBlock(4 * width) for _ in range(blocks - blocks // 2)]
        self.layers = nn.Sequential(*own, *growing(width, out_channels, upsample))

    def forward(self, features: Tensor) -> Tensor:
        """Return the images."""
        return self.layers(features)


class FeatureGate(OwnStart, nn.Module):
    """BxCxhxw features to how much of each goes to the branch of what is translated, in (0, 1); the same shape.

    `one_map` gives Bx1xhxw, the same for all channels. It starts near 0.88, almost open.
    """

    def __init__(self, channels: int = 256, *, one_map: bool = False) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.InstanceNorm2d(channels), nn.ReLU()
        )
        self.select = nn.Conv2d(channels, 1 if one_map else channels, 1)
        self.start()

    @torch.no_grad()
    def start(self, generator: torch.Generator | None = None) -> None:
        """Set the last bias so that the gate is almost open."""
        if self.select.bias is not None:
            nn.init.constant_(self.select.bias, _OPEN)

    def forward(self, features: Tensor) -> Tensor:
        """Return the gate; h and w are at least 2."""
        return torch.sigmoid(self.select(self.features(features)))
