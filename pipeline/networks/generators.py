"""Generators that turn an image into an image: CycleGAN's ResNet and pix2pix's U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.networks.attention import LandmarkAttention, SelfAttention
from pipeline.networks.film import Film
from pipeline.networks.norms import NormKind, needs_bias, norm_layer
from pipeline.networks.residual import ResidualBlock, Upsample, growing, shrinking


class ResnetGenerator(nn.Module):
    """Bx`in_channels`xHxW to Bx`out_channels`xHxW in [-1, 1]; H and W are multiples of 4 and at least 8.

    Johnson et al. 2016 as in Zhu et al. 2017 (CycleGAN): c7s1-64, d128, d256, residual blocks of 256, u128,
    u64, c7s1-3 with instance norm. `attention` puts SAGAN's self-attention after the last residual block;
    `landmark_attention` strengthens what the residual blocks get around landmarks. Both change nothing at first.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        upsample: Upsample = "transposed",
        *,
        attention: bool = False,
        landmark_attention: bool = False,
    ) -> None:
        super().__init__()
        self.shrinking = nn.Sequential(*shrinking(in_channels, width))
        self.blocks = nn.Sequential(*[ResidualBlock(4 * width) for _ in range(blocks)])
        self.growing = nn.Sequential(*growing(width, out_channels, upsample))
        # Last, so that all other weights start as they do without.
        self.attention = SelfAttention(4 * width) if attention else None
        self.landmark_attention = LandmarkAttention() if landmark_attention else None

    def forward(self, images: Tensor, guide: Tensor | None = None) -> Tensor:
        """Return the translated images.

        `guide` is given with `landmark_attention` and only then: Bx1xHxW, 0 in the background and 1 on landmarks.
        """
        if (guide is None) != (self.landmark_attention is None):
            raise ValueError("a guide is needed with landmark_attention, and only with it")
        features = self.shrinking(images)
        if self.landmark_attention is not None:
            features = self.landmark_attention(features, guide)
        features = self.blocks(features)
        if self.attention is not None:
            features = self.attention(features)
        return self.growing(features)


class UNetGenerator(nn.Module):
    """Bx`in_channels`xHxW to Bx`out_channels`xHxW in [-1, 1]; H and W are multiples of `size_px`, a power of two.

    Isola et al. 2017 (pix2pix): log2(`size_px`) halvings, to 1x1 where H = W = `size_px`, and back, each level handed
    across. The inner levels of 8x`width` channels drop half of their features, which is the method's only noise.
    `film` values, if any, scale and shift what each level on the way back gives, all but the image; they change
    nothing at first.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        *,
        size_px: int,
        norm: NormKind = "batch",
        film: int = 0,
    ) -> None:
        super().__init__()
        levels = size_px.bit_length() - 1
        if size_px != 2**levels or levels < 2:
            raise ValueError(f"a U-Net needs a size that is a power of two and at least 4, not {size_px}")
        channels = [width * min(2**level, 8) for level in range(levels)]
        self.downs = nn.ModuleList(_downs(in_channels, channels, norm))
        self.ups = nn.ModuleList(_ups(out_channels, channels, norm))
        given = channels[-2::-1] if film else []
        self.films = nn.ModuleList(Film(film, level_channels) for level_channels in given)

    def forward(self, images: Tensor, values: Tensor | None = None) -> Tensor:
        """Return the translated images; `values`, Bx`film`, are given with `film` and only then."""
        if (values is None) != (len(self.films) == 0):
            raise ValueError("values are needed with film, and only with it")
        skipped: list[Tensor] = []
        features = images
        for down in self.downs:
            features = down(features)
            skipped.append(features)
        features = skipped.pop()
        for level, up in enumerate(self.ups):
            if level > 0:
                features = torch.cat([skipped.pop(), features], dim=1)
            features = up(features)
            if level < len(self.films):
                features = self.films[level](features, values)
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
