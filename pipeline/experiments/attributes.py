"""The options of methods that give a face the attributes they are asked for."""

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

# Attention in the discriminator comes after so many of its layers.
_ATTENDED_LAYERS = 3


@dataclass(frozen=True, kw_only=True)
class StarGanGenerator(Options):
    """StarGAN's generator: channels of its first layer, residual blocks."""

    width: int = 64
    blocks: int = 6

    def __post_init__(self) -> None:
        require_at_least_1(self, "width", "blocks")


@dataclass(frozen=True, kw_only=True)
class StarGanDiscriminator(Options):
    """StarGAN's discriminator: channels of its first layer, layers that halve the image and double the channels."""

    width: int = 64
    layers: int = 6

    def __post_init__(self) -> None:
        require_at_least_1(self, "width", "layers")


@dataclass(frozen=True, kw_only=True)
class StarGan(Experiment):
    """StarGAN (Choi et al. 2018) as document 002 uses it: one network for all kinds of surgery.

    A face of the source has no label, one of the target the experiment's `labels` that its tags or its title give; a
    target face without any is not trained on. Without `labels` there is one, which the target has. `batch_size` counts
    the faces of each domain, so that the paper's 16 are 8 here. `n_critic`: the generator learns in each so many-th
    step. `attention` after the generator's residual blocks, or after the discriminator's third layer too; `heads` share
    it (Vaswani et al. 2017). Document 002 raises `lambda_rec` "greatly" and names no number: 50 or 100 would be that.
    """

    method: Literal["stargan"] = "stargan"
    batch_size: int = 8
    learning_rate: float = 1e-4
    generator: StarGanGenerator = field(default_factory=StarGanGenerator)
    discriminator: StarGanDiscriminator = field(default_factory=StarGanDiscriminator)
    n_critic: int = 5
    lambda_cls: float = 1.0
    lambda_rec: float = 10.0
    lambda_gp: float = 10.0
    attention: Literal["none", "generator", "both"] = "none"
    heads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_1(self, "n_critic", "heads")
        require_at_least_0(self, "lambda_cls", "lambda_rec", "lambda_gp")
        most = self.size_px.bit_length() - 1
        layers = self.discriminator.layers
        require(
            layers <= most,
            f"discriminator.layers: {layers} layers need a larger image than {self.size_px} px; set it to {most} or"
            " fewer, or raise size_px",
        )
        require(
            self.attention != "both" or layers >= _ATTENDED_LAYERS,
            f"attention: both needs a discriminator of at least {_ATTENDED_LAYERS} layers, got {layers}",
        )
        require(
            self.heads == 1 or self.attention != "none",
            f"heads: {self.heads} heads share an attention; set attention to generator or both",
        )
        attended = {"none": (), "generator": ("generator",), "both": ("generator", "discriminator")}
        for name in attended[self.attention] if self.heads > 1 else ():
            width = getattr(self, name).width
            # Queries and keys have half as many channels as the width.
            require(
                width % (2 * self.heads) == 0,
                f"heads: {self.heads} heads need a {name}.width that is a multiple of {2 * self.heads}, got {width}",
            )

    @property
    def needs_labels(self) -> bool:
        """Whether faces of the target without any of the `labels` are of no use."""
        return bool(self.labels)
