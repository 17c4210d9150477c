"""DiscoGAN: two domains related by reconstruction and by the features of their discriminators (Kim et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipeline.datasets.loading import ROLES, Batch
from pipeline.experiments import unpaired
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam
from pipeline.networks.discogan import DiscoDiscriminator, DiscoGenerator
from pipeline.networks.initialise import initialise

GENERATORS = ("generator_to_target", "generator_to_source")
DISCRIMINATORS = ("discriminator_target", "discriminator_source")
# What the generators' loss consists of beside the reconstruction: to look real, and to have the features of the real.
_GAN_SHARE = 0.1
_FEATURES_SHARE = 0.9


class DiscoGan(Translator):
    """Two generators and two discriminators for images of 64 pixels, which take turns of whole steps.

    The networks work on images in [0, 1]: `_unit` takes them there where a phase or `translate` begins, and
    `translate` brings them back, so all losses are of images in [0, 1]. Weights start as those of DCGAN.
    """

    def __init__(self, experiment: unpaired.DiscoGan, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        width, extra_layers = experiment.width, experiment.extra_layers
        self.networks = {
            **{name: DiscoGenerator(width, extra_layers=extra_layers) for name in GENERATORS},
            **{name: DiscoDiscriminator(width) for name in DISCRIMINATORS},
        }
        for network in self.networks.values():
            initialise(network, generator)
        self.optimizers = {
            name: adam(self.parameters(*networks), experiment, weight_decay=experiment.weight_decay)
            for name, networks in (("discriminator", DISCRIMINATORS), ("generator", GENERATORS))
        }

    @property
    def shipped(self) -> tuple[str, ...]:
        """Both generators."""
        return GENERATORS

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return 1: the learning rate stays as it is."""
        return 1.0

    def phases(self) -> Sequence[Phase]:
        """Update the discriminators in every third step, the first among them, and the generators in the others."""
        return (
            Phase("discriminators", ("discriminator",), self._discriminator_losses, when=self._judges_learn),
            Phase(
                "generators",
                ("generator",),
                self._generator_losses,
                frozen=DISCRIMINATORS,
                when=lambda step: not self._judges_learn(step),
            ),
        )

    def _judges_learn(self, step: int) -> bool:
        return step % self.options.discriminator_every == 0

    def _discriminator_losses(self, turn: Turn) -> Losses:
        losses: Losses = {}
        for role in ROLES:
            with torch.no_grad():
                fake = self._generate(role, _unit(turn[_other(role)]))
            judged_real, _ = self._judge(role, _unit(turn[role]))
            judged_fake, _ = self._judge(role, fake)
            loss = cross_entropy(judged_real, is_real=True) + cross_entropy(judged_fake, is_real=False)
            losses[f"discriminator_{role}"] = 0.5 * loss
        return losses

    def _generator_losses(self, turn: Turn) -> Losses:
        reals = {role: _unit(turn[role]) for role in ROLES}
        fakes = {role: self._generate(role, reals[_other(role)]) for role in ROLES}
        rate = self.rate(turn.step)
        losses: Losses = {}
        for role in ROLES:
            _, features = self._judge(role, reals[role])
            judged, fake_features = self._judge(role, fakes[role])
            way_back = self._generate(role, fakes[_other(role)])
            losses |= {
                f"gan_{role}": (1 - rate) * _GAN_SHARE * cross_entropy(judged, is_real=True),
                f"features_{role}": (1 - rate) * _FEATURES_SHARE * feature_matching(features, fake_features),
                f"reconstruction_{role}": rate * F.mse_loss(way_back, reals[role]),
            }
        return losses

    def rate(self, step: int) -> float:
        """Return the share of the reconstruction in the generators' loss at a step, counted from 0."""
        return self.options.starting_rate if step < self.options.starting_steps else self.options.rate

    def _generate(self, role: str, images: Tensor) -> Tensor:
        """Return images of a domain, in [0, 1] as those that are given."""
        return self.networks[f"generator_to_{role}"](images)

    def _judge(self, role: str, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the probabilities of being real, and features, in fp32.

        In bf16 a probability above 0.998 is exactly 1, where the cross entropy gives no gradient.
        """
        with torch.autocast(images.device.type, enabled=False):
            return self.networks[f"discriminator_{role}"](images.float())

    def ways(self) -> Sequence[Way]:
        """Return both ways."""
        return self.both_ways()

    @torch.no_grad()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3x64x64 images of one domain as images of the other, `to`.

        Batch norm takes the statistics of the training, so that an image's translation depends on no other.
        """
        role = "target" if to == self.target else "source"
        network = self.networks[f"generator_to_{role}"]
        training = network.training
        network.eval()
        images = self._generate(role, _unit(inputs))
        network.train(training)
        return 2 * images - 1

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return source, its translation, the way back, and the same for the target."""
        columns: list[Tensor] = []
        for role, of, to in (("source", self.source, self.target), ("target", self.target, self.source)):
            given = inputs[role]
            columns += [given, self.translate(given, to), self.translate_back(given, to, of)]
        return columns


def cross_entropy(probabilities: Tensor, is_real: bool) -> Tensor:
    """Return the mean cross entropy of probabilities in [0, 1] of being real (Goodfellow et al. 2014), in fp32.

    PyTorch refuses it under autocast on a GPU.
    """
    with torch.autocast(probabilities.device.type, enabled=False):
        judged = probabilities.float()
        return F.binary_cross_entropy(judged, torch.full_like(judged, float(is_real)))


def feature_matching(reals: Sequence[Tensor], fakes: Sequence[Tensor]) -> Tensor:
    """Return how far the mean features of two batches are apart, summed over layers of BxCxhxw (Kim et al. 2017).

    The reference puts the squared difference of the means over the batch into a hinge embedding loss with the target
    1, which for this target is the mean of what is put in.
    """
    distances = [
        F.mse_loss(fake.mean(dim=0), real.mean(dim=0)) for real, fake in zip(reals, fakes, strict=True)
    ]
    return torch.stack(distances).sum()


def _unit(images: Tensor) -> Tensor:
    return (images + 1) / 2


def _other(role: str) -> str:
    return "source" if role == "target" else "target"
