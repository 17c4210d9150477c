"""Generators that turn an image into an image: CycleGAN's ResNet and pix2pix's U-Net."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.networks.norms import NormKind, needs_bias, norm_layer

Upsample = Literal["transposed", "resize"]


class ResnetGenerator(nn.Module):
    """Bx`in_channels`xHxW to Bx`out_channels`xHxW in [-1, 1]; H and W are multiples of 4.

    Johnson et al. 2016 as in Zhu et al. 2017 (CycleGAN): c7s1-64, d128, d256, residual blocks of 256, u128,
    u64, c7s1-3 with instance norm. `upsample="resize"` enlarges by nearest neighbours and convolves, which
    leaves no checkerboard (Odena et al. 2016).
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        upsample: Upsample = "transposed",
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normalised(nn.Conv2d(in_channels, width, 7), width),
            *_normalised(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), 2 * width),
            *_normalised(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), 4 * width),
            *[ResidualBlock(4 * width) for _ in range(blocks)],
            *_enlarging(4 * width, 2 * width, upsample),
            *_enlarging(2 * width, width, upsample),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the translated images."""
        return self.layers(images)


class ResidualBlock(nn.Module):
    """BxCxHxW plus two 3x3 convolutions of it (He et al. 2016), padded by reflection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_normalised(nn.Conv2d(channels, channels, 3), channels),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        return features + self.layers(features)


def _normalised(convolution: nn.Module, channels: int) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)]


def _enlarging(in_channels: int, out_channels: int, upsample: Upsample) -> list[nn.Module]:
    if upsample == "resize":
        enlarge: list[nn.Module] = [nn.Upsample(scale_factor=2, mode="nearest"), nn.ReflectionPad2d(1)]
        return enlarge + _normalised(nn.Conv2d(in_channels, out_channels, 3), out_channels)
    transposed = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)
    return _normalised(transposed, out_channels)


class UNetGenerator(nn.Module):
    """Bx`in_channels`xSxS to Bx`out_channels`xSxS in [-1, 1]; S is `size_px`, a power of two.

    Isola et al. 2017 (pix2pix): log2(S) halvings to 1x1 and back, each level handed across. The inner levels
    of 8x`width` channels drop half of their features, which is the method's only noise.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        *,
        size_px: int,
        norm: NormKind = "batch",
    ) -> None:
        super().__init__()
        levels = size_px.bit_length() - 1
        if size_px != 2**levels or levels < 2:
            raise ValueError(f"a U-Net needs a size that is a power of two and at least 4, not {size_px}")
        channels = [width * min(2**level, 8) for level in range(levels)]
        self.downs = nn.ModuleList(_downs(in_channels, channels, norm))
        self.ups = nn.ModuleList(_ups(out_channels, channels, norm))

    def forward(self, images: Tensor) -> Tensor:
        """Return the translated images."""
        skipped: list[Tensor] = []
        features = images
        for down in self.downs:
            features = down(features)
            skipped.append(features)
        features = self.ups[0](skipped.pop())
        for up in self.ups[1:]:
            features = up(torch.cat([skipped.pop(), features], dim=1))
        return features


def _downs(in_channels: int, channels: list[int], norm: NormKind) -> list[nn.Module]:
    bias = needs_bias(norm)
    downs: list[nn.Module] = [nn.Conv2d(in_channels, channels[0], 4, stride=2, padding=1, bias=bias)]
    for level in range(1, len(channels)):
        convolution = nn.Conv2d(channels[level - 1], channels[level], 4, stride=2, padding=1, bias=bias)
        down = nn.Sequential(nn.LeakyReLU(0.2), convolution)
        if level < len(channels) - 1:  # 1x1 pixels cannot be normalised
            down.append(norm_layer(norm, channels[level]))
        downs.append(down)
    return downs


def _ups(out_channels: int, channels: list[int], norm: NormKind) -> list[nn.Module]:
    """Return the levels from 1x1 up; all but the first take the skipped features beside the others."""
    ups: list[nn.Module] = []
    innermost = len(channels) - 1
    for level in range(innermost, 0, -1):
        taken = channels[level] if level == innermost else 2 * channels[level]
        given = channels[level - 1]
        convolution = nn.ConvTranspose2d(taken, given, 4, stride=2, padding=1, bias=needs_bias(norm))
        up = nn.Sequential(nn.ReLU(), convolution, norm_layer(norm, given))
        if level < innermost and channels[level] == given:
            up.append(nn.Dropout(0.5))
        ups.append(up)
    last = nn.ConvTranspose2d(2 * channels[0], out_channels, 4, stride=2, padding=1)
    return [*ups, nn.Sequential(nn.ReLU(), last, nn.Tanh())]
