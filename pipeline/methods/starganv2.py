"""StarGAN v2: faces in the styles of a domain, drawn at random or taken from an example (Choi et al. 2020).

Document 002 praises it most among the models that it compares: it follows the tone of the skin and the contour.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from pipeline.datasets.arrays import DomainArrays
from pipeline.datasets.loading import ROLES, Batch
from pipeline.experiments import styles
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way
from pipeline.methods.losses import bce_gan, l1
from pipeline.networks.initialise import initialise
from pipeline.networks.starganv2 import DomainEncoder, MappingNetwork, StarGanV2Generator, face_masks

# What a style is taken from: a latent by the mapping network, or an example by the style encoder.
Guide = Literal["latent", "reference"]
JUDGE = "discriminator"
SHIPPED = ("generator", "mapping_network", "style_encoder")
BETAS = (0.0, 0.99)
# The seeds of the latents that samples are shown with. The first is the one that `translate` takes.
LATENT_SEEDS = (1, 2)
_IMAGE = 3


class StarGanV2(Translator):
    """One generator, mapping network, style encoder and discriminator for both domains, which are 0 and 1 to them.

    A batch is faces of both domains together. Each is translated into the domain of another face of the batch, once in
    the style of a latent and once in that of this other face; the reference loads faces of their own for that. With
    `w_hpf` an image that was made is masked as the one it was made of, where the reference would find its landmarks.
    """

    def __init__(self, experiment: styles.StarGanV2, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        size, style, width = experiment.size_px, experiment.style, experiment.width
        self.networks = {
            "generator": StarGanV2Generator(size, style, experiment.w_hpf, width),
            "mapping_network": MappingNetwork(experiment.latent, style, width=width),
            "style_encoder": DomainEncoder(size, style, width=width),
            JUDGE: DomainEncoder(size, values=1, width=width),
        }
        for network in self.networks.values():
            initialise(network, generator, "kaiming")
        self.optimizers = {name: self._optimizer(name) for name in self.networks}

    def _optimizer(self, name: str) -> Adam:
        options = self.options
        rate = options.mapping_learning_rate if name == "mapping_network" else options.learning_rate
        return Adam(
            self.parameters(name), rate, BETAS, weight_decay=options.weight_decay, fused=options.fused
        )

    @property
    def shipped(self) -> tuple[str, ...]:
        """What translates: the generator, and both networks that give it styles."""
        return SHIPPED

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return 1: the learning rate is constant."""
        return 1.0

    def phases(self) -> Sequence[Phase]:
        """Update the discriminator twice, then all three others by latents, then the generator alone by examples."""
        judged, generated = self._discriminator_losses, self._generator_losses
        return (
            Phase("discriminator_latent", (JUDGE,), partial(judged, guide="latent")),
            Phase("discriminator_reference", (JUDGE,), partial(judged, guide="reference")),
            Phase("generator_latent", SHIPPED, partial(generated, guide="latent"), frozen=(JUDGE,)),
            Phase(
                "generator_reference",
                ("generator",),
                partial(generated, guide="reference"),
                frozen=(JUDGE, "mapping_network", "style_encoder"),
            ),
        )

    def _discriminator_losses(self, turn: Turn, guide: Guide) -> Losses:
        self._set_task(turn)
        judge = self.networks[JUDGE]
        with torch.no_grad():
            fake = self._generate(turn, turn["images"], self._wanted_style(turn, guide))
        real_logits, steepness = r1(judge, turn["images"], turn["domains"])
        return {
            f"real_{guide}": bce_gan(real_logits, is_real=True),
            f"fake_{guide}": bce_gan(judge(fake, turn["wanted"]), is_real=False),
            f"r1_{guide}": self.options.lambda_reg * steepness,
        }

    def _generator_losses(self, turn: Turn, guide: Guide) -> Losses:
        self._set_task(turn)
        options, encoder, images = self.options, self.networks["style_encoder"], turn["images"]
        style = self._wanted_style(turn, guide)
        fake = self._generate(turn, images, style)
        way_back = self._generate(turn, fake, encoder(images, turn["domains"]))
        losses = {
            f"gan_{guide}": bce_gan(self.networks[JUDGE](fake, turn["wanted"]), is_real=True),
            f"style_{guide}": options.lambda_style * l1(encoder(fake, turn["wanted"]), style),
            f"cycle_{guide}": options.lambda_cycle * l1(way_back, images),
        }
        if weight := self.diversity_weight(turn.step):
            with torch.no_grad():
                other = self._generate(turn, images, self._wanted_style(turn, guide, other="other_"))
            losses[f"diversity_{guide}"] = -weight * l1(fake, other)
        return losses

    def diversity_weight(self, step: int) -> float:
        """Return how much the difference of two outputs counts in a step (from 0): on a line to 0 at `ds_steps`."""
        return self.options.lambda_ds * max(0.0, 1 - step / self.options.ds_steps)

    def _set_task(self, turn: Turn) -> None:
        """Draw what is asked for in this step, the same in all its phases.

        The faces of the batch are shifted by a number of places, never by 0, so that each has another for an example; a
        second example of the same domain, and a second latent, are for what shall differ.
        """
        if "wanted" in turn.kept:
            return
        images = torch.cat([turn[role] for role in ROLES])
        domains = torch.arange(len(ROLES), device=images.device).repeat_interleave(len(turn["source"]))
        shift = int(torch.randint(1, len(images), ()))
        latent, other_latent = torch.randn(2, len(images), self.options.latent, device=images.device)
        turn.keep(
            images=images,
            domains=domains,
            wanted=domains.roll(shift),
            latent=latent,
            other_latent=other_latent,
            example=images.roll(shift, 0),
            other_example=torch.cat([turn[role].roll(1, 0) for role in ROLES]).roll(shift, 0),
        )
        if self.options.w_hpf:
            points = torch.cat([turn[f"{role}_points"] for role in ROLES])
            turn.keep(masks=face_masks(points, self.size_px))

    def _wanted_style(self, turn: Turn, guide: Guide, other: Literal["", "other_"] = "") -> Tensor:
        if guide == "latent":
            return self.networks["mapping_network"](turn[f"{other}latent"], turn["wanted"])
        return self.networks["style_encoder"](turn[f"{other}example"], turn["wanted"])

    def _generate(self, turn: Turn, images: Tensor, style: Tensor) -> Tensor:
        return self.networks["generator"](images, style, turn.kept.get("masks"))

    def ways(self) -> Sequence[Way]:
        """Return both ways."""
        return self.both_ways()

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return the images of these faces, with `w_hpf` and the two masks around their landmarks, Bx5xSxS."""
        images = super().inputs(domain, indices)
        if not self.options.w_hpf:
            return images
        points = torch.from_numpy(np.array(domain.points[indices]))
        return torch.cat([images, face_masks(points, self.size_px)], dim=1)

    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return `inputs` as Bx3xSxS images of the domain `to`, all in one style.

        The paper draws a latent from N(0, 1) for each image. Here it is drawn once and for all from a fixed seed, so
        that a translation can be repeated and depends on no other image.
        """
        return self.translate_in_style(inputs, to, LATENT_SEEDS[0])

    @torch.inference_mode()
    def translate_in_style(self, inputs: Tensor, to: str, seed: int) -> Tensor:
        """Return `inputs` as Bx3xSxS images of `to`, all in the style of the latent that is drawn with this seed."""
        latent = torch.randn(1, self.options.latent, generator=torch.Generator().manual_seed(seed))
        style = self.networks["mapping_network"](latent.to(inputs.device), self._domain(to, latent))
        return self._restyle(inputs, style)

    @torch.inference_mode()
    def translate_with(self, inputs: Tensor, to: str, like: Tensor) -> Tensor:
        """Return `inputs` as Bx3xSxS images of the domain `to`, each in the style of its example.

        `like` are BxCxSxS examples of that domain, of which the first 3 planes are looked at, or one for all.
        """
        style = self.networks["style_encoder"](_image(like), self._domain(to, like))
        return self._restyle(inputs, style)

    @torch.inference_mode()
    def translate_back(self, inputs: Tensor, to: str, of: str) -> Tensor:
        """Return Bx3xSxS images of the domain `of` after the way to the domain `to` and back to their own style."""
        made = torch.cat([self.translate(inputs, to), inputs[:, _IMAGE:]], dim=1)
        return self.translate_with(made, of, like=inputs)

    def _restyle(self, inputs: Tensor, style: Tensor) -> Tensor:
        masks = inputs[:, _IMAGE:] if self.options.w_hpf else None
        made = self.networks["generator"](_image(inputs), style.expand(len(inputs), -1), masks)
        return made.clamp(-1, 1)

    def _domain(self, name: str, asked: Tensor) -> Tensor:
        """Return a domain's number for each of what is `asked` about."""
        number = ROLES.index("target" if name == self.target else "source")
        return torch.full((len(asked),), number, device=asked.device)

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return source, its translation by two latents and by an example, the way back; then the target's."""
        columns: list[Tensor] = []
        for role, other, of, to in (
            ("source", "target", self.source, self.target),
            ("target", "source", self.target, self.source),
        ):
            given, examples = inputs[role], inputs[other]
            examples = examples[torch.arange(len(given)) % len(examples)]
            columns += [_image(given), *[self.translate_in_style(given, to, seed) for seed in LATENT_SEEDS]]
            columns += [self.translate_with(given, to, like=examples), self.translate_back(given, to, of)]
        return columns


def r1(judge: nn.Module, images: Tensor, domains: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits of real images, and R1: half the mean squared norm of their gradients (Mescheder et al. 2018).

    In fp32. The discriminator's `forward` is called past what `compile` made of it, for compiled networks cannot be
    differentiated twice.
    """
    given = images.detach().float().requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        logits = judge.forward(given, domains)
        (gradient,) = torch.autograd.grad(logits.sum(), given, create_graph=True)
        return logits, 0.5 * gradient.square().flatten(1).sum(dim=1).mean()


def _image(inputs: Tensor) -> Tensor:
    return inputs[:, :_IMAGE]
