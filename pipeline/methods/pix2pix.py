"""pix2pix from landmarks: a plane with a face's landmarks becomes the face (Isola et al. 2017, document 004)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import (
    LandmarkKind,
    flip_images,
    flip_points,
    landmark_planes,
    to_tensor,
)
from pipeline.methods.base import (
    ADAM_BETAS,
    Backward,
    Batch,
    Method,
    draw_faces,
    read_options,
    set_trainable,
    validation_faces,
)
from pipeline.methods.losses import bce_gan, l1
from pipeline.networks.discriminators import PatchDiscriminator
from pipeline.networks.generators import UNetGenerator
from pipeline.networks.initialise import initialise
from pipeline.networks.norms import NormKind


@dataclass(frozen=True)
class GeneratorOptions:
    """The U-Net generator."""

    width: int = 64
    norm: NormKind = "batch"


@dataclass(frozen=True)
class DiscriminatorOptions:
    """The patch discriminator of condition and image."""

    width: int = 64
    layers: int = 3
    norm: NormKind = "batch"


@dataclass(frozen=True)
class Pix2PixOptions:
    """The paper's options; `test_dropout` keeps its noise when translating, so that results vary."""

    generator: GeneratorOptions = field(default_factory=GeneratorOptions)
    discriminator: DiscriminatorOptions = field(default_factory=DiscriminatorOptions)
    landmarks: LandmarkKind = "points"
    lambda_l1: float = 100.0
    learning_rate: float = 2e-4
    test_dropout: bool = False


class Pix2Pix(Method):
    """A U-Net and a discriminator, trained on the target domain: its landmarks become its images.

    What it is for is the source domain's landmarks, which no training step sees.
    """

    def __init__(self, experiment: dict[str, Any], generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = options = read_options(Pix2PixOptions, experiment)
        self.networks = {
            "generator": UNetGenerator(in_channels=1, size_px=self.size_px, **vars(options.generator)),
            "discriminator": PatchDiscriminator(in_channels=1 + 3, **vars(options.discriminator)),
        }
        for network in self.networks.values():
            initialise(network, generator)
        self.optimizers = {
            name: Adam(network.parameters(), lr=options.learning_rate, betas=ADAM_BETAS)
            for name, network in self.networks.items()
        }

    def batch(self, dataset: Dataset, split: str, step: int) -> Batch:
        """Return `condition` Bx1xSxS and `image` Bx3xSxS of the target domain, half of them mirrored together."""
        randomness = self.randomness(step)
        domain = dataset.domains[self.target]
        known = domain.indices(split)
        known = known[domain.has_points()[known]]
        faces = draw_faces(known, self.batch_size, randomness, f"{self.target}, {split}, with landmarks")
        images, points = domain.images[faces], domain.points[faces]
        flipped = randomness.random(len(faces)) < 0.5
        images[flipped] = flip_images(images[flipped])
        points[flipped] = flip_points(points[flipped], self.size_px)
        return {"condition": self._planes(points), "image": to_tensor(images)}

    def training_step(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        """Update the discriminator, then the generator."""
        condition, real = batch["condition"], batch["image"]
        fake = self.networks["generator"](condition)

        judged_real = bce_gan(self._judge(condition, real), is_real=True)
        judged_fake = bce_gan(self._judge(condition, fake.detach()), is_real=False)
        discriminator_loss = 0.5 * (judged_real + judged_fake)
        self._update("discriminator", discriminator_loss, backward)

        set_trainable([self.networks["discriminator"]], False)
        gan_loss = bce_gan(self._judge(condition, fake), is_real=True)
        set_trainable([self.networks["discriminator"]], True)
        l1_loss = self.options.lambda_l1 * l1(fake, real)
        self._update("generator", gan_loss + l1_loss, backward)

        losses = {"discriminator": discriminator_loss, "gan": gan_loss, "l1": l1_loss}
        return {name: loss.detach() for name, loss in losses.items()}

    def _judge(self, condition: Tensor, image: Tensor) -> Tensor:
        return self.networks["discriminator"](torch.cat([condition, image], dim=1))

    def _update(self, name: str, loss: Tensor, backward: Backward) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        backward(loss)
        self.optimizers[name].step()

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return the landmark planes of these faces, Bx1xSxS; empty planes where landmarks are unknown."""
        return self._planes(domain.points[indices])

    def _planes(self, points: np.ndarray) -> Tensor:
        planes = [landmark_planes(face, self.size_px, self.options.landmarks) for face in points]
        return torch.from_numpy(np.stack(planes))

    @torch.no_grad()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of the target domain with the landmarks of Bx1xSxS planes.

        The planes go through one by one, since batch norm would mix what they become.
        """
        if to != self.target:
            raise ValueError(f"pix2pix makes images of {self.target} only, not of {to}")
        network = self.networks["generator"]
        training = network.training
        network.eval()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.train(self.options.test_dropout)
        images = torch.cat([network(plane[None]) for plane in inputs])
        network.train(training)
        return images

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return validation images and landmark planes of both domains."""
        inputs: Batch = {}
        for role, name in (("target", self.target), ("source", self.source)):
            faces = validation_faces(dataset, name, count)
            inputs[f"{role}_plane"] = self.inputs(dataset.domains[name], faces)
            inputs[f"{role}_image"] = to_tensor(dataset.domains[name].images[faces])
        return inputs

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return the target's landmarks, what they become, the real image; then the source's three."""
        columns: list[Tensor] = []
        for role in ("target", "source"):
            plane = inputs[f"{role}_plane"]
            columns += [plane, self.translate(plane, self.target), inputs[f"{role}_image"]]
        return columns
