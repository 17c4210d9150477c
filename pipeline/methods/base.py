"""What a method is: networks, optimisers, the phases of one training step; and what one that translates is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import to_tensor
from pipeline.datasets.loading import Batch, Draws
from pipeline.experiments import Experiment

ADAM_BETAS = (0.5, 0.999)
Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Arithmetic:
    """How a step is computed: its backward pass, the precision of its forward pass, gradients of several devices."""

    backward: Callable[[Tensor], None] = Tensor.backward
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    average: Callable[[Sequence[nn.Parameter]], None] = lambda _: None


class Turn:
    """One batch on its way through the phases of one step (counted from 0).

    A phase may `keep` tensors for the phases after it, and `log` numbers that are not minimised.
    """

    def __init__(self, batch: Batch, step: int) -> None:
        self.batch = batch
        self.step = step
        self.kept: dict[str, Tensor] = {}
        self.logged: Losses = {}

    def __getitem__(self, name: str) -> Tensor:
        return self.kept[name] if name in self.kept else self.batch[name]

    def keep(self, **tensors: Tensor) -> None:
        """Hold tensors for later phases, cut off from what they were computed of."""
        self.kept |= {name: tensor.detach() for name, tensor in tensors.items()}

    def hold(self, **tensors: Tensor) -> None:
        """Hold tensors for later phases together with what they were computed of."""
        self.kept |= tensors

    def log(self, **values: Tensor) -> None:
        """Note numbers for the curves."""
        self.logged |= {name: value.detach() for name, value in values.items()}


def always(_: int) -> bool:
    """Say that a phase is part of every step."""
    return True


@dataclass(frozen=True)
class Phase:
    """One update within a step: the weighted losses whose sum is minimised, and by which optimisers.

    `frozen` networks pass gradients on and keep none; `when` says in which steps the phase takes place; `clip_norm` is
    the largest norm that all its gradients together may have; `after` runs when the weights have moved. Without
    optimisers a phase only looks: its losses are computed without gradients, and noted.
    """

    name: str
    optimizers: tuple[str, ...]
    losses: Callable[[Turn], Losses]
    frozen: tuple[str, ...] = ()
    when: Callable[[int], bool] = field(default=always)
    clip_norm: float | None = None
    after: Callable[[], None] | None = None


Truth = Literal["way_back", "itself", "pair", "none"]


@dataclass(frozen=True)
class Way:
    """One translation that a method is for, and what it can be compared with.

    `truth`: the image after the way back with the input, the output with the input's own image (`itself`) or with its
    partner (`pair`), or nothing.
    """

    of: str
    to: str
    truth: Truth
    asks_colors: bool = True


class Method(ABC):
    """One way to learn something of faces.

    All images are in [-1, 1]. `networks` and `optimizers` are looked up by name at each use, so that the trainer can
    put others in their place. What else must survive an interruption is in `state_dict`.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.domains = experiment.domains
        self.size_px = experiment.size_px
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Optimizer] = {}

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the updates of one step, in the order of the paper."""

    @property
    @abstractmethod
    def shipped(self) -> tuple[str, ...]:
        """The names of the networks that are the result: their averages are kept, their weights are written."""

    @property
    @abstractmethod
    def draws(self) -> Draws:
        """What a batch shows: see `Draws`."""

    def prepare(self) -> None:  # noqa: B027
        """Read what a training that starts anew begins with, such as the weights of a part trained elsewhere."""

    def equip(self, dataset: Dataset) -> None:  # noqa: B027
        """Take what a dataset holds beside faces, before any step: such as the network that a loss looks through."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """What a batch's `<role>_planes` show, in order."""
        return ()

    @abstractmethod
    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return fixed inputs of up to `count` validation faces of each domain for the grids of samples, by name."""

    @abstractmethod
    def sample_columns(self, inputs: Batch) -> list[Tensor]:
        """Return the columns of a grid of samples, each Bx3xSxS or Bx1xSxS."""

    def learning_rate_factor(self, step: int, steps: int) -> float:
        """Return 1 over the first half of the steps (counted from 0), then on a line that reaches 0 at the end."""
        return min(1.0, (steps - step) / (steps - steps // 2))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds beside networks and optimisers."""
        return {}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:  # noqa: B027
        """Go on from a state that `state_dict` returned."""

    def parameters(self, *names: str) -> list[nn.Parameter]:
        """Return the weights of networks, those that are learnt."""
        return [
            weights for name in names for weights in self.networks[name].parameters() if weights.requires_grad
        ]

    def device(self) -> torch.device:
        """Return where the method's networks are: on a GPU while it is trained there."""
        weights = (weight for name in self.shipped for weight in self.networks[name].parameters())
        return next((weight.device for weight in weights), torch.device("cpu"))


class Translator(Method):
    """One way to learn a translation between two domains of faces, `source` and `target`."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(experiment)
        self.source, self.target = experiment.domains
        self._has_true_pairs = experiment.pairing == "pair_id"

    @property
    def draws(self) -> Draws:
        """A face of each domain, where a method says nothing else."""
        return "unpaired"

    @abstractmethod
    def ways(self) -> Sequence[Way]:
        """Return the translations that the method is for, the one it is named for first."""

    def both_ways(self) -> Sequence[Way]:
        """Return both ways, compared with the partners where `pair_id` knows them, else after the way back."""
        truth: Truth = "pair" if self._has_true_pairs else "way_back"
        return (Way(self.source, self.target, truth), Way(self.target, self.source, truth))

    def one_way(self) -> Sequence[Way]:
        """Return the way to the target, compared with the partners where `pair_id` knows them, else with nothing."""
        return (Way(self.source, self.target, "pair" if self._has_true_pairs else "none"),)

    def inputs(self, domain: DomainArrays, indices: np.ndarray) -> Tensor:
        """Return what `translate` takes for these faces of a domain."""
        return to_tensor(domain.images[indices])

    @abstractmethod
    def translate(self, inputs: Tensor, to: str) -> Tensor:
        """Return Bx3xSxS images of the domain `to`, without gradients, each independent of the others."""

    def translate_back(self, inputs: Tensor, to: str, of: str) -> Tensor:
        """Return Bx3xSxS images of the domain `of` after the way to the domain `to` and back."""
        return self.translate(self.translate(inputs, to), of)

    def sample_inputs(self, dataset: Dataset, count: int) -> Batch:
        """Return fixed inputs of up to `count` validation faces for the grids of samples, by role."""
        return {
            role: self.inputs(dataset.domains[name], validation_faces(dataset, name, count))
            for role, name in (("source", self.source), ("target", self.target))
        }


def train_step(method: Method, turns: Sequence[Turn], arithmetic: Arithmetic = Arithmetic()) -> Losses:
    """Go through the phases of one step; return the means of losses and logged numbers over the batches.

    Several `turns` make one step whose gradients are the means over their batches.
    """
    seen: dict[str, list[Tensor]] = {}
    for phase in method.phases():
        if not phase.when(turns[0].step):
            continue
        for losses in (_learn if phase.optimizers else _look)(method, phase, turns, arithmetic):
            for name, loss in losses.items():
                seen.setdefault(name, []).append(loss.detach())
        if phase.after is not None:
            phase.after()
    for turn in turns:
        for name, value in turn.logged.items():
            seen.setdefault(name, []).append(value)
    return {name: torch.stack(values).mean() for name, values in seen.items()}


def _learn(method: Method, phase: Phase, turns: Sequence[Turn], arithmetic: Arithmetic) -> list[Losses]:
    optimizers = [method.optimizers[name] for name in phase.optimizers]
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    found = []
    with frozen(method.networks[name] for name in phase.frozen):
        for turn in turns:
            with arithmetic.autocast():
                losses = phase.losses(turn)
            arithmetic.backward(torch.stack(list(losses.values())).sum() / len(turns))
            found.append({name: loss.detach() for name, loss in losses.items()})
    moved = [
        weights for optimizer in optimizers for group in optimizer.param_groups for weights in group["params"]
    ]
    arithmetic.average(moved)
    if phase.clip_norm is not None:
        nn.utils.clip_grad_norm_(moved, phase.clip_norm)
    for optimizer in optimizers:
        optimizer.step()
    return found


@torch.no_grad()
def _look(_: Method, phase: Phase, turns: Sequence[Turn], arithmetic: Arithmetic) -> list[Losses]:
    found = []
    for turn in turns:
        with arithmetic.autocast():
            found.append(phase.losses(turn))
    return found


@contextmanager
def gradients() -> Iterator[None]:
    """Allow gradients, even where outputs are sampled; what comes from outside must be cloned in the block."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def frozen(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Keep networks from gathering gradients; they still pass them on."""
    held = [weights for network in networks for weights in network.parameters() if weights.requires_grad]
    for weights in held:
        weights.requires_grad_(False)
    try:
        yield
    finally:
        for weights in held:
            weights.requires_grad_(True)


def adam(
    weights: Sequence[nn.Parameter],
    experiment: Experiment,
    betas: tuple[float, float] = ADAM_BETAS,
    weight_decay: float = 0.0,
) -> Adam:
    """Return Adam over weights with the experiment's learning rate (Kingma and Ba 2015)."""
    return Adam(weights, experiment.learning_rate, betas, weight_decay=weight_decay, fused=experiment.fused)


def validation_faces(dataset: Dataset, domain: str, count: int) -> np.ndarray:
    """Return the first faces of the validation split; of the training split where that is empty."""
    arrays = dataset.domains[domain]
    faces = arrays.indices("val")
    return (faces if len(faces) else arrays.indices("train"))[:count]
