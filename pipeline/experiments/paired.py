"""The options of methods that learn what an image should become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.experiments.common import (
    Conditioned,
    Options,
    require,
    require_at_least_0,
    require_at_least_1,
)

Norm = Literal["batch", "instance"]
Condition = Literal["image", "landmarks", "colors", "noise"]


@dataclass(frozen=True, kw_only=True)
class UNetGenerator(Options):
    """The U-Net: channels of its first layer, its normalisation."""

    width: int = 64
    norm: Norm = "batch"

    def __post_init__(self) -> None:
        require_at_least_1(self, "width")


@dataclass(frozen=True, kw_only=True)
class NormedDiscriminator(Options):
    """The PatchGAN of pix2pix: channels of its first layer, layers that halve, its normalisation."""

    width: int = 64
    layers: int = 3
    norm: Norm = "batch"

    def __post_init__(self) -> None:
        require_at_least_1(self, "width")
        require(1 <= self.layers <= 5, f"layers must be from 1 to 5, got {self.layers}")


@dataclass(frozen=True, kw_only=True)
class Pix2Pix(Conditioned):
    """pix2pix (Isola et al. 2017): from images, or from landmarks and colours as document 004 did.

    `conditions` are what the generator is told: `[image]` learns pairs of both domains, and what is told beside the
    image is of the first domain's face; without an image it learns the second domain from its own landmarks and
    colours, and makes faces of it from those of either. `colors: film` scales and shifts features by the colours
    instead of giving them as planes. `judged_with`: which conditions the discriminator sees beside the image, all
    of them by default, colours as planes. `test_dropout` keeps the method's noise when it translates, so that
    results vary.
    """

    method: Literal["pix2pix"] = "pix2pix"
    generator: UNetGenerator = field(default_factory=UNetGenerator)
    discriminator: NormedDiscriminator = field(default_factory=NormedDiscriminator)
    conditions: tuple[Condition, ...] = ("landmarks",)
    colors: Literal["planes", "film"] = "planes"
    judged_with: tuple[Condition, ...] | None = None
    lambda_l1: float = 100.0
    test_dropout: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_0(self, "lambda_l1")
        require(
            len(self.conditions) > 0, "conditions must name at least one of image, landmarks, colors, noise"
        )
        require(len(set(self.conditions)) == len(self.conditions), "conditions must name each condition once")
        require(set(self.conditions) != {"noise"}, "conditions: noise alone says nothing of a face")
        require(
            "image" not in self.conditions or self.pairing != "none",
            "conditions: an image needs pairs: set pairing to pair_id or nearest_landmarks",
        )
        for condition in self.judged_with or ():
            require(condition in self.conditions, f"judged_with: {condition!r} is not one of the conditions")
        require(
            self.colors == "planes" or "colors" in self.conditions, "colors: film needs colors in conditions"
        )
        require(
            self.colors == "planes" or len(self.conditions) > 1,
            "colors: film scales what is made of other conditions; name one beside colors",
        )

    @property
    def needs_landmarks(self) -> bool:
        """Whether faces without landmarks are of no use."""
        return super().needs_landmarks or "landmarks" in self.conditions
