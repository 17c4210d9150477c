"""A variational autoencoder from a face to its partner (Kingma and Welling 2014), with document 002's perceptual loss.

Document 002 saw some of the latent numbers go dead (posterior collapse). Warm-up and free bits work against that, and
`active_units` among the curves says how many are alive.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipeline.experiments import autoencoding
from pipeline.methods.autoencoder import Autoencoder
from pipeline.methods.base import Losses, Turn, frozen
from pipeline.methods.losses import kl_from_normal

# Over the means of how many images, the latest of the training, the active ones are counted.
WINDOW = 256
_ACTIVE_VARIANCE = 0.01


class Vae(Autoencoder):
    """An autoencoder whose encoder gives a normal distribution for each number, of which one draw is decoded.

    A translation decodes the means, so that it can be repeated. The means of the latest images are part of a
    checkpoint.
    """

    values_per_number = 2

    def __init__(self, experiment: autoencoding.Vae, generator: torch.Generator) -> None:
        super().__init__(experiment, generator)
        self.options = experiment
        self._means = torch.empty(0, experiment.latent)

    def _losses(self, turn: Turn) -> Losses:
        options, source, target = self.options, turn["source"], turn["target"]
        mean, log_variance = self._encode(source)
        output = self._decode(_draw(mean, log_variance))
        weight = options.beta * self.warmth(turn.step) / target[0].numel()
        losses = {
            "reconstruction": self._distance(output, target),
            "kl": weight * kl_from_normal(mean, log_variance, options.free_bits),
        }
        if options.lambda_perceptual > 0:
            losses["perceptual"] = options.lambda_perceptual * self._perceptual(output, target)
        self._remember(mean)
        turn.log(kl_nats=kl_from_normal(mean, log_variance), active_units=active_units(self._means))
        return losses

    def warmth(self, step: int) -> float:
        """Return the part of `beta` that counts at a step (counted from 0): on a line up to 1."""
        return min(1.0, step / self.options.kl_warmup_steps) if self.options.kl_warmup_steps else 1.0

    def _perceptual(self, output: Tensor, target: Tensor) -> Tensor:
        """Return how far the means of output and partner are apart, as the encoder finds them.

        Here the encoder only judges: were it to learn of this loss, it could give all images the same means.
        """
        with frozen([self.networks["encoder"]]):
            return F.mse_loss(self._code(output), self._code(target))

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return BxN means and logarithms of variances, in fp32."""
        mean, log_variance = self.networks["encoder"](images).float().chunk(2, dim=1)
        return mean, log_variance

    def _code(self, images: Tensor) -> Tensor:
        """Return the means."""
        return self._encode(images)[0]

    def _remember(self, means: Tensor) -> None:
        self._means = torch.cat([self._means.to(means.device), means.detach()])[-WINDOW:]

    def state_dict(self) -> dict[str, Any]:
        """Return the means of the latest images."""
        return {"means": self._means}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from these means."""
        self._means = state["means"].to(device)


def active_units(means: Tensor) -> Tensor:
    """Return how many of N numbers tell images apart, given their means for M images, MxN.

    Those whose variance over the images is above 0.01 (Burda et al. 2016); none where there is one image.
    """
    return (means.var(dim=0, correction=0) > _ACTIVE_VARIANCE).float().sum()


def _draw(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return a draw of each normal distribution, through which gradients pass."""
    return mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
