"""The options of methods that translate in a style, which is drawn at random or taken from an example."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.experiments.common import (
    Experiment,
    Options,
    require,
    require_at_least_0,
    require_at_least_1,
)

_TAGGER = "tagger"


@dataclass(frozen=True, kw_only=True)
class StarGanV2(Experiment):
    """StarGAN v2 (Choi et al. 2020): one generator for both domains, led by a style of the domain that is asked for.

    A batch has `batch_size` faces of each domain, so the reference's 8 is 4 here. `width` multiplies every layer's
    channels: 1 is the reference's networks. `latent` and `style` are the numbers of each. `w_hpf: 1` carries the edges
    around the face's parts from the input to the output, around the landmarks of each face; 0 is for faces without
    landmarks, and for a shape that shall change more freely.

    `lambda_reg` weighs R1, `lambda_style` and `lambda_cycle` what is read back of style and image, and `lambda_ds` how
    unlike two outputs of a face are made, on a line that reaches 0 after `ds_steps`. The learning rate is constant.
    """

    method: Literal["starganv2"] = "starganv2"
    batch_size: int = 4
    learning_rate: float = 1e-4
    mapping_learning_rate: float = 1e-6
    weight_decay: float = 1e-4
    ema: float | None = 0.999
    width: float = 1.0
    latent: int = 16
    style: int = 64
    w_hpf: Literal[0, 1] = 1
    lambda_reg: float = 1.0
    lambda_style: float = 1.0
    lambda_cycle: float = 1.0
    lambda_ds: float = 1.0
    ds_steps: int = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.batch_size >= 2,
            "batch_size must be at least 2, got 1: a style is taken from two faces of a domain; set it to 2 or more",
        )
        require(
            self.mapping_learning_rate > 0,
            f"mapping_learning_rate must be above 0, got {self.mapping_learning_rate}",
        )
        require(self.width > 0, f"width must be above 0, got {self.width}")
        require_at_least_1(self, "latent", "style", "ds_steps")
        weights = ("lambda_reg", "lambda_style", "lambda_cycle", "lambda_ds")
        require_at_least_0(self, "weight_decay", *weights)

    @property
    def needs_landmarks(self) -> bool:
        """Whether faces without landmarks are of no use."""
        return super().needs_landmarks or self.w_hpf > 0


@dataclass(frozen=True, kw_only=True)
class Gatys(Options):
    """How an image is sought that has the content of one face and the style of others.

    Content and style each cost the square of what they differ by, relative to the square of what is wanted: 1 where
    nothing of it is there. So the weights hold for any network that looks. `lambda_tv` weighs the mean square
    difference of neighbouring pixels. Adam takes `iterations` steps; L-BFGS so many at most, and 1.25 times as
    many looks at the image.
    """

    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    iterations: int = 300
    lambda_content: float = 1.0
    lambda_style: float = 1.0
    lambda_tv: float = 1.0

    def __post_init__(self) -> None:
        require_at_least_1(self, "iterations")
        require_at_least_0(self, "lambda_content", "lambda_style", "lambda_tv")


@dataclass(frozen=True, kw_only=True)
class AdaIn(Options):
    """How a decoder learns to show features in any style, and how much of it a translation takes on.

    `width`: channels of the decoder's last layers. `alpha`: 1 is all of the style, 0 none. The learning rate is divided
    by 1 + `learning_rate_decay` * step.
    """

    width: int = 64
    alpha: float = 1.0
    lambda_content: float = 1.0
    lambda_style: float = 10.0
    learning_rate_decay: float = 5e-5

    def __post_init__(self) -> None:
        require_at_least_1(self, "width")
        require(0 <= self.alpha <= 1, f"alpha must be from 0 to 1, got {self.alpha}")
        require_at_least_0(self, "lambda_content", "lambda_style", "learning_rate_decay")


@dataclass(frozen=True, kw_only=True)
class StyleTransfer(Experiment):
    """Style transfer: by optimising each image (Gatys et al. 2016), or feed-forward (AdaIN, Huang and Belongie 2017).

    `variant: gatys` learns nothing but what the second domain looks like on average, for which one epoch is enough, and
    seeks each translation anew; `adain` trains a decoder. Each has its own group of options.

    Both look through a network: `perceptual_weights` is `vgg19`, which stands for torchvision's published file, or
    the path of one; or `tagger:NAME`, an experiment of method tagger, whose `backbone` is then named as there.
    """

    method: Literal["style-transfer"] = "style-transfer"
    batch_size: int = 8
    learning_rate: float = 1e-4
    variant: Literal["gatys", "adain"] = "gatys"
    perceptual_weights: str = "vgg19"
    backbone: str | None = None
    gatys: Gatys = field(default_factory=Gatys)
    adain: AdaIn = field(default_factory=AdaIn)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.variant == "gatys" or self.gatys == Gatys(),
            "gatys: variant adain does not use it; leave it out, or set variant to gatys",
        )
        require(
            self.variant == "adain" or self.adain == AdaIn(),
            "adain: variant gatys does not use it; leave it out, or set variant to adain",
        )
        require(
            self.perceptual_tagger is None or self.backbone is not None,
            f"backbone: name the one of {self.perceptual_weights} here too",
        )
        require(
            self.perceptual_tagger is not None or self.backbone is None,
            f"backbone: {self.perceptual_weights} is VGG19; leave it out, or set perceptual_weights to tagger:NAME",
        )

    @property
    def perceptual_tagger(self) -> str | None:
        """The experiment through whose backbone images are looked at, where one is."""
        prefix, _, name = self.perceptual_weights.partition(":")
        return name if prefix == _TAGGER else None
