"""Generators of images from random numbers, and their discriminators: DCGAN, and the like with SAGAN's changes."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from pipeline.networks.attention import SelfAttention
from pipeline.networks.halving import halved_channels
from pipeline.networks.spectral import SpectralConv2d, SpectralLinear

_MOST = 8
_ATTENDED_PX = 32


class DcganGenerator(nn.Module):
    """Bx`latent` values, N(0, 1), to Bx3xSxS in [-1, 1] (Radford et al. 2016); S is a power of two from 8 on.

    Transposed 4x4 convolutions, from 4x4 places on. Batch norm keeps running statistics: call `eval()` before images
    are made that shall not depend on one another.
    """

    def __init__(self, size_px: int = 64, width: int = 64, latent: int = 100) -> None:
        super().__init__()
        channels = halved_channels(size_px, width, _MOST)[::-1]
        self.layers = nn.Sequential(
            nn.Unflatten(1, (latent, 1, 1)),
            _normed(nn.ConvTranspose2d(latent, channels[0], 4, bias=False), channels[0]),
            *[_normed(_doubling(taken, given), given) for taken, given in pairwise(channels)],
            _doubling(channels[-1], 3),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return the images."""
        return self.layers(latent)


class DcganDiscriminator(nn.Module):
    """Bx3xSxS in [-1, 1] to a logit for each image, Bx1x1x1; no sigmoid."""

    def __init__(self, size_px: int = 64, width: int = 64) -> None:
        super().__init__()
        first, *others = halved_channels(size_px, width, _MOST)
        layers: list[nn.Module] = [nn.Conv2d(3, first, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)]
        for taken, given in pairwise([first, *others]):
            halving = nn.Conv2d(taken, given, 4, stride=2, padding=1, bias=False)
            layers += [halving, nn.BatchNorm2d(given), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d([first, *others][-1], 1, 4, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.layers(images)


class SaganGenerator(nn.Module):
    """As `DcganGenerator`, with what Zhang et al. 2019 (SAGAN) add: spectral norm, and self-attention at 32x32 places.

    Each doubling repeats pixels and convolves them by 3x3. Images of 32 pixels have the attention at 16x16 places.
    """

    def __init__(self, size_px: int = 64, width: int = 64, latent: int = 100) -> None:
        super().__init__()
        channels = halved_channels(size_px, width, _MOST)[::-1]
        layers: list[nn.Module] = [
            SpectralLinear(latent, channels[0] * 4 * 4),
            nn.Unflatten(1, (channels[0], 4, 4)),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        ]
        for level, (taken, given) in enumerate(pairwise(channels), start=1):
            layers.append(_normed(_resizing(taken, given), given))
            if 4 * 2**level == _attended(size_px):
                layers.append(SelfAttention(given))
        self.layers = nn.Sequential(*layers, _resizing(channels[-1], 3), nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        """Return the images."""
        return self.layers(latent)


class SaganDiscriminator(nn.Module):
    """As `DcganDiscriminator`, with spectral norm in place of batch norm, and self-attention at 32x32 places."""

    def __init__(self, size_px: int = 64, width: int = 64) -> None:
        super().__init__()
        channels = halved_channels(size_px, width, _MOST)
        layers: list[nn.Module] = []
        for level, (taken, given) in enumerate(pairwise([3, *channels]), start=1):
            layers += [nn.ZeroPad2d(1), SpectralConv2d(taken, given, 4, stride=2), nn.LeakyReLU(0.2)]
            if size_px // 2**level == _attended(size_px):
                layers.append(SelfAttention(given))
        self.layers = nn.Sequential(*layers, SpectralConv2d(channels[-1], 1, 4))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.layers(images)


def _normed(convolution: nn.Module, channels: int) -> nn.Module:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


def _doubling(taken: int, given: int) -> nn.Module:
    return nn.ConvTranspose2d(taken, given, 4, stride=2, padding=1, bias=False)


def _resizing(taken: int, given: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.ZeroPad2d(1), SpectralConv2d(taken, given, 3))


def _attended(size_px: int) -> int:
    """Return the side of the maps that get self-attention."""
    return min(_ATTENDED_PX, size_px // 2)
