"""The trained models: which there are, which translate faces of a domain, and as many in memory as may be.

Any number of threads may ask. A model is read when it is first asked for and answers one face at a time; where
memory is short the models that rest the longest go, and whoever asks for one more waits until another is free.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from pipeline.datasets.arrays import EXPERIMENT_NAME, DomainArrays
from pipeline.datasets.conditions import to_images
from pipeline.errors import UserError
from pipeline.experiments import Experiment, read_experiment
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator, Way
from pipeline.names import unknown_name
from pipeline.serve.looking import Face
from pipeline.serve.one_face import arrays_of
from pipeline.training.checkpoints import load_translator

WEIGHTS = "weights"
State = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Answer:
    """What a model made of a face: SxSx3 uint8 RGB and the seconds it took, or the problem why there is nothing."""

    experiment: str
    to: str
    image: np.ndarray | None
    seconds: float
    problem: str | None = None


@dataclass
class _Place:
    """Memory that a model takes or is about to take, and how many threads use it or wait to."""

    state: State
    size: int
    users: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)
    model: Translator | None = None


class Zoo:
    """The models below a folder that translate; `limit_bytes` is the most that their weights may take together."""

    def __init__(self, folder: Path, device: torch.device, limit_bytes: int | None = None) -> None:
        self._folder = folder
        self._device = device
        self._limit = limit_bytes
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._ways: dict[str, tuple[State, Sequence[Way]]] = {}
        self._changed = threading.Condition()

    def names(self) -> list[str]:
        """Return the experiments that have weights and translate; one that cannot be read is left out."""
        return [name for name in self._trained() if self._is_translator(name)]

    def experiment(self, name: str) -> Experiment:
        """Return what a model was trained as; `UserError` where it is not trained or not to be read."""
        path = self._folder / name / WEIGHTS / EXPERIMENT_NAME
        if name not in self._trained():
            raise unknown_name(str(self._folder), name, "trained models", self._trained())
        try:
            return read_experiment(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, UserError) as error:
            raise UserError(f"{path}: {error}; run the stage `train` again") from None

    def ways(self, name: str) -> Sequence[Way]:
        """Return what a model translates, what it is named for first; it is read, should it be new.

        Raises `UserError` where it cannot be read, or is larger than the limit.
        """
        state = self._state(name)
        known = self._ways.get(name)
        if known is None or known[0] != state:
            with self._borrowed(name) as model:
                known = self._ways[name] = (state, model.ways())
        return known[1]

    def from_domain(self, domain: str) -> list[str]:
        """Return the models that translate faces of a domain; those that cannot be read are left out."""
        found = []
        for name in self.names():
            try:
                experiment = self.experiment(name)
                if domain in experiment.domains and any(way.of == domain for way in self.ways(name)):
                    found.append(name)
            except UserError:
                continue
        return found

    def loaded(self) -> list[str]:
        """Return the models in memory, the one that rests the longest first."""
        with self._changed:
            return [name for name, place in self._places.items() if place.model is not None]

    def translate(self, name: str, face: Face, of: str, to: str) -> Answer:
        """Return what a model makes of an aligned face of the domain `of`; what fails is an answer with its problem.

        `seconds` is the translation itself, from the arrays that it is told to the picture.
        """
        try:
            experiment = self.experiment(name)
            if all((way.of, way.to) != (of, to) for way in self.ways(name)):
                raise UserError(f"{name} does not translate {of} to {to}")
            told = arrays_of(face, experiment, of)
            if experiment.needs_landmarks and not told.has_points()[0]:
                raise UserError(f"{name} needs the 68 landmarks, which are not known of this face")
            with self._borrowed(name) as model:
                started = time.perf_counter()
                image = _translated(model, told, to, experiment.seeds[0])
                return Answer(name, to, image, time.perf_counter() - started)
        except UserError as error:
            return Answer(name, to, None, 0.0, str(error))
        except Exception as error:  # a model that breaks must not take the others with it
            return Answer(name, to, None, 0.0, f"{type(error).__name__}: {error}")

    def _trained(self) -> list[str]:
        return sorted(path.parent.parent.name for path in self._folder.glob(f"*/{WEIGHTS}/{EXPERIMENT_NAME}"))

    def _is_translator(self, name: str) -> bool:
        try:
            return self.experiment(name).method in TRANSLATORS
        except UserError:
            return False

    def _weights(self, name: str) -> Path:
        return self._folder / name / WEIGHTS / f"seed-{self.experiment(name).seeds[0]}"

    def _state(self, name: str) -> State:
        """Return what tells whether a model was trained again: its files with their sizes and times."""
        files = ((path, path.stat()) for path in sorted(self._weights(name).glob("*.safetensors")))
        return tuple((path.name, status.st_size, status.st_mtime_ns) for path, status in files)

    @contextmanager
    def _borrowed(self, name: str) -> Iterator[Translator]:
        """Yield a model for this thread alone."""
        place = self._reserve(name)
        try:
            with place.turn:
                if place.model is None:
                    place.model = self._read(name)
                yield place.model
        finally:
            with self._changed:
                place.users -= 1
                if place.model is None and not place.users and self._places.get(name) is place:
                    del self._places[name]
                self._changed.notify_all()

    def _reserve(self, name: str) -> _Place:
        """Return a model's place, with room for it; wait until others are done where there is none."""
        state = self._state(name)
        size = sum(entry[1] for entry in state)
        if self._limit is not None and size > self._limit:
            raise UserError(
                f"{name} takes {size:,} bytes, and the limit for all models is {self._limit:,}; raise it"
            )
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(name, state, size))
            place = self._places.setdefault(name, _Place(state, size))
            place.users += 1
            self._places.move_to_end(name)
            return place

    def _has_room(self, name: str, state: State, size: int) -> bool:
        """Say whether a model is there or there is room for it, once those that rest have gone."""
        place = self._places.get(name)
        if place is not None and place.state == state:
            return True
        if place is not None:  # it was trained again
            if place.users:
                return False
            del self._places[name]
        resting = [other for other, each in self._places.items() if not each.users]
        while self._is_full(size) and resting:
            del self._places[resting.pop(0)]
        return not self._is_full(size)

    def _is_full(self, size: int) -> bool:
        taken = sum(place.size for place in self._places.values())
        return self._limit is not None and taken + size > self._limit

    def _read(self, name: str) -> Translator:
        """Return a model with the weights that translate, and nothing of what only training needs."""
        model = load_translator(self._weights(name), self.experiment(name))
        model.networks = {each: model.networks[each].to(self._device) for each in model.shipped}
        model.optimizers = {}
        return model


def _translated(model: Translator, told: DomainArrays, to: str, seed: int) -> np.ndarray:
    """Return the image of the one face that is told of; dropout that stays on draws the same each time."""
    devices = [model.device()] if model.device().type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.inference_mode():
        torch.manual_seed(seed)
        inputs = model.inputs(told, np.zeros(1, np.int64))
        return to_images(model.translate(inputs.to(model.device()), to))[0]
