"""CUT and FastCUT: translation one way, held together by patches of the same place (Park et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipeline.datasets.loading import Batch
from pipeline.experiments import unpaired
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam
from pipeline.methods.losses import lsgan
from pipeline.networks.cut import CutGenerator, PatchSampler, draw_places
from pipeline.networks.discriminators import PatchDiscriminator
from pipeline.networks.initialise import initialise
from pipeline.networks.padding import padded

# FastCUT is trained for 150 epochs and then for 50 with falling learning rates; CUT for 200 and 200.
FAST_CONSTANT = 0.75


class Cut(Translator):
    """One generator, one discriminator, and the MLPs that make vectors of the generator's features at some places."""

    def __init__(self, experiment: unpaired.Cut, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        self.is_fast = experiment.variant == "fast"
        self.with_identity = not self.is_fast if experiment.identity is None else experiment.identity
        nce = experiment.lambda_nce
        self.lambda_nce = (10.0 if self.is_fast else 1.0) if nce is None else nce
        translator = CutGenerator(**vars(experiment.generator))
        self.layers = translator.read_layers
        self.networks = {
            "generator": translator,
            "discriminator": PatchDiscriminator(**vars(experiment.discriminator), antialiased=True),
            "sampler": PatchSampler(translator.feature_channels(self.layers)),
        }
        for network in self.networks.values():
            initialise(network, generator, "xavier")
        self.optimizers = {name: adam(self.parameters(name), experiment) for name in self.networks}

    @property
    def shipped(self) -> tuple[str, ...]:
        """The generator."""
        return ("generator",)

    def phases(self) -> Sequence[Phase]:
        """Update the discriminator, then the generator together with the MLPs."""
        return (
            Phase("discriminator", ("discriminator",), self._discriminator_losses),
            Phase("generator", ("generator", "sampler"), self._generator_losses, frozen=("discriminator",)),
        )

    def _discriminator_losses(self, turn: Turn) -> Losses:
        given = torch.cat([turn["source"], turn["target"]]) if self.with_identity else turn["source"]
        # Drawn on the CPU, so that no GPU has to be waited for.
        mirrored = (torch.rand(()) < 0.5) & self.is_fast
        made = self.networks["generator"](given.flip(-1) if mirrored else given)
        fake = made[: len(turn["source"])]
        turn.hold(mirrored=mirrored, fake=fake, same=made[len(fake) :])
        judge = self.networks["discriminator"]
        judged_real = lsgan(judge(turn["target"]), is_real=True)
        judged_fake = lsgan(judge(fake.detach()), is_real=False)
        return {"discriminator": 0.5 * (judged_real + judged_fake)}

    def _generator_losses(self, turn: Turn) -> Losses:
        judged = lsgan(self.networks["discriminator"](turn["fake"]), is_real=True)
        gan = self.options.lambda_gan * judged
        if not self.with_identity:
            return {"gan": gan, "nce": self.lambda_nce * self._nce(turn, "source", "fake")}
        # As the authors compute it: the mean of both, each weighted.
        half = 0.5 * self.lambda_nce
        nce, identity = self._nce(turn, "source", "fake"), self._nce(turn, "target", "same")
        return {"gan": gan, "nce": half * nce, "nce_identity": half * identity}

    def _nce(self, turn: Turn, given: str, made: str) -> Tensor:
        """Return the mean over layers of how badly places of an image are found again in what was made of it."""
        translator, sampler = cast(CutGenerator, self.networks["generator"]), self.networks["sampler"]
        features = translator.features(turn[made], self.layers)
        if turn["mirrored"]:
            features = [maps.flip(-1) for maps in features]
        places = draw_places(features, self.options.patches, torch.default_generator)
        with torch.no_grad():
            keys = sampler(translator.features(turn[given], self.layers), places)
        queries = sampler(features, places)
        losses = [patch_nce(*both, self.options.temperature) for both in zip(queries, keys, strict=True)]
        return torch.stack(losses).mean()

    def ways(self) -> Sequence[Way]:
        """Return the one way that is learnt."""
        return self.one_way()

    @torch.no_grad()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xHxW images of the target domain for images of the source."""
        if to != self.target:
            raise ValueError(f"cut makes images of {self.target} only, not of {to}")
        return padded(self.networks["generator"], inputs, multiple=4)

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return the source and its translation, the target and what becomes of it, which should be the same."""
        return [
            column
            for role in ("source", "target")
            for column in (inputs[role], self.translate(inputs[role], self.target))
        ]

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return 1 over the first half of the steps, of FastCUT's over three quarters, then on a line to 0."""
        if not self.is_fast:
            return super().learning_rate_factor(step, steps)
        return min(1.0, (steps - step) / (steps - int(FAST_CONSTANT * steps)))


def patch_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Return the mean cross entropy of finding each query's own place among all places of the same image.

    `queries` and `keys` are BxPxN vectors of length 1 at the same P places; a query's key is its positive, those of
    the other places of the image are its negatives (Park et al. 2020, equation 3). Computed in float32.
    """
    with torch.autocast(device_type=queries.device.type, enabled=False):
        likeness = queries.float() @ keys.float().transpose(1, 2) / temperature
        own = torch.arange(keys.shape[1], device=keys.device).expand(len(keys), -1)
        return F.cross_entropy(likeness.flatten(0, 1), own.flatten())
