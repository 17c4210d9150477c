"""The trained models: which there are, which translate faces of a domain, and as many in memory as may be.

Any number of threads may ask. What a model translates and can be asked for is known without its weights, which are
read when it shall first translate. It answers one face at a time; where memory is short the models that rest the
longest go, and whoever asks for one more waits until another is free.
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
import safetensors
import torch

from pipeline.datasets.arrays import EXPERIMENT_NAME
from pipeline.datasets.conditions import to_images
from pipeline.errors import UserError
from pipeline.experiments import Experiment, read_experiment
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator, Way
from pipeline.methods.pix2pix import Pix2Pix
from pipeline.names import unknown_name
from pipeline.serve.controls import Chosen, Control, controls_of, inputs_of, refuse, translate_as_chosen
from pipeline.serve.looking import Face
from pipeline.serve.maps import Map, has_maps, maps_of
from pipeline.serve.one_face import arrays_of
from pipeline.serve.sizes import foretold_bytes, held_bytes, without_weights
from pipeline.training.checkpoints import load_translator

WEIGHTS = "weights"
State = tuple[tuple[str, int, int], ...]
_BY_ITSELF = Chosen()
# torch's own randomness is one for all threads: networks start by it, and dropout that stays on draws from it.
_RANDOMNESS = threading.Lock()


@dataclass(frozen=True)
class Answer:
    """What a model made of a face: SxSx3 uint8 RGB and the seconds it took, or the problem why there is nothing.

    `maps` say how it came to it, where they were asked for and the model has any.
    """

    experiment: str
    to: str
    image: np.ndarray | None
    seconds: float
    problem: str | None = None
    maps: tuple[Map, ...] = ()


@dataclass(frozen=True)
class _Known:
    """What is known of a model without its weights, as long as its files are these."""

    state: State
    ways: Sequence[Way]
    foretold_bytes: int


@dataclass
class _Place:
    """Memory that a model takes or is about to take, and how many threads use it or wait to."""

    state: State
    size: int
    users: int = 0
    is_counted: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)
    model: Translator | None = None


class Zoo:
    """The models below a folder that translate; `limit_bytes` is the most that they may hold together.

    Counted are all tensors of a model that can translate, of all devices. A model is foretold what it will take by
    its experiment, and counted after its first answer, since some read what they need as they go.
    """

    def __init__(self, folder: Path, device: torch.device, limit_bytes: int | None = None) -> None:
        self._folder = folder
        self._device = device
        self._limit = limit_bytes
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._experiments: dict[str, tuple[State, Experiment]] = {}
        self._known: dict[str, _Known] = {}
        self._counted: dict[str, tuple[State, int]] = {}
        self._changed = threading.Condition()

    def names(self) -> list[str]:
        """Return the experiments that have weights and translate; one that cannot be read is left out."""
        return [name for name in self._trained() if self._is_translator(name)]

    def experiment(self, name: str) -> Experiment:
        """Return what a model was trained as; `UserError` where it is not trained or not to be read."""
        path = self._folder / name / WEIGHTS / EXPERIMENT_NAME
        stamp = _stamp(path)
        known = self._experiments.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        if name not in self._trained():
            raise unknown_name(str(self._folder), name, "trained models", self._trained())
        try:
            experiment = read_experiment(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, UserError) as error:
            raise UserError(f"{path}: {error}; run the stage `train` again") from None
        self._experiments[name] = (stamp, experiment)
        return experiment

    def ways(self, name: str) -> Sequence[Way]:
        """Return what a model translates, what it is named for first.

        Raises `UserError` where its weights are missing or damaged; they are not read.
        """
        return self._know(name).ways

    def controls(self, name: str, to: str) -> tuple[Control, ...]:
        """Return what a model can be asked for on the way to a domain; `UserError` as of `ways`, or for no way."""
        self._check_way(name, None, to)
        return controls_of(self.experiment(name), to)

    def has_maps(self, name: str, to: str) -> bool:
        """Say whether a model has maps of the way to a domain; `UserError` as of `ways`, or for no way."""
        self._check_way(name, None, to)
        return has_maps(self.experiment(name), to)

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

    def translate(
        self,
        name: str,
        face: Face,
        of: str,
        to: str,
        chosen: Chosen = _BY_ITSELF,
        with_maps: bool = False,
    ) -> Answer:
        """Return what a model makes of an aligned face of the domain `of`; what fails is an answer with its problem.

        `chosen` is what is asked of it; what it cannot do is a problem too. `seconds` is the translation itself, from
        the arrays that it is told to the picture, without the maps.
        """
        try:
            experiment = self.experiment(name)
            self._check_way(name, of, to)
            refuse(chosen, controls_of(experiment, to), name)
            told = arrays_of(face, experiment, of)
            if experiment.needs_landmarks and not told.has_points()[0]:
                raise UserError(f"{name} needs the 68 landmarks, which are not known of this face")
            with self._borrowed(name) as model, _own_randomness(model, experiment.seeds[0], chosen):
                started = time.perf_counter()
                with torch.inference_mode():
                    inputs = inputs_of(model, told, chosen)
                    image = to_images(translate_as_chosen(model, inputs, to, chosen, experiment))[0]
                    seconds = time.perf_counter() - started
                    maps = maps_of(model, inputs, to) if with_maps else ()
                return Answer(name, to, image, seconds, maps=maps)
        except UserError as error:
            return Answer(name, to, None, 0.0, str(error))
        except Exception as error:  # a model that breaks must not take the others with it
            return Answer(name, to, None, 0.0, f"{type(error).__name__}: {error}")

    def _check_way(self, name: str, of: str | None, to: str) -> None:
        """Raise `UserError` where a model does not translate to a domain, from `of` or at all."""
        if all(way.to != to or of not in (None, way.of) for way in self.ways(name)):
            raise UserError(f"{name} does not translate {'' if of is None else f'{of} '}to {to}")

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
        return _stamp(*sorted(self._weights(name).glob("*.safetensors")))

    def _know(self, name: str) -> _Known:
        state = self._state(name)
        known = self._known.get(name)
        if known is None or known.state != state:
            experiment = self.experiment(name)
            with _RANDOMNESS:
                model = without_weights(experiment)
                size = foretold_bytes(model, experiment)
            for network in model.shipped:
                _check_file(self._weights(name) / f"{network}.safetensors")
            known = self._known[name] = _Known(state, model.ways(), size)
        return known

    @contextmanager
    def _borrowed(self, name: str) -> Iterator[Translator]:
        """Yield a model for this thread alone."""
        place = self._reserve(name)
        try:
            with place.turn:
                if place.model is None:
                    place.model = self._read(name)
                yield place.model
                if not place.is_counted:
                    place.size, place.is_counted = held_bytes(place.model), True
                    self._counted[name] = (place.state, place.size)
        finally:
            with self._changed:
                place.users -= 1
                if place.model is None and not place.users and self._places.get(name) is place:
                    del self._places[name]
                self._make_room()
                self._changed.notify_all()

    def _reserve(self, name: str) -> _Place:
        """Return a model's place, with room for it; wait until others are done where there is none."""
        state, size = self._state(name), self._size(name)
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

    def _size(self, name: str) -> int:
        """Return what a model held the last time it answered; what is foretold of one that never did."""
        known = self._know(name)
        state, size = self._counted.get(name, (None, 0))
        return size if state == known.state else known.foretold_bytes

    def _has_room(self, name: str, state: State, size: int) -> bool:
        """Say whether a model is there or there is room for it, once those that rest have gone."""
        place = self._places.get(name)
        if place is not None and place.state == state:
            return True
        if place is not None:  # it was trained again
            if place.users:
                return False
            del self._places[name]
        self._make_room(size)
        return not self._is_full(size)

    def _make_room(self, size: int = 0) -> None:
        """Let models that rest go, the longest first, until so many bytes are free or none rests."""
        resting = [name for name, each in self._places.items() if not each.users]
        while self._is_full(size) and resting:
            del self._places[resting.pop(0)]

    def _is_full(self, size: int) -> bool:
        taken = sum(place.size for place in self._places.values())
        return self._limit is not None and taken + size > self._limit

    def _read(self, name: str) -> Translator:
        """Return a model with the weights that translate, and nothing of what only training needs."""
        with _RANDOMNESS:
            model = load_translator(self._weights(name), self.experiment(name))
        model.networks = {each: model.networks[each].to(self._device) for each in model.shipped}
        model.optimizers = {}
        return model


def _stamp(*paths: Path) -> State:
    """Return what tells whether files have changed: names, sizes and times; nothing of those that are not there."""
    found = ((path.name, path.stat()) for path in paths if path.exists())
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in found)


def _check_file(path: Path) -> None:
    """Raise `UserError` for a file of weights that is missing or cut short; of its weights nothing is read."""
    remedy = "run the stage `train` again"
    try:
        with safetensors.safe_open(path, "pt"):
            pass
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {remedy}") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged: {error}; {remedy}") from None


@contextmanager
def _own_randomness(model: Translator, seed: int, chosen: Chosen) -> Iterator[None]:
    """Let dropout that stays on draw the same for the same seed; no other method draws from torch's randomness."""
    if not (isinstance(model, Pix2Pix) and model.options.test_dropout):
        yield
        return
    devices = [model.device()] if model.device().type == "cuda" else []
    with _RANDOMNESS, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed + (chosen.noise_seed or 0))
        yield
