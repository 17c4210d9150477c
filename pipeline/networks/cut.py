"""CUT's networks: a generator whose features can be read, and what makes patches of them (Park et al. 2020).

Its discriminator is `PatchDiscriminator(antialiased=True)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.blur import BlurDown, blur_up
from pipeline.networks.padding import ReflectionPad
from pipeline.networks.residual import ResidualBlock

_FIRST_BLOCK = 12


class CutGenerator(nn.Module):
    """Bx`in_channels`xHxW to Bx`out_channels`xHxW in [-1, 1]; H and W are multiples of 4 and at least 8.

    CycleGAN's ResNet generator, which halves and doubles without aliasing. Padding, convolution, norm, ReLU and
    halving are layers of their own, so that features are counted as in the paper: 0 are the image's padded pixels, 4
    and 8 the halved layers' convolutions, 12 the first residual block, 16 the fifth.
    """

    def __init__(self, in_channels: int = 3, out_channels: int = 3, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.layers = nn.Sequential(
            ReflectionPad(3),
            *_normalised(in_channels, width, 7),
            *_normalised(width, 2 * width, 3),
            BlurDown(),
            *_normalised(2 * width, 4 * width, 3),
            BlurDown(),
            *[ResidualBlock(4 * width) for _ in range(blocks)],
            blur_up(),
            *_normalised(4 * width, 2 * width, 3),
            blur_up(),
            *_normalised(2 * width, width, 3),
            ReflectionPad(3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        )
        middle = _FIRST_BLOCK + blocks // 2
        self.read_layers = tuple(sorted({0, 4, 8, _FIRST_BLOCK, middle}))

    def forward(self, images: Tensor) -> Tensor:
        """Return the translated images."""
        return self.layers(images)

    def features(self, images: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Return what these layers give, in ascending order, BxCxhxw each; later layers are not computed.

        `read_layers` are the paper's: 0, 4, 8, 12 and 16 with nine blocks, the middle block in place of 16 otherwise.
        """
        read: list[Tensor] = []
        features = images
        for index, layer in enumerate(self.layers):
            features = layer(features)
            if index in layers:
                read.append(features)
            if index == max(layers):
                break
        return read

    def feature_channels(self, layers: Sequence[int]) -> list[int]:
        """Return how many channels these layers give, in ascending order."""
        channels = [self.in_channels]
        for layer in self.layers:
            channels.append(layer.out_channels if isinstance(layer, nn.Conv2d) else channels[-1])
        return [channels[index + 1] for index in sorted(layers)]


class PatchSampler(nn.Module):
    """Features of some places of each layer to Bx`places`x`width` vectors of length 1, by an MLP for each layer."""

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(taken, width), nn.ReLU(), nn.Linear(width, width)) for taken in channels
        )

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Return the vectors of each layer; features are BxCxhxw, places as `draw_places` gives them."""
        return [
            functional.normalize(mlp(maps.flatten(2)[:, :, chosen].transpose(1, 2)), dim=-1)
            for mlp, maps, chosen in zip(self.mlps, features, places, strict=True)
        ]


def draw_places(features: Sequence[Tensor], count: int, generator: torch.Generator) -> list[Tensor]:
    """Return for each layer's BxCxhxw up to `count` different places, numbered row by row, on the features' device.

    An image and its translation must be read at the same places. The generator is one of the CPU, so that the places
    are the same on all devices.
    """
    return [
        torch.randperm(maps.shape[-2] * maps.shape[-1], generator=generator)[:count].to(maps.device)
        for maps in features
    ]


def _normalised(in_channels: int, out_channels: int, kernel_px: int) -> list[nn.Module]:
    """Return layers that keep the features they are given: their ReLU works on a copy."""
    padding = 1 if kernel_px == 3 else 0
    convolution = nn.Conv2d(in_channels, out_channels, kernel_px, padding=padding)
    return [convolution, nn.InstanceNorm2d(out_channels), nn.ReLU()]
