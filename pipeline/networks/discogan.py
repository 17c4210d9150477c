"""DiscoGAN's networks for images of 64 pixels (Kim et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_BOTTLENECK = 100


class DiscoGenerator(nn.Module):
    """Bx3xHxW to Bx3xHxW, both in [0, 1], unlike other generators; H and W are multiples of 16.

    Four halving 4x4 convolutions and four doubling ones. `extra_layers` squeezes images of 64 pixels through 100
    values in between. Batch norm keeps running statistics: call `eval()` before translating, so that an image's
    translation does not depend on the others.
    """

    def __init__(self, width: int = 64, *, extra_layers: bool = False) -> None:
        super().__init__()
        inner = [
            *_halving_blocks(width),
            *(_bottleneck(8 * width) if extra_layers else []),
            *_doubling(8 * width, 4 * width),
            *_doubling(4 * width, 2 * width),
            *_doubling(2 * width, width),
        ]
        last = nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1, bias=False)
        self.layers = nn.Sequential(*inner, last, nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        """Return the translated images."""
        return self.layers(images)


class DiscoDiscriminator(nn.Module):
    """Bx3xHxW in [0, 1] to the probability of being real, Bx1x1x1 for 64 pixels, and three feature maps.

    Larger images get a probability for each place.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        blocks = _halving_blocks(width)
        self.start = nn.Sequential(*blocks[:2])
        self.blocks = nn.ModuleList(nn.Sequential(*blocks[at : at + 3]) for at in (2, 5, 8))
        self.judge = nn.Conv2d(8 * width, 1, 4, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the probabilities, and the features at a quarter, an eighth and a sixteenth of the size."""
        maps: list[Tensor] = []
        features = self.start(images)
        for block in self.blocks:
            features = block(features)
            maps.append(features)
        return torch.sigmoid(self.judge(features)), maps


def _halving_blocks(width: int) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)]
    for factor in (1, 2, 4):
        convolution = nn.Conv2d(factor * width, 2 * factor * width, 4, stride=2, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(2 * factor * width), nn.LeakyReLU(0.2)]
    return layers


def _doubling(in_channels: int, out_channels: int) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]


def _bottleneck(channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, _BOTTLENECK, 4, bias=False),
        nn.BatchNorm2d(_BOTTLENECK),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(_BOTTLENECK, channels, 4, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    ]
