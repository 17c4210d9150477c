"""A convolutional encoder from an image to a few numbers, and a decoder from these to an image."""

from __future__ import annotations

from itertools import pairwise
from math import gcd

from torch import Tensor, nn

from pipeline.networks.halving import halved_channels

# The channels grow up to so many times those of the first layer, from which on the side alone is halved.
_MOST = 16
_GROUPS = 8


class ConvEncoder(nn.Module):
    """Bx3xSxS in [-1, 1] to Bx`values`: 4x4 convolutions that halve down to 4x4 places, and a linear layer.

    S is a power of two from 8 on. The norms are of groups of channels (Wu and He 2018), so that an image is encoded
    alike in training and afterwards, and whatever the batch.
    """

    def __init__(self, size_px: int = 128, width: int = 32, values: int = 256) -> None:
        super().__init__()
        channels = halved_channels(size_px, width, _MOST)
        blocks = [_halving(taken, given) for taken, given in pairwise([3, *channels])]
        self.layers = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(channels[-1] * 4 * 4, values))

    def forward(self, images: Tensor) -> Tensor:
        """Return the values of each image."""
        return self.layers(images)


class ConvDecoder(nn.Module):
    """Bx`latent` to Bx3xSxS in [-1, 1]: the encoder's way back.

    Each doubling repeats pixels and convolves them by 3x3, which leaves no checkerboard as transposed ones do.
    """

    def __init__(self, size_px: int = 128, width: int = 32, latent: int = 256) -> None:
        super().__init__()
        channels = halved_channels(size_px, width, _MOST)[::-1]
        self.layers = nn.Sequential(
            nn.Linear(latent, channels[0] * 4 * 4),
            nn.Unflatten(1, (channels[0], 4, 4)),
            _norm(channels[0]),
            nn.LeakyReLU(0.2),
            *[_doubling(taken, given) for taken, given in pairwise(channels)],
            nn.Upsample(scale_factor=2),
            nn.Conv2d(channels[-1], 3, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return the images."""
        return self.layers(latent)


def _halving(taken: int, given: int) -> nn.Module:
    convolution = nn.Conv2d(taken, given, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, _norm(given), nn.LeakyReLU(0.2))


def _doubling(taken: int, given: int) -> nn.Module:
    convolution = nn.Conv2d(taken, given, 3, padding=1, bias=False)
    return nn.Sequential(nn.Upsample(scale_factor=2), convolution, _norm(given), nn.LeakyReLU(0.2))


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(gcd(_GROUPS, channels), channels)
