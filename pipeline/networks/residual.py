"""The parts of residual image generators: blocks, the way down to a quarter of the size and the way back."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from pipeline.networks.padding import ReflectionPad

Upsample = Literal["transposed", "resize"]


class ResidualBlock(nn.Module):
    """BxCxHxW plus two 3x3 convolutions of it (He et al. 2016), padded by reflection, with instance norm."""

    def __init__(self, channels: int, bias: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ReflectionPad(1),
            *normalised(nn.Conv2d(channels, channels, 3, bias=bias), channels),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        return features + self.layers(features)


def normalised(convolution: nn.Module, channels: int) -> list[nn.Module]:
    """Return the convolution, instance norm and ReLU."""
    return [convolution, nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)]


def shrinking(in_channels: int, width: int) -> list[nn.Module]:
    """Return layers from Bx`in_channels`xHxW to Bx4`width`xH/4xW/4: c7s1, d128, d256 at width 64."""
    return [
        ReflectionPad(3),
        *normalised(nn.Conv2d(in_channels, width, 7), width),
        *normalised(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), 2 * width),
        *normalised(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), 4 * width),
    ]


def growing(width: int, out_channels: int, upsample: Upsample) -> list[nn.Module]:
    """Return layers from Bx4`width`xhxw to Bx`out_channels`x4hx4w in [-1, 1]: u128, u64, c7s1 at width 64."""
    return [
        *doubling(4 * width, 2 * width, upsample),
        *doubling(2 * width, width, upsample),
        ReflectionPad(3),
        nn.Conv2d(width, out_channels, 7),
        nn.Tanh(),
    ]


def doubling(in_channels: int, out_channels: int, upsample: Upsample) -> list[nn.Module]:
    """Return layers from Bx`in_channels`xhxw to Bx`out_channels`x2hx2w.

    `resize` enlarges by nearest neighbours and convolves, which leaves no checkerboard (Odena et al. 2016).
    """
    if upsample == "resize":
        enlarge: list[nn.Module] = [nn.Upsample(scale_factor=2, mode="nearest"), ReflectionPad(1)]
        return enlarge + normalised(nn.Conv2d(in_channels, out_channels, 3), out_channels)
    transposed = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)
    return normalised(transposed, out_channels)
