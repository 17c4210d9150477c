"""What tests do with a method: build it tiny, give it a batch, let it step, and see what moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from pipeline.datasets.loading import ROLES, Batch, Loader
from pipeline.methods import METHODS, build_method
from pipeline.methods.base import Method, Phase, Turn, train_step
from tests.methods.tiny_dataset import experiment, open_dataset

AnyMethod = TypeVar("AnyMethod", bound=Method)


def build(name: str, seed: int = 0, **options: Any) -> Method:
    """Return a method of tiny networks whose weights are drawn from the seed."""
    return build_method(experiment(name, **options), torch.Generator().manual_seed(seed))


def builder(kind: type[AnyMethod]) -> Callable[..., AnyMethod]:
    """Return `build` for one kind of method."""
    name = next(name for name, known in METHODS.items() if known is kind)

    def build_kind(seed: int = 0, **options: Any) -> AnyMethod:
        method = build(name, seed, **options)
        assert isinstance(method, kind)
        return method

    return build_kind


def first_batch(folder: Path, name: str, **options: Any) -> Batch:
    """Write a tiny dataset and return the first batch that a method with these options learns from."""
    method, dataset = build(name, **options), open_dataset(folder, name, **options)
    return Loader(dataset, experiment(name, **options), 0, method.draws, method.conditions).batch(0)


def random_batch(planes: int = 0, count: int = 1, seed: int = 1) -> Batch:
    """Return noise of 32 px for both roles, with so many planes that tell of each image."""
    random = torch.Generator().manual_seed(seed)
    batch = {role: torch.rand(count, 3, 32, 32, generator=random) * 2 - 1 for role in ROLES}
    if planes:
        batch |= {f"{role}_planes": torch.rand(count, planes, 32, 32, generator=random) for role in ROLES}
    return batch


def in_blocks(batch: Batch) -> Batch:
    """Return a batch whose images are blocks of one colour each, which a tiny network can learn."""
    blocks = {role: batch[role][..., ::16, ::16] for role in ROLES}
    return batch | {
        role: image.repeat_interleave(16, 2).repeat_interleave(16, 3) for role, image in blocks.items()
    }


def step(method: Method, batch: Batch, number: int = 0) -> dict[str, float]:
    """Make the step of this number and return its losses and logged numbers."""
    return {name: value.item() for name, value in train_step(method, [Turn(batch, number)]).items()}


def learn(method: Method, batch: Batch, steps: int, *watched: str) -> list[float]:
    """Make steps on one batch; return the sum of the watched losses of each step that has them."""
    history = [train_step(method, [Turn(batch, number)]) for number in range(steps)]
    return [
        sum(losses[name].item() for name in watched) for losses in history if losses.keys() >= set(watched)
    ]


def update(method: Method, phase: Phase, turn: Turn) -> set[str]:
    """Make one phase of a step and no other; return the names of the networks that it moved."""
    before = weights_of(method)
    with patch.object(method, "phases", return_value=(phase,)):
        train_step(method, [turn])
    return changed(before, weights_of(method))


def weights_of(method: Method) -> dict[str, Tensor]:
    """Return a copy of each network's weights, as one vector."""
    return {name: flat(network) for name, network in method.networks.items()}


def flat(network: torch.nn.Module) -> Tensor:
    """Return a copy of a network's weights, as one vector."""
    return parameters_to_vector(network.parameters()).detach().clone()


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """Return the names under which the two hold different numbers."""
    return {name for name in before if not torch.equal(before[name], after[name])}


def holding_gradients(method: Method) -> set[str]:
    """Return the names of the networks with a weight that has a gradient."""
    return {
        name
        for name, network in method.networks.items()
        if any(weights.grad is not None for weights in network.parameters())
    }


def l1(one: Tensor, other: Tensor) -> float:
    """Return the mean absolute difference."""
    return (one - other).abs().mean().item()
