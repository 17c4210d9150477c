"""StarGAN v2's networks: a generator led by a style, and what gives styles and judges images by domain.

Choi et al. 2020, appendix D, with the sizes of the authors' code. Wherever domains are asked for they are numbers, one
for each image of the batch.
"""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.munit import adaptive_instance_norm

_SLOPE = 0.2
# At these sizes, in pixels, the edges of the input are carried over: all of the face's parts at the smallest.
_COARSE = 32
_CARRIED = (_COARSE, 64, 128)
# Of the 68 iBUG points, those that the second mask is drawn around: nose and eyes.
_NOSE_AND_EYES = slice(27, 48)


class StarGanV2Generator(nn.Module):
    """Bx3xSxS images and Bx`style` styles to Bx3xSxS images, S a power of 2 from 32 up.

    Residual blocks halve the image to 16 px with instance norm, two keep the size; then as many take scale and shift
    from the style. There is no tanh: the images are in [-1, 1] by learning alone. With `w_hpf` the image is halved once
    more, the blocks that take a style have no shortcut, and what would be lost by that is carried over: a high-pass of
    the features at 32, 64 and 128 px, inside of masks.
    """

    def __init__(self, size_px: int = 256, style: int = 64, w_hpf: int = 1, width: float = 1.0) -> None:
        super().__init__()
        channels = _channels(size_px, width, halvings=_log2(size_px) - 4 + w_hpf)
        first, last = channels[0], channels[-1]
        self.from_rgb = nn.Conv2d(3, first, 3, padding=1)
        self.encoder = nn.ModuleList(
            [ResidualBlock(taken, given, norm=True, halves=True) for taken, given in pairwise(channels)]
            + [ResidualBlock(last, last, norm=True) for _ in range(2)]
        )
        has_shortcut = not w_hpf
        self.decoder = nn.ModuleList(
            [StyledBlock(last, last, style, has_shortcut) for _ in range(2)]
            + [
                StyledBlock(taken, given, style, has_shortcut, doubles=True)
                for taken, given in pairwise(reversed(channels))
            ]
        )
        self.to_rgb = nn.Sequential(
            nn.InstanceNorm2d(first, affine=True), nn.LeakyReLU(_SLOPE), nn.Conv2d(first, 3, 1)
        )

    def forward(self, images: Tensor, styles: Tensor, masks: Tensor | None = None) -> Tensor:
        """Return the images; `masks` are Bx2xSxS in [0, 1] as `face_masks` draws them, where edges are carried over."""
        features, carried = self.from_rgb(images), {}
        for block in self.encoder:
            if masks is not None and features.shape[-1] in _CARRIED:
                carried[features.shape[-1]] = features
            features = block(features)
        for block in self.decoder:
            features = block(features, styles)
            if masks is not None and features.shape[-1] in _CARRIED:
                side = features.shape[-1]
                features = features + high_pass(_mask_of_size(masks, side) * carried[side])
        return self.to_rgb(features)


class MappingNetwork(nn.Module):
    """Bx`latent` numbers from N(0, 1) to Bx`style` styles: four layers for all domains, four for each."""

    def __init__(self, latent: int = 16, style: int = 64, domains: int = 2, width: float = 1.0) -> None:
        super().__init__()
        inner = _scaled(512, width)
        self.shared = nn.Sequential(
            *_layers(latent, inner), *[m for _ in range(3) for m in _layers(inner, inner)]
        )
        self.heads = nn.ModuleList(
            nn.Sequential(*[m for _ in range(3) for m in _layers(inner, inner)], nn.Linear(inner, style))
            for _ in range(domains)
        )

    def forward(self, latents: Tensor, domains: Tensor) -> Tensor:
        """Return the styles, each of the image's domain."""
        shared = self.shared(latents)
        return _of_domain(torch.stack([head(shared) for head in self.heads], dim=1), domains)


class DomainEncoder(nn.Module):
    """Bx3xSxS images to Bx`values` numbers by the head of a domain, S a power of 2.

    With one value it is the discriminator, whose number is a logit, else the style encoder. Residual blocks without
    norm halve the image to 4 px, and a 4x4 convolution sees all of that.
    """

    def __init__(self, size_px: int = 256, values: int = 64, domains: int = 2, width: float = 1.0) -> None:
        super().__init__()
        channels = _channels(size_px, width, halvings=_log2(size_px) - 2)
        self.shared = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, padding=1),
            *[ResidualBlock(taken, given, halves=True) for taken, given in pairwise(channels)],
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(channels[-1], channels[-1], 4),
            nn.LeakyReLU(_SLOPE),
            nn.Flatten(),
        )
        self.heads = nn.Linear(channels[-1], domains * values)
        self.domains = domains

    def forward(self, images: Tensor, domains: Tensor) -> Tensor:
        """Return the numbers, each image's by the head of its domain."""
        return _of_domain(self.heads(self.shared(images)).unflatten(1, (self.domains, -1)), domains)


class ResidualBlock(nn.Module):
    """BxCxhxw to BxDxhxw, or half of the size: activation before each convolution, the sum divided by sqrt(2)."""

    def __init__(self, channels: int, given: int, norm: bool = False, halves: bool = False) -> None:
        super().__init__()
        self.first = nn.Sequential(*_activated(channels, norm), nn.Conv2d(channels, channels, 3, padding=1))
        self.second = nn.Sequential(*_activated(channels, norm), nn.Conv2d(channels, given, 3, padding=1))
        self.resize = nn.AvgPool2d(2) if halves else nn.Identity()
        self.shortcut = _shortcut(channels, given)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features, whose variance stays what it was."""
        inner = self.second(self.resize(self.first(features)))
        return (self.resize(self.shortcut(features)) + inner) / sqrt(2)


class StyledBlock(nn.Module):
    """BxCxhxw and a style to BxDxhxw, or twice the size; without `has_shortcut` the convolutions are all there is.

    The shortcut's weights are there in any case, as in the authors' code, whose figures count them; without it they are
    not learnt.
    """

    def __init__(
        self, channels: int, given: int, style: int, has_shortcut: bool = True, doubles: bool = False
    ) -> None:
        super().__init__()
        self.first_norm, self.second_norm = StyledNorm(style, channels), StyledNorm(style, given)
        self.first = nn.Conv2d(channels, given, 3, padding=1)
        self.second = nn.Conv2d(given, given, 3, padding=1)
        self.resize = nn.Upsample(scale_factor=2, mode="nearest") if doubles else nn.Identity()
        self.shortcut = _shortcut(channels, given).requires_grad_(has_shortcut)
        self.has_shortcut = has_shortcut

    def forward(self, features: Tensor, styles: Tensor) -> Tensor:
        """Return the features in these styles, Bx`style`."""
        inner = functional.leaky_relu(self.first_norm(features, styles), _SLOPE)
        inner = functional.leaky_relu(self.second_norm(self.first(self.resize(inner)), styles), _SLOPE)
        inner = self.second(inner)
        if not self.has_shortcut:
            return inner
        return (self.shortcut(self.resize(features)) + inner) / sqrt(2)


class StyledNorm(nn.Module):
    """AdaIN whose scale, 1 + gamma, and shift are read from the style."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.values = nn.Linear(style, 2 * channels)

    def forward(self, features: Tensor, styles: Tensor) -> Tensor:
        """Return features of the same shape, BxCxhxw."""
        gamma, shift = self.values(styles).chunk(2, dim=1)
        return adaptive_instance_norm(features, 1 + gamma, shift)


def high_pass(features: Tensor) -> Tensor:
    """Return 8 times each place less its eight neighbours, BxCxhxw; there is 0 beyond the border."""
    return 9 * (features - functional.avg_pool2d(features, 3, stride=1, padding=1))


def face_masks(points: Tensor, size_px: int) -> Tensor:
    """Return Bx2xSxS in [0, 1]: all of a face's 68 points, and those of nose and eyes alone; Bx68x2 px, NaN is unknown.

    The reference takes them from the heat maps of a landmark detector (FAN, of 98 points), of which its second mask
    leaves out the face's contour, brows and mouth. Here a spot with a deviation of 1/64 of the size is drawn on each
    landmark that the dataset has, which needs no further network and is the same at every step.
    """
    places = torch.arange(size_px, device=points.device)
    # BxPxS along each axis: a spot is the product of both.
    across, down = (
        torch.exp(-0.5 * ((places - points[..., axis, None]) * (64 / size_px)).square()).nan_to_num(0.0)
        for axis in (0, 1)
    )
    chosen = (slice(None), _NOSE_AND_EYES)
    masks = [down[:, some].transpose(1, 2) @ across[:, some] for some in chosen]
    return torch.stack(masks, dim=1).clamp(max=1.0)


def _mask_of_size(masks: Tensor, side: int) -> Tensor:
    one = masks[:, :1] if side == _COARSE else masks[:, 1:]
    return functional.interpolate(one, size=(side, side), mode="bilinear", align_corners=False)


def _of_domain(values: Tensor, domains: Tensor) -> Tensor:
    """Return BxN of BxDxN: for each image the values of its domain."""
    return values[torch.arange(len(values), device=values.device), domains]


def _channels(size_px: int, width: float, halvings: int) -> list[int]:
    """Return the channels at the image's size, and each time that it has been halved."""
    first, most = _scaled(2**14 // size_px, width), _scaled(512, width)
    return [min(first * 2**level, most) for level in range(halvings + 1)]


def _scaled(channels: int, width: float) -> int:
    return max(1, round(width * channels))


def _log2(size_px: int) -> int:
    return size_px.bit_length() - 1


def _activated(channels: int, norm: bool) -> list[nn.Module]:
    norms: list[nn.Module] = [nn.InstanceNorm2d(channels, affine=True)] if norm else []
    return [*norms, nn.LeakyReLU(_SLOPE)]


def _shortcut(channels: int, given: int) -> nn.Module:
    return nn.Identity() if channels == given else nn.Conv2d(channels, given, 1, bias=False)


def _layers(taken: int, given: int) -> list[nn.Module]:
    return [nn.Linear(taken, given), nn.ReLU()]
