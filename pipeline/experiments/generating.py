"""The options of methods that make faces of nothing but chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.experiments.common import Experiment, require_at_least_1


@dataclass(frozen=True, kw_only=True)
class Gan(Experiment):
    """Document 002's basic GAN: it learns the faces of the second domain, and sees none of the first.

    `architecture: dcgan` is Radford et al. 2016; `sagan` has spectral norm, self-attention, the hinge loss and two
    learning rates (Zhang et al. 2019): half of `learning_rate` for the generator and twice as much for the
    discriminator, by default the paper's 1e-4 and 4e-4. `width`: channels at half of the size, which double with each
    halving up to 8 times as many; `latent`: how many random numbers become a face.
    """

    method: Literal["gan"] = "gan"
    batch_size: int = 128
    architecture: Literal["dcgan", "sagan"] = "dcgan"
    width: int = 64
    latent: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_1(self, "width", "latent")
