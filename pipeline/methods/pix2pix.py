"""pix2pix: what a face should become is known in training (Isola et al. 2017; document 004's three experiments)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import COLOR_VALUES, color_values, to_tensor
from pipeline.datasets.loading import Batch, Draws, tell
from pipeline.experiments import paired
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam, validation_faces
from pipeline.methods.losses import bce_gan, l1
from pipeline.methods.validation_pairs import validation_pairs
from pipeline.networks.discriminators import PatchDiscriminator
from pipeline.networks.generators import UNetGenerator
from pipeline.networks.initialise import initialise
from pipeline.networks.padding import padded

CHANNELS = {"image": 3, "landmarks": 1, "colors": COLOR_VALUES, "noise": 1}


class Pix2Pix(Translator):
    """A U-Net and a discriminator that sees beside a face what the U-Net was told of it.

    With an image among the conditions it learns pairs, a face of the source becoming its partner, and what else is
    told is known of the source's face. Without, it learns on the target domain alone, whose landmarks and colours
    become its images; what it is for is those of the source, which no training step sees.

    What is told are planes, in the order of `conditions` with the image first. With `colors: film` the U-Net is given
    the nine values that the planes of colours hold in place of these planes.
    """

    def __init__(self, experiment: paired.Pix2Pix, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.translates_images = "image" in experiment.conditions
        self.taken = "source" if self.translates_images else "target"
        self.told = (*(("image",) if self.translates_images else ()), *self.conditions)
        is_film = experiment.colors == "film"
        self.drawn = tuple(name for name in self.told if not (is_film and name == "colors"))
        self.judged = tuple(
            name for name in self.told if experiment.judged_with is None or name in experiment.judged_with
        )
        self.networks = {
            "generator": UNetGenerator(
                in_channels=_channels(self.drawn),
                size_px=self.size_px,
                film=COLOR_VALUES if is_film else 0,
                **vars(experiment.generator),
            ),
            "discriminator": PatchDiscriminator(
                in_channels=_channels(self.judged) + 3, **vars(experiment.discriminator)
            ),
        }
        for network in self.networks.values():
            initialise(network, generator)
        self.optimizers = {name: adam(self.parameters(name), experiment) for name in self.networks}

    @property
    def draws(self) -> Draws:
        """Partners where an image is told, else the target's faces."""
        return "pairs" if self.translates_images else "target"

    @property
    def shipped(self) -> tuple[str, ...]:
        """The generator."""
        return ("generator",)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What the generator is told beside an image."""
        return tuple(name for name in self.options.conditions if name != "image")

    def phases(self) -> Sequence[Phase]:
        """Update the discriminator, then the generator."""
        return (
            Phase("discriminator", ("discriminator",), self._discriminator_losses),
            Phase("generator", ("generator",), self._generator_losses, frozen=("discriminator",)),
        )

    def _discriminator_losses(self, turn: Turn) -> Losses:
        told, real = self._told(turn.batch), turn["target"]
        fake = self._generate(told)
        turn.hold(told=told, fake=fake)
        judged_real = bce_gan(self._judge(told, real), is_real=True)
        judged_fake = bce_gan(self._judge(told, fake.detach()), is_real=False)
        return {"discriminator": 0.5 * (judged_real + judged_fake)}

    def _generator_losses(self, turn: Turn) -> Losses:
        told, real, fake = turn["told"], turn["target"], turn["fake"]
        return {
            "gan": bce_gan(self._judge(told, fake), is_real=True),
            "l1": self.options.lambda_l1 * l1(fake, real),
        }

    def _told(self, batch: Batch) -> Tensor:
        images = [batch["source"]] if self.translates_images else []
        planes = [batch[f"{self.taken}_planes"]] if self.conditions else []
        return torch.cat([*images, *planes], dim=1)

    def _generate(self, told: Tensor) -> Tensor:
        network = self.networks["generator"]
        if self.options.colors == "planes":
            return network(told)
        colors = self._planes(told, ("colors",))[:, :, 0, 0]
        return network(self._planes(told, self.drawn), colors)

    def _judge(self, told: Tensor, image: Tensor) -> Tensor:
        return self.networks["discriminator"](torch.cat([self._planes(told, self.judged), image], dim=1))

    def _planes(self, told: Tensor, names: Sequence[str]) -> Tensor:
        """Return of what is told the planes of these conditions."""
        parts = torch.split(told, [CHANNELS[name] for name in self.told], dim=1)
        return torch.cat([told[:, :0], *(parts[self.told.index(name)] for name in names)], dim=1)

    def ways(self) -> Sequence[Way]:
        """Return the source's faces, and where no partner is known also the target's, which show themselves."""
        asks_colors = "colors" in self.told or self.translates_images
        if self.translates_images:
            return (Way(self.source, self.target, "pair", asks_colors),)
        return (
            Way(self.source, self.target, "none", asks_colors),
            Way(self.target, self.target, "itself", asks_colors),
        )

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return what the generator is told of these faces, BxPxSxS; 0 where landmarks or colours are unknown.

        The noise of a face is the same each time.
        """
        points = torch.from_numpy(np.array(domain.points[indices]))
        colors = torch.from_numpy(color_values(domain.rows.take(indices).to_pylist()))
        told = [
            tell(self.options, self.conditions, own[None], values[None], np.random.default_rng(face), False)
            for own, values, face in zip(points, colors, indices.tolist(), strict=True)
        ]
        planes = torch.cat([each["planes"] for each in told])
        images = [to_tensor(domain.images[indices])] if self.translates_images else []
        return torch.cat([*images, planes], dim=1)

    @torch.no_grad()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xHxW images of the target domain for what `inputs` tell, BxPxHxW.

        Faces go through one by one, since batch norm would mix what they become.
        """
        if to != self.target:
            raise ValueError(f"pix2pix makes images of {self.target} only, not of {to}")
        network = self.networks["generator"]
        modes = {module: module.training for module in network.modules()}
        network.eval()
        for module in modes:
            if isinstance(module, nn.Dropout):
                module.train(self.options.test_dropout)
        try:
            make = partial(padded, self._generate, multiple=self.size_px)
            return torch.cat([make(told[None]) for told in inputs])
        finally:
            for module, mode in modes.items():
                module.training = mode

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return of validation faces what is told and what their images should be or, of the source's, are."""
        if self.translates_images:
            source, target = validation_pairs(dataset, count)
            partners = to_tensor(dataset.domains[self.target].images[target])
            return {
                "source": self.inputs(dataset.domains[self.source], source),
                "source_image": partners,
            }
        inputs: Batch = {}
        for role, name in (("target", self.target), ("source", self.source)):
            faces = validation_faces(dataset, name, count)
            inputs[role] = self.inputs(dataset.domains[name], faces)
            inputs[f"{role}_image"] = to_tensor(dataset.domains[name].images[faces])
        return inputs

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return what is told (image, landmarks, colours), what it becomes, and the real image, of each role."""
        columns: list[Tensor] = []
        for role in ("target", "source"):
            if role in inputs:
                told = inputs[role]
                columns += [*self._shown(told), self.translate(told, self.target), inputs[f"{role}_image"]]
        return columns

    def _shown(self, told: Tensor) -> list[Tensor]:
        shown = [self._planes(told, (name,)) for name in ("image", "landmarks") if name in self.told]
        return [*shown, swatches(self._planes(told, ("colors",)))] if "colors" in self.told else shown


def swatches(planes: Tensor) -> Tensor:
    """Return Bx9xHxW planes of colours as pictures, Bx3xHxW: skin above hair above eyes."""
    height = planes.shape[-2]
    ends = [0, height // 3, 2 * height // 3, height]
    bands = [planes[:, 3 * band : 3 * band + 3, ends[band] : ends[band + 1]] for band in range(3)]
    return torch.cat(bands, dim=-2)


def _channels(conditions: Sequence[str]) -> int:
    return sum(CHANNELS[name] for name in conditions)
