"""What images look like to a frozen network, and what faces look like on average: content and style."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.networks.backbones import Backbone, build_backbone
from pipeline.networks.initialise import Pretrained
from pipeline.networks.vgg import Vgg19Features

# Of VGG19: up to relu4_1, as AdaIN looks; and with relu4_2 and relu5_1 as Gatys does.
_SHALLOW, _DEEP = (2, 7, 12, 21), (2, 7, 12, 21, 23, 30)
# The content of a backbone of several stages: the last that is not smaller than this part of the image, as relu4_2.
_CONTENT_PART = 8
_EPSILON = 1e-5


class Seen(NamedTuple):
    """Of B images: the map of their content, BxCxhxw, and those of their style, each BxCxhxw, from fine to coarse."""

    content: Tensor
    style: list[Tensor]


class Encoder(Pretrained, nn.Module):
    """Bx3xSxS in [-1, 1] to `Seen`: some maps of a network that stays as it was learnt elsewhere.

    `content` and `style` say which of the maps that the network gives are taken.
    """

    def __init__(self, network: Vgg19Features | Backbone, content: int, style: Sequence[int]) -> None:
        super().__init__()
        self.network, self.content, self.style = network, content, tuple(style)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Encoder:
        """Stay as when finished, norms included."""
        return super().train(False)

    def forward(self, images: Tensor) -> Seen:
        """Return the maps of content and style."""
        maps = self.network.stages(images) if isinstance(self.network, Backbone) else self.network(images)
        return Seen(maps[self.content], [maps[place] for place in self.style])

    def sizes(self, side_px: int) -> Seen:
        """Return maps without values, as square images of this side have them."""
        return deepcopy(self).to("meta")(torch.empty(1, 3, side_px, side_px, device="meta"))


def build_encoder(backbone: str | None, side_px: int, deep: bool) -> Encoder:
    """Return VGG19, or the backbone of this name, with random weights, drawn from torch's randomness.

    `deep` sees the content at relu4_2 and the style from relu1_1 to relu5_1, otherwise both end at relu4_1. Of a
    backbone for images of `side_px` the content is its last stage of at least 1/8 of the image; the style are
    all stages, or those up to the content.
    """
    if backbone is None:
        vgg19 = Vgg19Features(_DEEP if deep else _SHALLOW)
        return Encoder(vgg19, 4, (0, 1, 2, 3, 5)) if deep else Encoder(vgg19, 3, range(4))
    network = build_backbone(backbone)
    stages = range(len(network.channels))
    sides = [each.shape[-1] for each in Encoder(network, 0, stages).sizes(side_px).style]
    least = network.shown_px(side_px) // _CONTENT_PART
    content = max((place for place in stages if sides[place] >= least), default=0)
    return Encoder(network, content, stages if deep else range(content + 1))


class FaceStyle(nn.Module):
    """An encoder, and the means of some numbers of all faces seen so far, each face counted alike.

    The means are weights that no optimiser moves: they are averaged, saved and shipped like others.
    """

    def __init__(self, encoder: Encoder, shapes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.seen = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.means = nn.ParameterList(
            nn.Parameter(torch.zeros(tuple(shape)), requires_grad=False) for shape in shapes
        )
        self.encoder = encoder

    def forward(self, images: Tensor) -> Seen:
        """Return what the encoder sees of Bx3xSxS images in [-1, 1]."""
        return self.encoder(images)

    @torch.no_grad()
    def add(self, values: Sequence[Tensor]) -> None:
        """Take in B more faces; `values` are, for each mean, BxN numbers or more of its shape."""
        self.seen.add_(len(values[0]))
        for mean, value in zip(self.means, values, strict=True):
            mean.add_((value - mean).sum(dim=0) / self.seen)


def gram(features: Tensor) -> Tensor:
    """Return BxCxC: how maps BxCxhxw go together over all places, divided by C·h·w; in fp32."""
    flat = features.float().flatten(2)
    with torch.autocast(flat.device.type, enabled=False):
        return flat @ flat.transpose(1, 2) / flat[0].numel()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each map of BxCxhxw over its places, each BxC; in fp32."""
    flat = features.float().flatten(2)
    return flat.mean(dim=2), (flat.var(dim=2, correction=0) + _EPSILON).sqrt()
