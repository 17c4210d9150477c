"""What a method is: networks, optimisers, how a batch is drawn, one training step, and translation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.errors import UserError

Batch = dict[str, Tensor]
Backward = Callable[[Tensor], None]
Options = TypeVar("Options")

ADAM_BETAS = (0.5, 0.999)


class Method(ABC):
    """One way to learn a translation between two domains of faces, `source` and `target`.

    All images are in [-1, 1]. `networks` and `optimizers` are looked up by name at each use, so that the
    trainer can put wrapped ones in their place. What else must survive an interruption is in `state_dict`.
    """

    def __init__(self, experiment: dict[str, Any]) -> None:
        self.source, self.target = experiment["domains"]
        self.size_px = int(experiment["size_px"])
        self.batch_size = int(experiment["batch_size"])
        self.seed = int(experiment["seed"])
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Optimizer] = {}

    @abstractmethod
    def batch(self, dataset: Dataset, split: str, step: int) -> Batch:
        """Return what one step learns from: a pure function of the seed and the step."""

    @abstractmethod
    def training_step(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        """Update the networks once, in the order of the paper; return the losses, detached and by name."""

    @abstractmethod
    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return what `translate` takes for these faces of a domain."""

    @abstractmethod
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of the domain `to`, without gradients, each independent of the others."""

    @abstractmethod
    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return fixed inputs of up to `count` validation faces for the grids of samples."""

    @abstractmethod
    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return the columns of a grid of samples, each BxCxSxS."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds beside networks and optimisers."""
        return {}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:  # noqa: B027
        """Go on from a state that `state_dict` returned."""

    def randomness(self, step: int) -> np.random.Generator:
        """Return the random numbers of one step's batch."""
        return np.random.default_rng([self.seed, step])


def read_options(kind: type[Options], values: dict[str, Any]) -> Options:
    """Return a method's options from an experiment: known names are read, groups of options are checked."""
    types = get_type_hints(kind)
    read: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in values:
            continue
        value = values[field.name]
        if isinstance(value, dict):
            group: Any = types[field.name]
            _refuse_unknown(field.name, value, {inner.name for inner in fields(group)})
            value = group(**value)
        read[field.name] = value
    return kind(**read)


def _refuse_unknown(group: str, values: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(values.keys() - known):
        raise UserError(f"{group}: {', '.join(unknown)} unknown; there are {', '.join(sorted(known))}")


def draw_faces(choices: np.ndarray, count: int, randomness: np.random.Generator, what: str) -> np.ndarray:
    """Return `count` of the faces that may be drawn, with repetition."""
    if len(choices) == 0:
        raise UserError(f"{what}: there are no such faces in the dataset; loosen its rules or add images")
    return choices[randomness.integers(len(choices), size=count)]


def validation_faces(dataset: Dataset, domain: str, count: int) -> np.ndarray:
    """Return the first faces of the validation split; of the training split where that is empty."""
    arrays = dataset.domains[domain]
    faces = arrays.indices("val")
    return (faces if len(faces) else arrays.indices("train"))[:count]


def set_trainable(networks: Iterable[nn.Module], trainable: bool) -> None:
    """Freeze networks or thaw them; a frozen one passes gradients on and keeps none."""
    for network in networks:
        network.requires_grad_(trainable)
