"""The arms of a comparison: one dataset and one set of options each, trained from every seed, and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from pipeline.claims.lab import Lab, empty, note
from pipeline.claims.verdicts import NotMeasured
from pipeline.datasets.arrays import EXPERIMENT_NAME, Dataset, files_of, load_dataset
from pipeline.evaluation.translations import translate_faces
from pipeline.experiments import Experiment, as_dict, read_experiment
from pipeline.methods.base import Method, Translator
from pipeline.parts import content_hash, link, write_json
from pipeline.training.checkpoints import load_translator, load_weights
from pipeline.training.loop import WEIGHTS, train
from pipeline.training.reproducible import reproducible
from pipeline.training.session import Diverged

_TRAINED_BY = ("methods", "networks", "training", "datasets/loading.py", "datasets/conditions.py")
_MEASURED_BY = ("claims", "metrics", "evaluation")
AnyMethod = TypeVar("AnyMethod", bound=Method)


@dataclass(frozen=True)
class Arm:
    """A variant: the folder of a dataset's arrays, and the options of the experiment on it."""

    arrays: Path
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """An arm trained from one seed; `diverged` says how its losses exploded, if they did."""

    place: Path
    dataset: Dataset
    experiment: Experiment
    seed: int
    diverged: str | None

    @property
    def dataset_folder(self) -> Path:
        """Where the arrays lie, with those that only the measures know of."""
        return self.place / "dataset"

    def method(self) -> Translator:
        """Return the method with its weights; raise `NotMeasured` where the training diverged."""
        return load_translator(self.weights, self.experiment)

    def method_of(self, kind: type[AnyMethod]) -> AnyMethod:
        """Return the method, which is of this kind, with its weights; raise as `method` does."""
        method = load_weights(self.weights, self.experiment)
        if not isinstance(method, kind):
            raise TypeError(f"{self.place} holds a {type(method).__name__}, not a {kind.__name__}")
        return method

    @property
    def weights(self) -> Path:
        """The folder of the weights; raise `NotMeasured` where the training diverged."""
        if self.diverged:
            raise NotMeasured(f"the training diverged: {self.diverged}")
        return self.place / WEIGHTS / f"seed-{self.seed}"

    def outputs(self, of: str, to: str, split: str = "test") -> np.ndarray:
        """Return the faces of a split of one domain as N×S×S×3 uint8 images of the other."""
        method, domain = self.method(), self.dataset.domains[of]
        with reproducible(torch.device("cpu")), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return translate_faces(method, domain, domain.indices(split), to)


Measure = Callable[[Trained], Mapping[str, float]]


def trained(lab: Lab, arm: Arm, seed: int) -> Trained:
    """Return an arm trained from a seed: from its last checkpoint on, or as it was finished before."""
    experiment = read_experiment({**arm.options, "seeds": [seed]})
    hashes = [content_hash(path) for path in files_of(arm.arrays)]
    what = {"experiment": as_dict(experiment), "arrays": hashes}

    def make(place: Path) -> dict[str, Any]:
        dataset = empty(place / "dataset")
        for path in files_of(arm.arrays):
            link(path, dataset / path.relative_to(arm.arrays))
        write_json(dataset / EXPERIMENT_NAME, {"name": place.name, **as_dict(experiment)})
        try:
            train(dataset, place / "checkpoints", place)
        except Diverged as error:
            return {**what, "diverged": str(error)}
        return {**what, "diverged": None}

    place = lab.once("trainings", what, _TRAINED_BY, make)
    return Trained(place, load_dataset(place / "dataset"), experiment, seed, note(place)["diverged"])


def measured(
    lab: Lab, arm: Arm | Callable[[int], Arm], name: str, measure: Measure
) -> dict[str, list[float]]:
    """Return the numbers of an arm by name, one of each seed; those that a seed lacks are left out.

    An arm whose data are another seed's in each is a function of the seed.
    `name` says which measure it is: what was measured of a training before is read, not measured again.
    """
    of_seeds: list[dict[str, float]] = []
    for seed in lab.effort.seeds:
        training = trained(lab, arm if isinstance(arm, Arm) else arm(seed), seed)
        what = {"training": training.place.name, "measure": name}
        of_seeds.append(note(lab.once("measured", what, _MEASURED_BY, _noting(measure, training))))
    common = [number for number in of_seeds[0] if all(number in one for one in of_seeds)]
    return {number: [one[number] for one in of_seeds] for number in common}


def _noting(measure: Measure, training: Trained) -> Callable[[Path], dict[str, float]]:
    return lambda _: dict(measure(training))
