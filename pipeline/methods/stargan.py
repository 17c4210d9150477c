"""StarGAN: one generator for all attributes, which it is told (Choi et al. 2018).

Document 002 chose it because one model learns operations of eyes, nose and chin. A picture before surgery has none of
these labels, one after surgery those of what was done; a batch mixes both, and each image is asked for the labels of
another one of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.datasets.arrays import DomainArrays
from pipeline.datasets.loading import Batch
from pipeline.experiments import attributes
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam
from pipeline.methods.losses import l1
from pipeline.networks.initialise import initialise_together
from pipeline.networks.stargan import StarGanDiscriminator, StarGanGenerator

_IMAGE = 3


class StarGan(Translator):
    """A generator that is told labels and a critic that reads them; a batch is so many faces of each domain.

    What is translated is an image with its face's labels beside it, as planes Bx(3+L)xSxS: what the way to the target
    asks for. They are those of the face's own case, also for a picture before surgery (the planned operation), and all
    labels where none is known. The way to the source asks for none.
    """

    def __init__(self, experiment: attributes.StarGan, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.labels = len(experiment.labels) or 1
        is_in_critic = experiment.attention == "both"
        self.networks = {
            "generator": StarGanGenerator(
                self.labels,
                **vars(experiment.generator),
                attention=experiment.attention != "none",
                heads=experiment.heads,
            ),
            "discriminator": StarGanDiscriminator(
                self.labels,
                self.size_px,
                **vars(experiment.discriminator),
                attention=is_in_critic,
                heads=experiment.heads if is_in_critic else 1,
            ),
        }
        for network in self.networks.values():
            initialise_together([network], generator, "torch")
        self.optimizers = {name: adam(self.parameters(name), experiment) for name in self.networks}

    @property
    def shipped(self) -> tuple[str, ...]:
        """The generator."""
        return ("generator",)

    def phases(self) -> Sequence[Phase]:
        """Update the critic in every step, the generator in every `n_critic`-th."""
        return (
            Phase("discriminator", ("discriminator",), self._discriminator_losses),
            Phase(
                "generator",
                ("generator",),
                self._generator_losses,
                frozen=("discriminator",),
                when=lambda step: (step + 1) % self.options.n_critic == 0,
            ),
        )

    def _discriminator_losses(self, turn: Turn) -> Losses:
        images, labels = self._mixed(turn)
        with torch.no_grad():
            fakes = self.networks["generator"](images, shuffled(labels))
        realness, logits = self._judged(images)
        realness_of_fakes, _ = self._judged(fakes)
        penalty = gradient_penalty(self.networks["discriminator"], images, fakes)
        return {
            "critic": realness_of_fakes.mean() - realness.mean(),
            "labels_real": self.options.lambda_cls * label_loss(logits, labels),
            "gradient_penalty": self.options.lambda_gp * penalty,
        }

    def _generator_losses(self, turn: Turn) -> Losses:
        images, labels = self._mixed(turn)
        asked = shuffled(labels)
        fakes = self.networks["generator"](images, asked)
        realness, logits = self._judged(fakes)
        back = self.networks["generator"](fakes, labels)
        return {
            "gan": -realness.mean(),
            "labels_fake": self.options.lambda_cls * label_loss(logits, asked),
            "reconstruction": self.options.lambda_rec * l1(back, images),
        }

    def _mixed(self, turn: Turn) -> tuple[Tensor, Tensor]:
        """Return the faces of both domains and their labels; those of the source are 0, whatever their case is."""
        source, target = turn["source"], turn["target"]
        labels = turn["target_labels"] if self.options.labels else target.new_ones(len(target), 1)
        none = labels.new_zeros(len(source), self.labels)
        return torch.cat([source, target]), torch.cat([none, labels])

    def _judged(self, images: Tensor) -> tuple[Tensor, Tensor]:
        realness, logits = self.networks["discriminator"](images)
        return realness.float(), logits.float()

    def ways(self) -> Sequence[Way]:
        """Return both ways."""
        return self.both_ways()

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return the images of these faces and planes of the labels that they shall have, Bx(3+L)xSxS."""
        images = super().inputs(domain, indices)
        asked = torch.ones(len(images), self.labels)
        if self.options.labels:
            known = torch.tensor(domain.rows.take(indices)["labels"].to_pylist(), dtype=torch.float32)
            asked = torch.where(known.any(dim=1, keepdim=True), known, asked)
        return torch.cat([images, asked[:, :, None, None].expand(-1, -1, *images.shape[2:])], dim=1)

    @torch.inference_mode()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of the domain `to` of Bx(3+L)xSxS: with the labels beside them, or with none."""
        images, labels = _parts(inputs)
        return self.translate_as(images, labels if to == self.target else torch.zeros_like(labels))

    @torch.inference_mode()
    def translate_back(self, inputs: Tensor, to: str, of: str) -> Tensor:
        """Return Bx3xSxS images of the domain `of` after the way to the domain `to` and back to their own labels."""
        return self.translate(torch.cat([self.translate(inputs, to), inputs[:, _IMAGE:]], dim=1), of)

    @torch.inference_mode()
    def translate_as(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return Bx3xSxS images with the labels asked for, BxL, or 1xL for the same for all; 0 or 1 each.

        Raises `ValueError` where these are not as many labels as the experiment has.
        """
        if labels.shape[-1] != self.labels:
            raise ValueError(f"{labels.shape[-1]} labels are asked for, and the method knows {self.labels}")
        return self.networks["generator"](images, labels.expand(len(images), -1))

    @torch.inference_mode()
    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return source, its translation, one with each label alone, the way back; then target, without, and back."""
        source, target = inputs["source"], inputs["target"]
        alone = torch.eye(self.labels, device=source.device).split(1) if self.labels > 1 else ()
        return [
            source[:, :_IMAGE],
            self.translate(source, self.target),
            *[self.translate_as(source[:, :_IMAGE], label) for label in alone],
            self.translate_back(source, self.target, self.source),
            target[:, :_IMAGE],
            self.translate(target, self.source),
            self.translate_back(target, self.source, self.target),
        ]


def _parts(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images of Bx(3+L)xSxS, and the labels that the planes beside them stand for, BxL."""
    return inputs[:, :_IMAGE], inputs[:, _IMAGE:, 0, 0]


def shuffled(labels: Tensor) -> Tensor:
    """Return the labels of the batch, BxL, in an order drawn anew: what each image is asked for."""
    return labels[torch.randperm(len(labels), device=labels.device)]


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross entropy of labels BxL, each on its own, summed over them and averaged over the images."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(labels)


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Return how far the critic's slope is from 1, squared, between real and fake images (Gulrajani et al. 2017).

    The slope is the norm of the gradient of all its patches together; each image is mixed with its fake in a share of
    its own. It is differentiated again, so it is computed in full precision, and neither by fused attention nor by a
    compiled network (which `forward` passes by): these cannot be differentiated twice.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    mixed = (share * real + (1 - share) * fake.float()).requires_grad_()
    with torch.autocast(real.device.type, enabled=False), sdpa_kernel(SDPBackend.MATH):
        realness, _ = critic.forward(mixed)
        (gradient,) = torch.autograd.grad(realness.sum(), mixed, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()
