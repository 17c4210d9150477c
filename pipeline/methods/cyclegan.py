"""CycleGAN: unpaired translation both ways, held together by the way back (Zhu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import flip_images, to_tensor
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
from pipeline.methods.losses import l1, lsgan
from pipeline.methods.pool import ImagePool
from pipeline.networks.discriminators import PatchDiscriminator
from pipeline.networks.generators import ResnetGenerator, Upsample
from pipeline.networks.initialise import initialise


@dataclass(frozen=True)
class GeneratorOptions:
    """Both ResNet generators; the paper has 6 blocks at 128 pixels and 9 from 256 pixels on."""

    width: int = 64
    blocks: int = 9
    upsample: Upsample = "transposed"


@dataclass(frozen=True)
class DiscriminatorOptions:
    """Both patch discriminators."""

    width: int = 64
    layers: int = 3


@dataclass(frozen=True)
class CycleGanOptions:
    """The paper's options; `lambda_identity` is a factor of `lambda_cycle`."""

    generator: GeneratorOptions = field(default_factory=GeneratorOptions)
    discriminator: DiscriminatorOptions = field(default_factory=DiscriminatorOptions)
    lambda_cycle: float = 10.0
    lambda_identity: float = 0.5
    pool_size: int = 50
    learning_rate: float = 2e-4


class CycleGan(Method):
    """Two generators and two discriminators; a batch is one set of images of each domain, unpaired."""

    def __init__(self, experiment: dict[str, Any], generator: torch.Generator) -> None:
        super().__init__(experiment)
        self.options = options = read_options(CycleGanOptions, experiment)
        self.networks = {
            "generator_to_target": ResnetGenerator(**vars(options.generator)),
            "generator_to_source": ResnetGenerator(**vars(options.generator)),
            "discriminator_target": PatchDiscriminator(**vars(options.discriminator)),
            "discriminator_source": PatchDiscriminator(**vars(options.discriminator)),
        }
        for network in self.networks.values():
            initialise(network, generator)
        self.optimizers = {
            role: Adam(
                [
                    weights
                    for name, network in self.networks.items()
                    if name.startswith(role)
                    for weights in network.parameters()
                ],
                lr=options.learning_rate,
                betas=ADAM_BETAS,
            )
            for role in ("generator", "discriminator")
        }
        self.pools = {
            domain: ImagePool(options.pool_size, seed=int(torch.randint(2**62, (), generator=generator)))
            for domain in ("target", "source")
        }

    def batch(self, dataset: Dataset, split: str, step: int) -> Batch:
        """Return `source` and `target`, Bx3xSxS, drawn independently; half of the images are mirrored."""
        randomness = self.randomness(step)
        return {
            "source": self._draw(dataset.domains[self.source], split, randomness, self.source),
            "target": self._draw(dataset.domains[self.target], split, randomness, self.target),
        }

    def _draw(self, domain: DomainArrays, split: str, randomness: np.random.Generator, name: str) -> Tensor:
        faces = draw_faces(domain.indices(split), self.batch_size, randomness, f"{name}, {split}")
        images = domain.images[faces]
        flipped = randomness.random(len(faces)) < 0.5
        images[flipped] = flip_images(images[flipped])
        return to_tensor(images)

    def training_step(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        """Update both generators, then both discriminators."""
        real_source, real_target = batch["source"], batch["target"]
        fake_target = self.networks["generator_to_target"](real_source)
        back_source = self.networks["generator_to_source"](fake_target)
        fake_source = self.networks["generator_to_source"](real_target)
        back_target = self.networks["generator_to_target"](fake_source)

        losses = self._generator_losses(batch, fake_source, fake_target)
        losses["cycle_source"] = self.options.lambda_cycle * l1(back_source, real_source)
        losses["cycle_target"] = self.options.lambda_cycle * l1(back_target, real_target)
        self._update("generator", losses, backward)

        discriminator_losses = {
            "discriminator_target": self._discriminator_loss("target", real_target, fake_target),
            "discriminator_source": self._discriminator_loss("source", real_source, fake_source),
        }
        self._update("discriminator", discriminator_losses, backward)
        return {name: loss.detach() for name, loss in (losses | discriminator_losses).items()}

    def _generator_losses(self, batch: Batch, fake_source: Tensor, fake_target: Tensor) -> dict[str, Tensor]:
        discriminators = self.networks["discriminator_target"], self.networks["discriminator_source"]
        set_trainable(discriminators, False)
        losses = {
            "gan_target": lsgan(discriminators[0](fake_target), is_real=True),
            "gan_source": lsgan(discriminators[1](fake_source), is_real=True),
        }
        set_trainable(discriminators, True)
        weight = self.options.lambda_identity * self.options.lambda_cycle
        if weight > 0:
            for domain in ("target", "source"):
                same = self.networks[f"generator_to_{domain}"](batch[domain])
                losses[f"identity_{domain}"] = weight * l1(same, batch[domain])
        return losses

    def _discriminator_loss(self, domain: str, real: Tensor, fake: Tensor) -> Tensor:
        discriminator = self.networks[f"discriminator_{domain}"]
        pooled = self.pools[domain].exchange(fake)
        return 0.5 * (lsgan(discriminator(real), is_real=True) + lsgan(discriminator(pooled), is_real=False))

    def _update(self, role: str, losses: dict[str, Tensor], backward: Backward) -> None:
        self.optimizers[role].zero_grad(set_to_none=True)
        backward(torch.stack(list(losses.values())).sum())
        self.optimizers[role].step()

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return the images of these faces, Bx3xSxS."""
        return to_tensor(domain.images[indices])

    @torch.no_grad()
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of one domain as images of the other, `to`."""
        role = "target" if to == self.target else "source"
        return self.networks[f"generator_to_{role}"](inputs)

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return validation images of both domains."""
        return {
            role: self.inputs(dataset.domains[domain], validation_faces(dataset, domain, count))
            for role, domain in (("source", self.source), ("target", self.target))
        }

    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return source, its translation, the way back, and the same for the target."""
        columns: list[Tensor] = []
        for role, there, back in (
            ("source", self.target, self.source),
            ("target", self.source, self.target),
        ):
            translated = self.translate(inputs[role], there)
            columns += [inputs[role], translated, self.translate(translated, back)]
        return columns

    def state_dict(self) -> dict[str, Any]:
        """Return the pools of earlier fakes."""
        return {domain: pool.state_dict() for domain, pool in self.pools.items()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Fill the pools again."""
        for domain, pool in self.pools.items():
            pool.load_state_dict(state[domain], device)
