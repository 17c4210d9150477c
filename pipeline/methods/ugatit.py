"""U-GAT-IT: translation led by where two domains differ, with norms that learn which norm to be (Kim et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipeline.datasets.loading import ROLES, Batch
from pipeline.experiments import unpaired
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam
from pipeline.methods.losses import l1, lsgan
from pipeline.networks.initialise import initialise
from pipeline.networks.ugatit import UgatitDiscriminator, UgatitGenerator, clip_rho

GENERATORS = ("generator_to_target", "generator_to_source")
# Each domain has a discriminator that sees whole images and one that sees patches of them.
VIEWS = ("global", "local")
DISCRIMINATORS = tuple(f"{view}_{role}" for role in ROLES for view in VIEWS)


class Ugatit(Translator):
    """Two generators and four discriminators, all of which also say by what they tell the domains apart.

    As in the reference: the discriminators are trained first, on fakes of this step without a pool and without
    halving their loss; the generators then on fakes made again. Weights start as PyTorch's layers do, and the decay
    of the weights also draws each rho, which is held in [0, 1] after each step, towards 0.
    """

    def __init__(self, experiment: unpaired.Ugatit, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        size_px = None if experiment.generator.light else self.size_px
        width, blocks = experiment.generator.width, experiment.generator.blocks
        judges = experiment.discriminator
        layers = {"global": judges.global_layers, "local": judges.local_layers}
        self.networks = {
            **{name: UgatitGenerator(width=width, blocks=blocks, size_px=size_px) for name in GENERATORS},
            **{
                name: UgatitDiscriminator(width=judges.width, layers=layers[name.split("_")[0]])
                for name in DISCRIMINATORS
            },
        }
        for network in self.networks.values():
            initialise(network, generator, "torch")
        self.optimizers = {
            name: adam(self.parameters(*networks), experiment, weight_decay=experiment.weight_decay)
            for name, networks in (("discriminator", DISCRIMINATORS), ("generator", GENERATORS))
        }

    @property
    def shipped(self) -> tuple[str, ...]:
        """Both generators."""
        return GENERATORS

    def phases(self) -> Sequence[Phase]:
        """Update the four discriminators, then both generators."""
        return (
            Phase("discriminators", ("discriminator",), self._discriminator_losses),
            Phase(
                "generators",
                ("generator",),
                self._generator_losses,
                frozen=DISCRIMINATORS,
                after=self._clip_rho,
            ),
        )

    def _discriminator_losses(self, turn: Turn) -> Losses:
        # The reference goes backward through the generators here, for nothing.
        with torch.no_grad():
            fakes = {role: self._generate(role, turn[_other(role)])[0] for role in ROLES}
        return {
            f"discriminator_{role}": self.options.lambda_gan
            * (self._judge(role, turn[role], is_real=True) + self._judge(role, fakes[role], is_real=False))
            for role in ROLES
        }

    def _generator_losses(self, turn: Turn) -> Losses:
        options = self.options
        made = {role: self._generate(role, turn[_other(role)]) for role in ROLES}
        losses: Losses = {}
        for role in ROLES:
            given, (fake, fake_logits, _) = turn[role], made[role]
            way_back, _, _ = self._generate(role, made[_other(role)][0])
            same, same_logits, _ = self._generate(role, given)
            losses |= {
                f"gan_{role}": options.lambda_gan * self._judge(role, fake, is_real=True),
                f"cycle_{role}": options.lambda_cycle * l1(way_back, given),
                f"identity_{role}": options.lambda_identity * l1(same, given),
                f"cam_{role}": options.lambda_cam * cam_loss(fake_logits, same_logits),
            }
        return losses

    def _generate(self, role: str, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return images of a domain, the logits of the class activation map, and its attention."""
        return self.networks[f"generator_to_{role}"](images)

    def _judge(self, role: str, images: Tensor, is_real: bool) -> Tensor:
        """Return the sum of LSGAN over both discriminators of a domain and over what their activation maps say."""
        judged = [self.networks[f"{view}_{role}"](images) for view in VIEWS]
        logits = [each for patches, activations, _ in judged for each in (patches, activations)]
        return torch.stack([lsgan(each, is_real) for each in logits]).sum()

    def _clip_rho(self) -> None:
        for name in GENERATORS:
            clip_rho(self.networks[name])

    def ways(self) -> Sequence[Way]:
        """Return both ways."""
        return self.both_ways()

    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of one domain as images of the other, `to`."""
        return self.translate_with_heat_map(inputs, to)[0]

    @torch.no_grad()
    def translate_with_heat_map(self, inputs: Tensor, to: str) -> tuple[Tensor, Tensor]:
        """Return the translations and, Bx1xSxS in [-1, 1], where the generator saw what tells the domains apart."""
        images, _, attention = self._generate("target" if to == self.target else "source", inputs)
        return images, heat_map(attention, inputs.shape[-1])

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return source, its heat map, its translation, the way back, and the same for the target."""
        columns: list[Tensor] = []
        for role, of, to in (("source", self.source, self.target), ("target", self.target, self.source)):
            translated, heat = self.translate_with_heat_map(inputs[role], to)
            columns += [inputs[role], heat, translated, self.translate(translated, of)]
        return columns


def cam_loss(other_logits: Tensor, own_logits: Tensor) -> Tensor:
    """Return the cross entropy of a generator's telling its input's domain from its output's, summed over both.

    Logits (of any shape) of images of the other domain should be large, those of images that are already of the
    generator's own domain small (Kim et al. 2020, section 2.2).
    """
    found = F.binary_cross_entropy_with_logits(other_logits, torch.ones_like(other_logits))
    refused = F.binary_cross_entropy_with_logits(own_logits, torch.zeros_like(own_logits))
    return found + refused


def heat_map(attention: Tensor, size_px: int) -> Tensor:
    """Return Bx1xSxS pictures of Bx1xhxw attention: -1 where an image has least of it, 1 where it has most."""
    least, most = attention.amin(dim=(2, 3), keepdim=True), attention.amax(dim=(2, 3), keepdim=True)
    spread = (attention - least) / (most - least).clamp(min=torch.finfo(attention.dtype).tiny)
    return F.interpolate(2 * spread - 1, (size_px, size_px), mode="bilinear", align_corners=False)


def _other(role: str) -> str:
    return "source" if role == "target" else "target"
