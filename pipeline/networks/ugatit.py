"""U-GAT-IT: attention by class activation maps, and a norm that learns which norm it is (Kim et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.padding import ReflectionPad
from pipeline.networks.residual import ResidualBlock, normalised
from pipeline.networks.spectral import SpectralConv2d, SpectralLinear

_FIRST_RHO = 0.9
# What the last two 4x4 convolutions of a discriminator need, mirrored by one pixel.
_SMALLEST_PX = 3


class UgatitGenerator(nn.Module):
    """Bx`in_channels`xHxW to Bx`out_channels`xHxW in [-1, 1], with what the class activation maps say.

    c7s1-64, d128, d256, residual blocks of 256, the class activation map, as many residual blocks with AdaLIN, twice
    doubled with LIN, c7s1-3. The scale and shift of AdaLIN come from the attended features: from their mean over the
    places in the light variant (`size_px` is None; H and W are any multiples of 4 from 8 on), from all of them in the
    full one, which takes images of `size_px` x `size_px` only.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        blocks: int = 4,
        *,
        size_px: int | None = None,
    ) -> None:
        super().__init__()
        channels = 4 * width
        self.size_px = size_px
        self.shrinking = nn.Sequential(
            *_convolution(in_channels, width, 7),
            *_convolution(width, 2 * width, 3, stride=2),
            *_convolution(2 * width, channels, 3, stride=2),
            *[ResidualBlock(channels, bias=False) for _ in range(blocks)],
        )
        self.activation_map = ClassActivation(channels)
        looked_at = channels if size_px is None else channels * (size_px // 4) ** 2
        self.style = nn.Sequential(
            nn.Linear(looked_at, channels, bias=False),
            nn.ReLU(),
            nn.Linear(channels, channels, bias=False),
            nn.ReLU(),
        )
        self.scale = nn.Linear(channels, channels, bias=False)
        self.shift = nn.Linear(channels, channels, bias=False)
        self.styled = nn.ModuleList(AdaLinBlock(channels) for _ in range(blocks))
        self.growing = nn.Sequential(
            *_doubling(channels, 2 * width),
            *_doubling(2 * width, width),
            ReflectionPad(3),
            nn.Conv2d(width, out_channels, 7, bias=False),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the images, Bx2 logits that tell the source domain from the target's, and Bx1xH/4xW/4 attention."""
        if self.size_px is not None and images.shape[-2:] != (self.size_px, self.size_px):
            raise ValueError(
                f"the full generator was built for {self.size_px}x{self.size_px} pixels, not for"
                f" {images.shape[-2]}x{images.shape[-1]}; give its size_px, or take the light one"
            )
        features, logits = self.activation_map(self.shrinking(images))
        attention = features.sum(dim=1, keepdim=True)
        style = self.style(features.mean(dim=(2, 3)) if self.size_px is None else features.flatten(1))
        scale, shift = self.scale(style), self.shift(style)
        for block in self.styled:
            features = block(features, scale, shift)
        return self.growing(features), logits, attention


class UgatitDiscriminator(nn.Module):
    """Bx`in_channels`xHxW to logits of patches, large where they look real, with those of class activation maps.

    `layers` 4x4 convolutions with spectral norm, of which the last two do not halve: 7 see the whole of 256 pixels, 5
    see patches. Smaller images need fewer, see `most_layers`.
    """

    def __init__(self, in_channels: int = 3, width: int = 64, layers: int = 7) -> None:
        super().__init__()
        if layers < 3:
            raise ValueError(f"layers must be at least 3, got {layers}")
        self.layers = layers
        channels = [in_channels, *[width * 2**layer for layer in range(layers - 1)]]
        strides = [2] * (layers - 2) + [1]
        blocks: list[nn.Module] = []
        for taken, given, stride in zip(channels, channels[1:], strides, strict=False):
            blocks += [ReflectionPad(1), SpectralConv2d(taken, given, 4, stride=stride), nn.LeakyReLU(0.2)]
        self.shrinking = nn.Sequential(*blocks)
        self.activation_map = ClassActivation(channels[-1], spectral=True)
        self.judge = nn.Sequential(ReflectionPad(1), SpectralConv2d(channels[-1], 1, 4, bias=False))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return Bx1xhxw logits, the Bx2 logits of the class activation maps, and Bx1x(h+1)x(w+1) attention."""
        side_px = min(images.shape[-2:])
        if most_layers(side_px) < self.layers:
            raise ValueError(
                f"{side_px} pixels are too few for {self.layers} layers; give layers: {most_layers(side_px)}"
                if side_px >= 2 * _SMALLEST_PX
                else f"{side_px} pixels are too few; give at least {2 * _SMALLEST_PX}"
            )
        features, logits = self.activation_map(self.shrinking(images))
        return self.judge(features), logits, features.sum(dim=1, keepdim=True)


def most_layers(size_px: int) -> int:
    """Return how many layers a discriminator of images of this size may have: 8 at 256 px, 7 at 128, 6 at 64."""
    layers = 2
    while size_px >> (layers - 1) >= _SMALLEST_PX:
        layers += 1
    return layers


class ClassActivation(nn.Module):
    """BxCxhxw weighed by how much each channel speaks for one domain, by its mean and by its peak, and mixed.

    Zhou et al. 2016. `spectral` divides the weights by their largest singular value, for the product as well as for
    the logits, and is activated as a discriminator is.
    """

    def __init__(self, channels: int, *, spectral: bool = False) -> None:
        super().__init__()
        linear = SpectralLinear if spectral else nn.Linear
        self.by_mean = linear(channels, 1, bias=False)
        self.by_peak = linear(channels, 1, bias=False)
        self.mix = nn.Conv2d(2 * channels, channels, 1)
        self.activation = nn.LeakyReLU(0.2) if spectral else nn.ReLU()

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return BxCxhxw attended features and Bx2 logits."""
        mean_weight, peak_weight = _weight(self.by_mean), _weight(self.by_peak)
        logits = torch.cat(
            [
                functional.linear(features.mean(dim=(2, 3)), mean_weight),
                functional.linear(features.amax(dim=(2, 3)), peak_weight),
            ],
            dim=1,
        )
        weighed = [features * weight[:, :, None, None] for weight in (mean_weight, peak_weight)]
        return self.activation(self.mix(torch.cat(weighed, dim=1))), logits


def _weight(layer: nn.Linear) -> Tensor:
    return layer.normalised_weight() if isinstance(layer, SpectralLinear) else layer.weight


class AdaLinBlock(nn.Module):
    """BxCxhxw plus two 3x3 convolutions of it, each normalised by AdaLIN."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(ReflectionPad(1), nn.Conv2d(channels, channels, 3, bias=False))
        self.second = nn.Sequential(ReflectionPad(1), nn.Conv2d(channels, channels, 3, bias=False))
        self.first_norm = AdaLin(channels)
        self.second_norm = AdaLin(channels)

    def forward(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return features of the same shape; scale and shift are BxC."""
        inner = functional.relu(self.first_norm(self.first(features), scale, shift))
        return features + self.second_norm(self.second(inner), scale, shift)


class AdaLin(nn.Module):
    """Instance norm where `rho` is 1, layer norm where it is 0, for each channel; scaled and shifted from outside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, channels, 1, 1), _FIRST_RHO))

    def forward(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return BxCxhxw; scale and shift are BxC."""
        return _normalised(features, self.rho) * scale[:, :, None, None] + shift[:, :, None, None]


class Lin(nn.Module):
    """As AdaLIN, with scale and shift of its own; `rho` starts at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return BxCxhxw."""
        return _normalised(features, self.rho) * self.scale + self.shift


def _normalised(features: Tensor, rho: Tensor) -> Tensor:
    by_layer = functional.group_norm(features, num_groups=1)
    return rho * functional.instance_norm(features) + (1 - rho) * by_layer


@torch.no_grad()
def clip_rho(network: nn.Module) -> None:
    """Hold every rho of a network in [0, 1]; to be called after each of its optimiser's steps."""
    for module in network.modules():
        if isinstance(module, AdaLin | Lin):
            module.rho.clamp_(0, 1)


def _convolution(in_channels: int, out_channels: int, kernel_px: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(in_channels, out_channels, kernel_px, stride, bias=False)
    return [ReflectionPad(kernel_px // 2), *normalised(convolution, out_channels)]


def _doubling(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Upsample(scale_factor=2, mode="nearest"),
        ReflectionPad(1),
        nn.Conv2d(in_channels, out_channels, 3, bias=False),
        Lin(out_channels),
        nn.ReLU(),
    ]
