"""GET-GAN: what cannot be translated is led by gradients into an error image of its own (document 001).

CycleGAN asks that a translation hold all of its input, so what hides a face stays visible in it. Here the way back
starts from a mix of two images, y* and y_e, and a weight that is large where y* leads to errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pipeline.datasets.loading import Batch
from pipeline.experiments import unpaired
from pipeline.methods.base import Losses, Phase, Translator, Turn, Way, adam, gradients
from pipeline.methods.cyclegan import DISCRIMINATORS
from pipeline.methods.losses import judged_lsgan, l1, lsgan
from pipeline.methods.pool import image_pools
from pipeline.networks.discriminators import PatchDiscriminator
from pipeline.networks.generators import ResnetGenerator
from pipeline.networks.getgan import Branch, FeatureGate, SharedEncoder
from pipeline.networks.initialise import initialise, initialise_together

_EPS = 1e-8


class GetGan(Translator):
    """CycleGAN whose generator of the target has two branches, for the image and for the error.

    x, y* and y_e are `source`, what `shared` and `fake` make of it, and what `shared` and `error` make of it; s is the
    `gate`. `error: false` leaves out error branch and weights, which is CycleGAN. A batch is unpaired.
    """

    def __init__(self, experiment: unpaired.GetGan, generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = experiment
        whole = vars(experiment.generator)
        width, blocks = experiment.generator.width, experiment.generator.blocks
        self.networks = {
            "shared": SharedEncoder(width=width, blocks=blocks),
            "fake": Branch(**whole),
            "generator_to_source": ResnetGenerator(**whole),
            **{name: PatchDiscriminator(**vars(experiment.discriminator)) for name in DISCRIMINATORS},
        }
        # Encoder and branch start as CycleGAN's generator does, and what CycleGAN has not is drawn last.
        initialise_together([self.networks["shared"], self.networks["fake"]], generator)
        for name in ("generator_to_source", *DISCRIMINATORS):
            initialise_together([self.networks[name]], generator)
        self.pools = image_pools(("target", "source"), experiment.pool_size, generator)
        if experiment.error:
            self.networks["error"] = Branch(**whole)
            initialise(self.networks["error"], generator)
        if experiment.gate != "none":
            self.networks["gate"] = FeatureGate(4 * width, one_map=experiment.gate == "map")
            initialise(self.networks["gate"], generator)
        generators = [name for name in self.networks if name not in DISCRIMINATORS]
        self.optimizers = {
            # One for all: Adam leaves alone what got no gradient, so each phase moves what its losses reach.
            "generator": adam(self.parameters(*generators), experiment),
            "discriminator": adam(self.parameters(*DISCRIMINATORS), experiment),
        }

    @property
    def shipped(self) -> tuple[str, ...]:
        """What y* and the way back take, and the error image, which explains both."""
        others = tuple(name for name in ("gate", "error") if name in self.networks)
        return ("shared", "fake", "generator_to_source", *others)

    def phases(self) -> Sequence[Phase]:
        """Return the document's five steps; the second, the weights, is part of the third.

        Without the error branch, one update of all generators and one of the discriminators.
        """
        discriminators = Phase("discriminators", ("discriminator",), self._discriminator_losses)
        if not self.options.error:
            cyclegan = Phase("generators", ("generator",), self._cyclegan_losses, frozen=DISCRIMINATORS)
            return (cyclegan, discriminators)
        return (
            Phase("fake", ("generator",), self._fake_losses, frozen=("discriminator_target",)),
            Phase("cycle_source", ("generator",), self._cycle_source_losses),
            Phase(
                "cycle_target", ("generator",), self._cycle_target_losses, frozen=("discriminator_source",)
            ),
            discriminators,
            Phase("identity", ("generator",), self._identity_losses),
        )

    def _fake_losses(self, turn: Turn) -> Losses:
        """Step 1: y* looks like a target."""
        fake, _, _ = self._to_target(turn["source"])
        turn.keep(fake_target=fake)
        return {"gan_target": self._fools("discriminator_target", fake)}

    def _cycle_source_losses(self, turn: Turn) -> Losses:
        """Steps 2 and 3: image and error, mixed by the weights, lead back to the source."""
        source = turn["source"]
        fake, features, gate = self._to_target(source)
        error = self.networks["error"](features)
        weight = self._weight(source, fake)
        back = self._to_source(mixed(fake, error, weight))
        turn.log(mean_weight=weight.mean(), error_on_source=error.abs().mean())
        losses = {"rec_source": self.options.lambda_rec * l1(back, source)}
        if gate is not None:
            turn.log(mean_gate=gate.mean())
            if self.options.lambda_guide > 0:
                wanted = weight if self.options.weight_range == "full" else 2 * weight - 1
                losses["guide"] = self.options.lambda_guide * guide_loss(gate, wanted)
        return losses

    def _cycle_target_losses(self, turn: Turn) -> Losses:
        """Step 4, generators: the target after the way there and back, which holds nothing for the error image."""
        target = turn["target"]
        fake = self._to_source(target)
        turn.keep(fake_source=fake)
        back, features, _ = self._to_target(fake)
        error = self.networks["error"](features).abs().mean()
        turn.log(error_on_target=error)
        return {
            "rec_target": self.options.lambda_rec * l1(back, target),
            "error_target": self.options.lambda_error * error,
            "gan_source": self._fools("discriminator_source", fake),
        }

    def _discriminator_losses(self, turn: Turn) -> Losses:
        """Step 4, discriminators: real images and pooled fakes, y* and x'."""
        return {
            f"discriminator_{role}": self._discriminator_loss(role, turn[role], turn[f"fake_{role}"])
            for role in ("target", "source")
        }

    def _discriminator_loss(self, role: str, real: Tensor, fake: Tensor) -> Tensor:
        judge = self.networks[f"discriminator_{role}"]
        return judged_lsgan(judge(real), judge(self.pools[role].exchange(fake)))

    def _identity_losses(self, turn: Turn) -> Losses:
        """Step 5: an image of the domain to make stays as it is, and a target has no error."""
        source, target = turn["source"], turn["target"]
        features, for_error, _ = self._selected(target)
        error = self.networks["error"](for_error).abs().mean()
        losses = {"error_identity": self.options.lambda_error * error}
        weight = self.options.lambda_identity
        if weight > 0:
            losses["identity_target"] = weight * l1(self.networks["fake"](features), target)
            losses["identity_source"] = weight * l1(self._to_source(source), source)
        return losses

    def _cyclegan_losses(self, turn: Turn) -> Losses:
        """Steps 1, 3, 4 and 5 at once, without error and weights."""
        source, target = turn["source"], turn["target"]
        fake_target, fake_source = self._to_target(source)[0], self._to_source(target)
        turn.keep(fake_target=fake_target, fake_source=fake_source)
        back_source, back_target = self._to_source(fake_target), self._to_target(fake_source)[0]
        weight = self.options.lambda_rec
        losses = {
            "gan_target": self._fools("discriminator_target", fake_target),
            "gan_source": self._fools("discriminator_source", fake_source),
            "rec_source": weight * l1(back_source, source),
            "rec_target": weight * l1(back_target, target),
        }
        weight = self.options.lambda_identity
        if weight > 0:
            losses["identity_target"] = weight * l1(self._to_target(target)[0], target)
            losses["identity_source"] = weight * l1(self._to_source(source), source)
        return losses

    def _fools(self, discriminator: str, fake: Tensor) -> Tensor:
        return self.options.lambda_gan * lsgan(self.networks[discriminator](fake), is_real=True)

    def _to_target(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return y*, the features for the error branch, and the gate."""
        features, for_error, gate = self._selected(images)
        return self.networks["fake"](features), for_error, gate

    def _selected(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the features for each branch, s h and (1 - s) h, and the gate s; h twice where there is none."""
        features = self.networks["shared"](images)
        if "gate" not in self.networks:
            return features, features, None
        gate = self.networks["gate"](features)
        return gate * features, (1 - gate) * features, gate

    def _to_source(self, images: Tensor) -> Tensor:
        return self.networks["generator_to_source"](images)

    def _weight(self, source: Tensor, fake: Tensor) -> Tensor:
        """Step 2: return W of y*, Bx3xSxS, without gradients of its own."""
        gradient = reconstruction_gradient(self.networks["generator_to_source"], source, fake)
        return gradient_weight(gradient, is_full=self.options.weight_range == "full")

    def ways(self) -> Sequence[Way]:
        """Return both ways."""
        return self.both_ways()

    @torch.no_grad()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of one domain as images of the other: y*, without the error image."""
        return self._to_target(inputs)[0] if to == self.target else self._to_source(inputs)

    @torch.no_grad()
    def parts(self, source: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return y*, y_e and W of Bx3xSxS sources, and the gate s where there is one; not with `error: false`."""
        fake, features, gate = self._to_target(source)
        return fake, self.networks["error"](features), self._weight(source, fake), gate

    @torch.no_grad()
    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return x, y*, y_e, W (black is 0, white 1), their mix y and its way back; then target, x', y_e and y'.

        Without the error branch, source, its translation, the way back, and the same for the target.
        """
        source, target = inputs["source"], inputs["target"]
        fake_target, features, _ = self._to_target(source)
        fake_source = self._to_source(target)
        back_target, features_back, _ = self._to_target(fake_source)
        if not self.options.error:
            return [source, fake_target, self._to_source(fake_target), target, fake_source, back_target]
        error, error_back = (self.networks["error"](given) for given in (features, features_back))
        weight = self._weight(source, fake_target)
        mix = mixed(fake_target, error, weight)
        there = [source, fake_target, error, 2 * weight - 1, mix, self._to_source(mix)]
        return [*there, target, fake_source, error_back, back_target]

    def state_dict(self) -> dict[str, Any]:
        """Return the pools of earlier fakes."""
        return {role: pool.state_dict() for role, pool in self.pools.items()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Fill the pools again."""
        for role, pool in self.pools.items():
            pool.load_state_dict(state[role], device)


def reconstruction_gradient(way_back: nn.Module, source: Tensor, fake: Tensor) -> Tensor:
    """Return the gradient of |x - B(y*)|, summed, by y*: Bx3xSxS in float32.

    It is computed in float32 whatever the precision of the training, and leaves no gradient on any network.
    """
    with gradients(), torch.autocast(device_type=source.device.type, enabled=False):
        leaf = fake.detach().float().clone().requires_grad_()
        difference = F.l1_loss(way_back(leaf), source.float().clone(), reduction="sum")
        return torch.autograd.grad(difference, leaf)[0]


def gradient_weight(gradient: Tensor, is_full: bool = False) -> Tensor:
    """Return W, Bx3xSxS in [0.5, 1), large where the gradient is far from its mean over a channel of an image.

    z = |(mu - g) / (sigma + eps)| and W = sigmoid(z), as in document 001, whatever the gradient's scale. z is never
    negative, so W is never below 0.5, and 0.67 on average; `is_full` gives 2 W - 1, in [0, 1).
    """
    deviation = gradient.std(dim=(2, 3), correction=0, keepdim=True)
    distance = ((gradient.mean(dim=(2, 3), keepdim=True) - gradient) / (deviation + _EPS)).abs()
    weight = torch.sigmoid(distance).detach()
    return 2 * weight - 1 if is_full else weight


def mixed(fake: Tensor, error: Tensor, weight: Tensor) -> Tensor:
    """Return y = (1 - W) y* + W y_e."""
    return (1 - weight) * fake + weight * error


def guide_loss(gate: Tensor, weight: Tensor) -> Tensor:
    """Return how far the gate's share for the error branch is from what the gradients say.

    The mean of |(1 - s) - W| after means over channels; `gate` is BxCxhxw, `weight` Bx3xSxS in [0, 1), which is
    averaged down to h x w.
    """
    wanted = F.avg_pool2d(weight, weight.shape[-1] // gate.shape[-1]).mean(dim=1)
    return l1((1 - gate).mean(dim=1), wanted)
