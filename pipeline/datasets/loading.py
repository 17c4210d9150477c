"""Batches for training: which faces, how they are varied, and what a network is told beside the image.

A batch is a pure function of the seed and of its number, so a training goes on at its exact position, and neither
the number of threads that prepare batches nor the device that holds the images changes what a network sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.datasets.conditions import (
    color_planes,
    color_values,
    flip_points,
    known_colors,
    landmark_planes,
    sent,
    to_tensor,
)
from pipeline.errors import UserError
from pipeline.experiments import Experiment
from pipeline.experiments.common import Augment, Conditioned

Batch = dict[str, Tensor]
# What a method learns from: one face of each domain, faces that belong together, faces of the second domain, or faces
# of all domains with their labels.
Draws = Literal["unpaired", "pairs", "target", "labelled"]
Randomness = np.random.Generator
ROLES = ("source", "target")
# Each order of the faces in an epoch is drawn from a stream of its own.
_STREAMS = {"source": 1, "target": 2, "pairs": 3, "labelled": 4}
_THREADS = 4
_AHEAD = 8
# Of the free memory of a GPU, how much the images may take so that they are kept there.
_SHARE_ON_DEVICE = 0.4


class Pool:
    """The training faces of a domain, or of several one after the other.

    Images uint8 LxLx3 on the disk or on a GPU, points px of those, colours, labels, and embeddings where all have them.
    """

    def __init__(self, domains: Sequence[DomainArrays], size_px: int) -> None:
        training = [domain.indices("train") for domain in domains]
        self._images = [domain.images if domain.large is None else domain.large for domain in domains]
        self._places = [
            faces if domain.large is None else np.arange(len(faces))
            for domain, faces in zip(domains, training, strict=True)
        ]
        self._ends = np.cumsum([len(faces) for faces in training])
        self._held: Tensor | None = None
        points = np.concatenate([each.points[faces] for each, faces in zip(domains, training, strict=True)])
        rows = [
            row
            for each, faces in zip(domains, training, strict=True)
            for row in each.rows.take(faces).to_pylist()
        ]
        self.points = torch.from_numpy((points + 0.5) * (self.side / size_px) - 0.5).float()
        self.colors = torch.from_numpy(color_values(rows))
        labels = [row["labels"] or [] for row in rows]
        self.labels = torch.tensor(labels, dtype=torch.float32).reshape(len(rows), -1)
        known = [
            each.embeddings[faces]
            for each, faces in zip(domains, training, strict=True)
            if each.embeddings is not None
        ]
        complete = len(known) == len(domains)
        self.embeddings = torch.from_numpy(np.concatenate(known)) if complete else None

    @property
    def side(self) -> int:
        """The side of the images, from which crops are taken."""
        return self._images[0].shape[1]

    @property
    def bytes(self) -> int:
        """The memory that the images take."""
        return len(self.points) * int(np.prod(self._images[0].shape[1:]))

    def hold(self, device: torch.device) -> None:
        """Put everything on a device."""
        held = torch.empty((len(self.points), *self._images[0].shape[1:]), dtype=torch.uint8, device=device)
        for images, places, end in zip(self._images, self._places, self._ends, strict=True):
            held[end - len(places) : end] = torch.from_numpy(images[places]).to(device)
        self._held = held
        self.points, self.colors, self.labels = (
            tensor.to(device) for tensor in (self.points, self.colors, self.labels)
        )
        self.embeddings = None if self.embeddings is None else self.embeddings.to(device)

    def images(self, faces: np.ndarray) -> Tensor:
        """Return the images of these faces, uint8 BxLxLx3."""
        if self._held is not None:
            return self._held[sent(torch.from_numpy(faces), self._held.device)]
        return torch.from_numpy(np.stack([self._image(int(face)) for face in faces]))

    def _image(self, face: int) -> np.ndarray:
        of = int(np.searchsorted(self._ends, face, side="right"))
        return self._images[of][self._places[of][face - self._ends[of]]]


@dataclass(frozen=True)
class View:
    """How one face is shown: a crop at (x, y) of the enlarged image, mirrored, turned, lighter or darker."""

    x: int
    y: int
    flip: bool
    rotation_deg: float
    brightness: float


class Loader:
    """Gives the batches of a training by their number.

    A batch of `labelled` faces holds `images` Bx3xSxS in [-1, 1], their `labels` BxL and, where the dataset has them,
    `embeddings` BxE. Any other holds, for each role (`source`, `target`), the images Bx3xSxS in [-1, 1] under its
    name, and under `<role>_points` (Bx68x2 px, NaN where unknown), `<role>_colors` (Bx9 in [-1, 1], 0 where
    unknown), `<role>_labels` and, where `conditions` are asked for, `<role>_planes` (BxPxSxS) what the network is
    told.
    Raises `UserError` where there is nothing to draw from.
    """

    def __init__(
        self,
        dataset: Dataset,
        experiment: Experiment,
        seed: int,
        draws: Draws,
        conditions: Sequence[str] = (),
        device: torch.device | None = None,
    ) -> None:
        self._experiment = experiment
        self._seed = seed
        self._draws = draws
        self._conditions = conditions
        self._choices = _choices(dataset, experiment, draws)
        self._pools = {
            role: Pool([dataset.domains[name] for name in names], experiment.size_px)
            for role, names in _domains(experiment, draws).items()
        }
        self.device = device or torch.device("cpu")
        self._is_held = self.device.type == "cuda" and _fits(self._pools.values(), self.device)
        if self._is_held:
            for pool in self._pools.values():
                pool.hold(self.device)
        self._works_ahead = self.device.type == "cuda" and not self._is_held
        self._order = lru_cache(maxsize=4)(self._order_of_epoch)

    def batch(self, number: int) -> Batch:
        """Return the batch with this number, counted from 0, on the loader's device."""
        randomness = np.random.default_rng([self._seed, number])
        faces = self._faces(number, randomness)
        views: list[View] | None = None
        batch: Batch = {}
        for role, pool in self._pools.items():
            if views is None or self._draws == "unpaired":
                views = self._views(pool, randomness)
            batch |= self._show(role, pool, faces[role], views, randomness)
        return {name: sent(tensor, self.device) for name, tensor in batch.items()}

    def batches(self, first: int, stride: int = 1) -> Iterator[Batch]:
        """Yield the batches from number `first` on, every `stride`-th, prepared ahead where a GPU would wait."""
        numbers = count(first, stride)
        if not self._works_ahead:
            yield from map(self.batch, numbers)
            return
        with ThreadPoolExecutor(_THREADS) as threads:
            coming = [threads.submit(self.batch, next(numbers)) for _ in range(_AHEAD)]
            try:
                while True:
                    yield coming.pop(0).result()
                    coming.append(threads.submit(self.batch, next(numbers)))
            finally:
                threads.shutdown(cancel_futures=True)

    def _views(self, pool: Pool, randomness: Randomness) -> list[View]:
        spare = pool.side - self._experiment.size_px
        return [
            _draw_view(self._experiment.augment, spare, randomness)
            for _ in range(self._experiment.batch_size)
        ]

    def _faces(self, number: int, randomness: Randomness) -> dict[str, np.ndarray]:
        """Return which faces of each pool are in the batch."""
        size = self._experiment.batch_size
        if self._draws == "pairs":
            pairs = self._next("pairs", number, size, randomness)
            return {role: self._choices[role].faces[pairs] for role in ROLES}
        return {
            role: self._choices[role].faces[self._next(role, number, size, randomness)]
            for role in self._pools
        }

    def _next(self, role: str, number: int, size: int, randomness: Randomness) -> np.ndarray:
        """Return the next places of a role's faces: every face once in each epoch, or by weight."""
        choice = self._choices["source" if role == "pairs" else role]
        if choice.cumulated is not None:
            return np.searchsorted(choice.cumulated, randomness.random(size), side="right")
        places = range(number * size, (number + 1) * size)
        length = len(choice.faces)
        return np.array([self._order(role, place // length, length)[place % length] for place in places])

    def _order_of_epoch(self, role: str, epoch: int, length: int) -> np.ndarray:
        return np.random.default_rng([self._seed, _STREAMS[role], epoch]).permutation(length)

    def _show(
        self, role: str, pool: Pool, faces: np.ndarray, views: Sequence[View], randomness: Randomness
    ) -> Batch:
        chosen = sent(torch.from_numpy(faces), pool.points.device)
        shown = [
            show(image, points, view, self._experiment.size_px)
            for image, points, view in zip(pool.images(faces), pool.points[chosen], views, strict=True)
        ]
        images, points = (torch.stack(tensors) for tensors in zip(*shown, strict=True))
        if role == "labelled":
            known = {"embeddings": pool.embeddings[chosen]} if pool.embeddings is not None else {}
            return {"images": images, "labels": pool.labels[chosen], **known}
        batch = {
            role: images,
            f"{role}_points": points,
            f"{role}_colors": known_colors(pool.colors[chosen]),
            f"{role}_labels": pool.labels[chosen],
        }
        if self._conditions and isinstance(self._experiment, Conditioned):
            told = tell(self._experiment, self._conditions, points, pool.colors[chosen], randomness)
            batch |= {f"{role}_{name}": tensor for name, tensor in told.items()}
        return batch


@dataclass(frozen=True)
class _Choice:
    """The faces of a pool that may be drawn, and their cumulated chances where they are not alike."""

    faces: np.ndarray
    cumulated: np.ndarray | None


def _domains(experiment: Experiment, draws: Draws) -> dict[str, tuple[str, ...]]:
    """Return the domains from which the faces of each role are drawn."""
    if draws == "labelled":
        return {"labelled": experiment.domains}
    source, target = experiment.domains
    return {"target": (target,)} if draws == "target" else {"source": (source,), "target": (target,)}


def _choices(dataset: Dataset, experiment: Experiment, draws: Draws) -> dict[str, _Choice]:
    if draws == "pairs":
        return _pairs(dataset, experiment)
    choices = {}
    for role, names in _domains(experiment, draws).items():
        found = [_usable(dataset, name, experiment) for name in names]
        known, weights = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        choices[role] = _Choice(np.flatnonzero(known), _cumulated(weights[known]))
    return choices


def _usable(dataset: Dataset, name: str, experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Return which training faces of a domain may be drawn, and all their weights."""
    domain = dataset.domains[name]
    training = domain.indices("train")
    known = domain.has_points()[training] if experiment.needs_landmarks else np.ones(len(training), bool)
    if not known.any():
        raise UserError(f"{name}: the dataset has no face to train on; loosen its rules or add images")
    return known, domain.rows["weight"].to_numpy()[training]


def _cumulated(weights: np.ndarray) -> np.ndarray | None:
    """Return chances that end with exactly 1, since every number below 1 may be drawn; None where all are alike."""
    if np.ptp(weights) == 0:
        return None
    cumulated = np.cumsum(weights, dtype=np.float64)
    return cumulated / cumulated[-1]


def _pairs(dataset: Dataset, experiment: Experiment) -> dict[str, _Choice]:
    table = dataset.pairs
    if table is None:
        raise UserError("pairing: the dataset has no pairs; set pairing to pair_id or nearest_landmarks")
    training = table["split"].to_numpy(zero_copy_only=False) == "train"
    if experiment.needs_landmarks:
        for role, name in zip(ROLES, experiment.domains, strict=True):
            training &= dataset.domains[name].has_points()[table[role].to_numpy()]
    if not training.any():
        raise UserError(
            f"pairing: {experiment.pairing} found no pair to train on; add images of both domains"
        )
    choices = {}
    for role, name in zip(ROLES, experiment.domains, strict=True):
        # Rows of the domain become places among its training faces.
        faces = np.searchsorted(dataset.domains[name].indices("train"), table[role].to_numpy()[training])
        choices[role] = _Choice(faces, None)
    return choices


def _fits(pools: Iterable[Pool], device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return sum(pool.bytes for pool in pools) < _SHARE_ON_DEVICE * free


def _draw_view(augment: Augment, spare: int, randomness: Randomness) -> View:
    x, y = randomness.integers(spare + 1, size=2).tolist()
    turn, light = randomness.uniform(-1, 1, 2).tolist()
    flip = bool(randomness.random() < 0.5) and augment.flip
    return View(x, y, flip, turn * augment.rotation_deg, 2 * light * augment.brightness)


def show(image: Tensor, points: Tensor, view: View, size_px: int) -> tuple[Tensor, Tensor]:
    """Return a face as one view shows it: 3xSxS in [-1, 1], and its landmarks in pixels of that.

    `image` is uint8 LxLx3, `points` 68x2 px of it. Turned around the middle, then cropped, then mirrored.
    """
    shown = to_tensor(image[None])
    if view.rotation_deg:
        shown, points = rotate(shown, points, view.rotation_deg)
    shown = shown[0, :, view.y : view.y + size_px, view.x : view.x + size_px]
    points = torch.stack([points[..., 0] - view.x, points[..., 1] - view.y], dim=-1)
    if view.flip:
        shown, points = shown.flip(-1), flip_points(points, size_px)
    return (shown + view.brightness).clamp(-1, 1), points


def rotate(images: Tensor, points: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    """Return Bx3xLxL images and ...x2 points (px) turned counter-clockwise, as seen, around the middle."""
    angle = np.deg2rad(degrees)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    # affine_grid asks for the way back: from the turned picture to the given one.
    back = sent(torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]]), images.device)
    grid = F.affine_grid(back.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    turned = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    middle = (images.shape[-1] - 1) / 2
    forth = sent(torch.tensor([[cos, sin], [-sin, cos]]), points.device)
    return turned, (points - middle) @ forth.T + middle


def tell(
    experiment: Conditioned,
    conditions: Sequence[str],
    points: Tensor,
    colors: Tensor,
    randomness: Randomness,
    training: bool = True,
) -> Batch:
    """Return what a network is told of faces: `planes` BxPxSxS in the order of `conditions`, and `colors` Bx9.

    `points` are Bx68x2 px, `colors` Bx9 in [-1, 1]. In training colours are changed a little and conditions are
    withheld as the experiment says; the noise plane, N(0, 1), is drawn anew each time.
    """
    size, device = experiment.size_px, points.device
    kept = torch.ones(len(points), 1, device=device)
    if training and experiment.color_jitter:
        drawn = randomness.standard_normal(tuple(colors.shape), np.float32) * experiment.color_jitter
        colors = (colors + sent(torch.from_numpy(drawn), device)).clamp(-1, 1)
    colors = known_colors(colors)
    if training and experiment.condition_dropout:
        withheld = randomness.random((len(points), 1)) < experiment.condition_dropout
        kept = sent(torch.from_numpy(~withheld).float(), device)
    planes: list[Tensor] = []
    for condition in conditions:
        if condition == "landmarks":
            drawn_points = landmark_planes(
                points, size, experiment.landmark_shape, experiment.landmark_pixels
            )
            planes.append(drawn_points * kept[..., None, None])
        elif condition == "colors":
            planes.append(color_planes(colors * kept, size))
        elif condition == "noise":
            noise = randomness.standard_normal((len(points), 1, size, size), np.float32)
            planes.append(sent(torch.from_numpy(noise), device))
    empty = torch.zeros(len(points), 0, size, size, device=device)
    return {"planes": torch.cat(planes, dim=1) if planes else empty, "colors": colors * kept}
