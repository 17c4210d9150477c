"""CycleGAN: unpaired translation both ways, held together by the way back (Zhu et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import COLOR_VALUES, color_values
from pipeline.datasets.loading import Batch, Draws, tell
from pipeline.experiments import unpaired
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam
from pipeline.methods.losses import judged_lsgan, l1, lsgan
from pipeline.methods.perceptual import PerceptualLoss
from pipeline.methods.pool import image_pools
from pipeline.methods.published_weights import weight_file
from pipeline.networks.discriminators import PatchDiscriminator
from pipeline.networks.face_features import FaceFeatureGenerator, FaceTrunk
from pipeline.networks.generators import ResnetGenerator
from pipeline.networks.inception_resnet_v1 import InceptionResnetV1, load_inception_resnet_v1
from pipeline.networks.initialise import initialise_together

GENERATORS = ("generator_to_target", "generator_to_source")
DISCRIMINATORS = ("discriminator_target", "discriminator_source")
_IMAGE = 3
_PLANES = {"landmarks": 1, "colors": COLOR_VALUES}


class CycleGan(Translator):
    """Two generators and two discriminators; a batch is one set of images of each domain, unpaired.

    With `conditions`, what is translated and judged is the image with planes beside it, Bx(3+P)xSxS. With `landmarks:
    attention` the plane of landmarks stays outside: it guides a generator on the way there and on the way back.
    """

    def __init__(self, experiment: unpaired.CycleGan, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.is_guided = experiment.landmarks == "attention"
        self.channels = _IMAGE + sum(_PLANES[condition] for condition in experiment.conditions)
        self.networks = {name: self._generator() for name in GENERATORS}
        self.networks |= {name: self._discriminator() for name in DISCRIMINATORS}
        for network in self.networks.values():
            initialise_together([network], generator)
        self.optimizers = {
            "generator": adam(self.parameters(*GENERATORS), experiment),
            "discriminator": adam(self.parameters(*DISCRIMINATORS), experiment),
        }
        self.pools = image_pools(("target", "source"), experiment.pool_size, generator)
        self.perceptual = PerceptualLoss(experiment.perceptual_weights)

    def _generator(self) -> nn.Module:
        options = vars(self.options.generator)
        if self.options.encoder == "face_features":
            return FaceFeatureGenerator(InceptionResnetV1(), **options)
        return ResnetGenerator(
            self.channels,
            self.channels,
            **options,
            attention=self.options.attention != "none",
            landmark_attention=self.is_guided,
        )

    def _discriminator(self) -> nn.Module:
        options = vars(self.options.discriminator)
        return PatchDiscriminator(self.channels, **options, attention=self.options.attention == "both")

    def prepare(self) -> None:
        """Read the weights of the face features, if there are any; both generators start with the same."""
        if self.options.encoder == "face_features":
            path = weight_file(self.options.encoder_weights, "encoder_weights")
            learnt = FaceTrunk(load_inception_resnet_v1(path), trained=False).state_dict()
            for name in GENERATORS:
                cast(FaceFeatureGenerator, self.networks[name]).trunk.load_state_dict(learnt)

    def equip(self, dataset: Dataset) -> None:
        """Find the network that the perceptual loss looks through, where the dataset brings it."""
        self.perceptual = PerceptualLoss(self.options.perceptual_weights, dataset.folder)

    @property
    def draws(self) -> Draws:
        """Pairs, where an image is compared with its partner."""
        return "pairs" if self.options.lambda_pixel > 0 else "unpaired"

    @property
    def shipped(self) -> tuple[str, ...]:
        """Both generators."""
        return GENERATORS

    @property
    def conditions(self) -> tuple[str, ...]:
        """The planes beside the image, and those that guide."""
        return (*self.options.conditions, "landmarks") if self.is_guided else self.options.conditions

    def phases(self) -> Sequence[Phase]:
        """Update both generators, then both discriminators."""
        return (
            Phase("generators", ("generator",), self._generator_losses, frozen=DISCRIMINATORS),
            Phase("discriminators", ("discriminator",), self._discriminator_losses),
        )

    def _generator_losses(self, turn: Turn) -> Losses:
        source, guide_of_source = self._told(turn, "source")
        target, guide_of_target = self._told(turn, "target")
        fake_target = self._to("target", source, guide_of_source)
        fake_source = self._to("source", target, guide_of_target)
        turn.keep(fake_target=fake_target, fake_source=fake_source)
        back_source = self._to("source", fake_target, guide_of_source)
        back_target = self._to("target", fake_source, guide_of_target)
        weight = self.options.lambda_cycle
        losses = {
            "gan_target": lsgan(self.networks["discriminator_target"](fake_target), is_real=True),
            "gan_source": lsgan(self.networks["discriminator_source"](fake_source), is_real=True),
            "cycle_source": weight * l1(back_source, source),
            "cycle_target": weight * l1(back_target, target),
        }
        if self.options.lambda_identity > 0:
            weight *= self.options.lambda_identity
            losses["identity_target"] = weight * l1(self._to("target", target, guide_of_target), target)
            losses["identity_source"] = weight * l1(self._to("source", source, guide_of_source), source)
        losses |= self._perceptual_losses({"source": (source, back_source), "target": (target, back_target)})
        losses |= self._pixel_losses({"target": (fake_target, target), "source": (fake_source, source)})
        if self.options.conditions:
            # Document 004 suspects that the planes are copied: 0 says so.
            turn.log(
                plane_identity_target=l1(_planes(fake_target), _planes(source)),
                plane_identity_source=l1(_planes(fake_source), _planes(target)),
            )
        return losses

    def _perceptual_losses(self, compared: dict[str, tuple[Tensor, Tensor]]) -> Losses:
        """Compare images with those after the way back, as document 003 does."""
        weight = self.options.lambda_perceptual
        if weight == 0:
            return {}
        return {
            f"perceptual_{role}": weight * self.perceptual(_image(real), _image(back))
            for role, (real, back) in compared.items()
        }

    def _pixel_losses(self, compared: dict[str, tuple[Tensor, Tensor]]) -> Losses:
        """Compare fakes with the partners of what they were made of."""
        weight = self.options.lambda_pixel
        if weight == 0:
            return {}
        return {
            f"pixel_{role}": weight * l1(_image(fake), _image(partner))
            for role, (fake, partner) in compared.items()
        }

    def _discriminator_losses(self, turn: Turn) -> Losses:
        return {
            f"discriminator_{role}": self._discriminator_loss(role, turn) for role in ("target", "source")
        }

    def _discriminator_loss(self, role: str, turn: Turn) -> Tensor:
        judge, (real, _) = self.networks[f"discriminator_{role}"], self._told(turn, role)
        return judged_lsgan(judge(real), judge(self.pools[role].exchange(turn[f"fake_{role}"])))

    def _told(self, turn: Turn, role: str) -> tuple[Tensor, Tensor | None]:
        """Return a role's images with the planes beside them, and the guide."""
        if not self.conditions:
            return turn[role], None
        return self._parts(torch.cat([turn[role], turn[f"{role}_planes"]], dim=1))

    def _parts(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        return inputs[:, : self.channels], inputs[:, self.channels :] if self.is_guided else None

    def _to(self, role: str, told: Tensor, guide: Tensor | None) -> Tensor:
        network = self.networks[f"generator_to_{role}"]
        return network(told) if guide is None else network(told, guide)

    def ways(self) -> Sequence[Way]:
        """Return both ways."""
        return self.both_ways()

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return the images of these faces and the planes of their conditions, as `translate` takes them."""
        images = super().inputs(domain, indices)
        if not self.conditions:
            return images
        points = torch.from_numpy(np.array(domain.points[indices]))
        colors = torch.from_numpy(color_values(domain.rows.take(indices).to_pylist()))
        randomness = np.random.default_rng(0)
        told = tell(self.options, self.conditions, points, colors, randomness, training=False)
        return torch.cat([images, told["planes"]], dim=1)

    @torch.no_grad()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of one domain, Bx3xSxS or with the planes of `conditions`, as images of the other."""
        return _image(self._through(inputs, to))

    @torch.no_grad()
    def translate_back(self, inputs: Tensor, to: str, of: str) -> Tensor:
        """Return Bx3xSxS images of the domain `of` after the way there and back, planes included."""
        return _image(self._through(self._through(inputs, to), of))

    def _through(self, inputs: Tensor, to: str) -> Tensor:
        """Return inputs as those of the domain `to`; the guide stays what it is."""
        told, guide = self._parts(inputs)
        made = self._to("target" if to == self.target else "source", told, guide)
        return made if guide is None else torch.cat([made, guide], dim=1)

    @torch.no_grad()
    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return source, its translation, the way back, and the same for the target.

        Image and translation are each followed by their landmarks, where these are among the conditions.
        """
        columns: list[Tensor] = []
        for role, of, to in (("source", self.source, self.target), ("target", self.target, self.source)):
            given = inputs[role]
            made = self._through(given, to)
            columns += [*self._shown(given), *self._shown(made), _image(self._through(made, of))]
        return columns

    def _shown(self, told: Tensor) -> list[Tensor]:
        if "landmarks" not in self.options.conditions:
            return [_image(told)]
        place = self.options.conditions.index("landmarks")
        first = _IMAGE + sum(_PLANES[condition] for condition in self.options.conditions[:place])
        return [_image(told), told[:, first : first + 1]]

    def state_dict(self) -> dict[str, Any]:
        """Return the pools of earlier fakes."""
        return {role: pool.state_dict() for role, pool in self.pools.items()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Fill the pools again."""
        for role, pool in self.pools.items():
            pool.load_state_dict(state[role], device)


def _image(told: Tensor) -> Tensor:
    return told[:, :_IMAGE]


def _planes(told: Tensor) -> Tensor:
    return told[:, _IMAGE:]
