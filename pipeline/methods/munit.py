"""MUNIT: a content that two domains share, and a style of each (Huang et al. 2018).

Document 001 (section 4.3) names disentangled representations as the way out of attribute mismatch, where pose and sex
are translated along with the look, and document 004 a common space of images of the same shape: here what both
domains share is the content, which a translation keeps, and only the style is exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from pipeline.datasets.loading import ROLES, Batch
from pipeline.experiments import unpaired
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam
from pipeline.methods.losses import l1, lsgan
from pipeline.networks.initialise import initialise
from pipeline.networks.munit import MultiScaleDiscriminator, MunitGenerator

GENERATORS = ("generator_target", "generator_source")
DISCRIMINATORS = ("discriminator_target", "discriminator_source")
# The seeds of the styles that samples are shown in. The first is the one that `translate` gives.
STYLE_SEEDS = (1, 2)


class Munit(Translator):
    """Encoders and decoder, and a discriminator at several sizes, for each domain.

    As in the reference: discriminators first, on fakes in styles of their own draw, whose loss is not halved; the
    losses at the different sizes are summed.
    """

    def __init__(self, experiment: unpaired.Munit, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.networks = {
            **{name: MunitGenerator(**vars(experiment.generator)) for name in GENERATORS},
            **{name: MultiScaleDiscriminator(**vars(experiment.discriminator)) for name in DISCRIMINATORS},
        }
        for name, network in self.networks.items():
            initialise(network, generator, "kaiming" if name in GENERATORS else "normal")
        self.optimizers = {
            name: adam(self.parameters(*networks), experiment, weight_decay=experiment.weight_decay)
            for name, networks in (("discriminator", DISCRIMINATORS), ("generator", GENERATORS))
        }

    @property
    def shipped(self) -> tuple[str, ...]:
        """Both domains' encoders and decoders."""
        return GENERATORS

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return a factor that is halved every `halve_every` steps (counted from 0)."""
        return 0.5 ** (step // self.options.halve_every)

    def phases(self) -> Sequence[Phase]:
        """Update both discriminators, then both generators."""
        return (
            Phase("discriminators", ("discriminator",), self._discriminator_losses),
            Phase("generators", ("generator",), self._generator_losses, frozen=DISCRIMINATORS),
        )

    def _discriminator_losses(self, turn: Turn) -> Losses:
        losses: Losses = {}
        for role in ROLES:
            other = turn[_other(role)]
            with torch.no_grad():
                content, _ = self._generator(_other(role)).encode(other)
                fake = self._generator(role).decode(content, self._random_styles(other))
            loss = self._judge(role, turn[role], is_real=True) + self._judge(role, fake, is_real=False)
            losses[f"discriminator_{role}"] = self.options.lambda_gan * loss
        return losses

    def _generator_losses(self, turn: Turn) -> Losses:
        options = self.options
        encoded = {role: self._generator(role).encode(turn[role]) for role in ROLES}
        losses: Losses = {}
        for role in ROLES:
            here, there, other = self._generator(role), self._generator(_other(role)), _other(role)
            (content, style), (other_content, other_style) = encoded[role], encoded[other]
            drawn = self._random_styles(turn[role])
            fake = here.decode(other_content, drawn)
            fake_content, fake_style = here.encode(fake)
            losses |= {
                f"gan_{role}": options.lambda_gan * self._judge(role, fake, is_real=True),
                f"image_{role}": options.lambda_image * l1(here.decode(content, style), turn[role]),
                f"content_{other}": options.lambda_content * l1(fake_content, other_content),
                f"style_{role}": options.lambda_style * l1(fake_style, drawn),
            }
            if options.lambda_cycle > 0:
                way_back = there.decode(fake_content, other_style)
                losses[f"cycle_{other}"] = options.lambda_cycle * l1(way_back, turn[other])
        return losses

    def _generator(self, role: str) -> MunitGenerator:
        return cast(MunitGenerator, self.networks[f"generator_{role}"])

    def _random_styles(self, images: Tensor) -> Tensor:
        """Return a style for each image, from N(0, 1)."""
        return torch.randn(len(images), self.options.generator.style, device=images.device)

    def _judge(self, role: str, images: Tensor, is_real: bool) -> Tensor:
        """Return the sum of LSGAN over the sizes."""
        return torch.stack(
            [lsgan(logits, is_real) for logits in self.networks[f"discriminator_{role}"](images)]
        ).sum()

    def ways(self) -> Sequence[Way]:
        """Return both ways."""
        return self.both_ways()

    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of one domain as images of the other, `to`, all in one style.

        The paper draws a style from N(0, 1) for each image. Here it is drawn once and for all from a fixed seed, so
        that a translation can be repeated and depends on no other image.
        """
        return self.translate_in_style(inputs, to, STYLE_SEEDS[0])

    @torch.no_grad()
    def translate_in_style(self, inputs: Tensor, to: str, seed: int) -> Tensor:
        """Return Bx3xSxS images as images of the domain `to`, all in the style that is drawn with this seed."""
        drawn = torch.randn(1, self.options.generator.style, generator=torch.Generator().manual_seed(seed))
        return self._restyle(inputs, to, drawn.to(inputs.device).expand(len(inputs), -1))

    @torch.no_grad()
    def translate_with(self, inputs: Tensor, to: str, like: Tensor) -> Tensor:
        """Return Bx3xSxS images as images of the domain `to`, each in the style of its example.

        `like` are Bx3xSxS examples of that domain, or 1x3xSxS for one style for all.
        """
        _, styles = self._generator(self._role(to)).encode(like)
        return self._restyle(inputs, to, styles.expand(len(inputs), -1))

    @torch.no_grad()
    def translate_back(self, inputs: Tensor, to: str, of: str) -> Tensor:
        """Return Bx3xSxS images of the domain `of` after the way to the domain `to` and back to their own style."""
        return self.translate_with(self.translate(inputs, to), of, like=inputs)

    def _restyle(self, inputs: Tensor, to: str, styles: Tensor) -> Tensor:
        role = self._role(to)
        content, _ = self._generator(_other(role)).encode(inputs)
        return self._generator(role).decode(content, styles)

    def _role(self, domain: str) -> str:
        return "target" if domain == self.target else "source"

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return source, its translation in two styles and in that of an example, the way back; then the target's."""
        columns: list[Tensor] = []
        for role, of, to in (("source", self.source, self.target), ("target", self.target, self.source)):
            given, examples = inputs[role], inputs[_other(role)]
            examples = examples[torch.arange(len(given)) % len(examples)]
            columns += [given, *[self.translate_in_style(given, to, seed) for seed in STYLE_SEEDS]]
            columns += [self.translate_with(given, to, like=examples), self.translate_back(given, to, of)]
        return columns


def _other(role: str) -> str:
    return "source" if role == "target" else "target"
