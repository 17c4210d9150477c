"""The options of methods that squeeze a face into a few numbers and make its partner of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.experiments.common import Experiment, require, require_at_least_0, require_at_least_1


@dataclass(frozen=True, kw_only=True)
class Autoencoding(Experiment):
    """What both say: an encoder squeezes a face of the first domain, a decoder makes its partner of what is left.

    `width`: channels at half of the size, which double with each halving up to 16 times as many; `latent`: how many
    numbers a face is squeezed into; `loss`: how an output is compared with the partner, by absolute or by squared
    differences.
    """

    batch_size: int = 16
    pairing: Literal["none", "pair_id", "nearest_landmarks"] = "pair_id"
    width: int = 32
    latent: int = 256
    loss: Literal["l1", "mse"] = "l1"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_1(self, "width", "latent")
        require(
            self.pairing != "none",
            f"pairing: {self.method} learns from pairs; set pairing to pair_id or nearest_landmarks",
        )


@dataclass(frozen=True, kw_only=True)
class Autoencoder(Autoencoding):
    """An autoencoder from one domain to the other, as document 002 begins with."""

    method: Literal["autoencoder"] = "autoencoder"


@dataclass(frozen=True, kw_only=True)
class Vae(Autoencoding):
    """A variational autoencoder (Kingma and Welling 2014) from one domain to the other.

    `beta` weighs the divergence from N(0, 1), which is summed over the latent numbers, averaged over the batch and
    divided by the number of values of an image, so that 1 is the variational bound where the loss is a mean over these
    values. It grows to that over `kl_warmup_steps`. `free_bits`: so many nats of each latent number cost nothing
    (Kingma et al. 2016). Both are against the collapse that document 002 saw. `lambda_perceptual` weighs the document's
    perceptual loss, the squared differences of the means that the encoder finds in an output and in the partner.
    """

    method: Literal["vae"] = "vae"
    beta: float = 1.0
    kl_warmup_steps: int = 1000
    free_bits: float = 0.5
    lambda_perceptual: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_0(self, "beta", "kl_warmup_steps", "free_bits", "lambda_perceptual")
