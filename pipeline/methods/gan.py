"""The basic GAN of document 002: faces of the target made of random numbers, whoever is to be operated on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import to_tensor
from pipeline.datasets.loading import Batch, Draws
from pipeline.experiments import generating
from pipeline.methods.base import ADAM_BETAS, Losses, Phase, Translator, Turn, Way, validation_faces
from pipeline.methods.losses import bce_gan, hinge_fooled, hinge_judged
from pipeline.networks.gan import DcganDiscriminator, DcganGenerator, SaganDiscriminator, SaganGenerator
from pipeline.networks.initialise import initialise

_SAGAN_BETAS = (0.0, 0.9)
# Of the experiment's learning rate; SAGAN's discriminator learns four times as fast as its generator.
_RATES = {
    "dcgan": {"generator": 1.0, "discriminator": 1.0},
    "sagan": {"generator": 0.5, "discriminator": 2.0},
}


class Gan(Translator):
    """A generator of faces and a discriminator, by DCGAN's recipe (Radford et al. 2016) or SAGAN's (Zhang et al. 2019).

    It translates nothing: what stands for a face is a draw of random numbers, the same each time. It is measured
    like a translation all the same, and shows what figures a model has that ignores its input.
    """

    def __init__(self, experiment: generating.Gan, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.is_sagan = experiment.architecture == "sagan"
        self.networks = self._networks()
        for network in self.networks.values():
            initialise(network, generator)
        self.optimizers = {name: self._adam(name) for name in self.networks}

    def _networks(self) -> dict[str, nn.Module]:
        size_px, width, latent = self.size_px, self.options.width, self.options.latent
        if self.is_sagan:
            generator: nn.Module = SaganGenerator(size_px, width, latent)
            return {"generator": generator, "discriminator": SaganDiscriminator(size_px, width)}
        generator = DcganGenerator(size_px, width, latent)
        return {"generator": generator, "discriminator": DcganDiscriminator(size_px, width)}

    def _adam(self, name: str) -> Adam:
        rate = self.options.learning_rate * _RATES[self.options.architecture][name]
        betas = _SAGAN_BETAS if self.is_sagan else ADAM_BETAS
        return Adam(self.parameters(name), rate, betas, fused=self.options.fused)

    @property
    def draws(self) -> Draws:
        """The target's faces."""
        return "target"

    @property
    def shipped(self) -> tuple[str, ...]:
        """The generator."""
        return ("generator",)

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return 1: the learning rate stays as it is."""
        return 1.0

    def phases(self) -> Sequence[Phase]:
        """Update the discriminator, then the generator by the same fakes."""
        return (
            Phase("discriminator", ("discriminator",), self._discriminator_losses),
            Phase("generator", ("generator",), self._generator_losses, frozen=("discriminator",)),
        )

    def _discriminator_losses(self, turn: Turn) -> Losses:
        real = turn["target"]
        fake = self.networks["generator"](self._random_numbers(real))
        turn.hold(fake=fake)
        judged_real, judged_fake = self._judge(real), self._judge(fake.detach())
        if self.is_sagan:
            return {"discriminator": hinge_judged(judged_real, judged_fake)}
        return {"discriminator": bce_gan(judged_real, is_real=True) + bce_gan(judged_fake, is_real=False)}

    def _generator_losses(self, turn: Turn) -> Losses:
        judged = self._judge(turn["fake"])
        return {"gan": hinge_fooled(judged) if self.is_sagan else bce_gan(judged, is_real=True)}

    def _judge(self, images: Tensor) -> Tensor:
        """Return the logits, in fp32."""
        return self.networks["discriminator"](images).float()

    def _random_numbers(self, images: Tensor) -> Tensor:
        """Return as many draws from N(0, 1) as there are images."""
        return torch.randn(len(images), self.options.latent, device=images.device)

    def ways(self) -> Sequence[Way]:
        """Return the way from the source, of which nothing arrives."""
        return self.one_way()

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return the random numbers that stand for these faces, BxN; those of a face are the same each time."""
        drawn = [
            np.random.default_rng(face).standard_normal(self.options.latent) for face in indices.tolist()
        ]
        return torch.from_numpy(np.array(drawn, dtype=np.float32))

    @torch.inference_mode()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of the target made of random numbers, BxN.

        Batch norm takes the statistics of the training, so that an image depends on no other.
        """
        if to != self.target:
            raise ValueError(f"gan makes images of {self.target} only, not of {to}")
        network = self.networks["generator"]
        training = network.training
        network.eval()
        images = network(inputs)
        network.train(training)
        return images

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return validation faces of the source, and the random numbers that stand for them."""
        source = dataset.domains[self.source]
        faces = validation_faces(dataset, self.source, count)
        return {"source": self.inputs(source, faces), "source_image": to_tensor(source.images[faces])}

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return the source's faces, and those that are made in their place."""
        return [inputs["source_image"], self.translate(inputs["source"], self.target)]
