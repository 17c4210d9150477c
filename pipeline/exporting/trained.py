"""A trained experiment as it lies on the disk: its options, its weights, and the dataset that it learnt from."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.arrays import DATASETS, EXPERIMENT_NAME, Dataset, load_dataset
from pipeline.errors import UserError
from pipeline.experiments import Experiment, read_experiment
from pipeline.methods.base import Translator
from pipeline.names import unknown_name
from pipeline.report.measured import MODELS
from pipeline.training.checkpoints import load_translator


@dataclass(frozen=True)
class Trained:
    """What an export is made of; of several seeds the first, which is the one that samples and figures show."""

    name: str
    experiment: Experiment
    dataset: Dataset
    method: Translator

    @property
    def seed(self) -> int:
        """The seed that is exported."""
        return self.experiment.seeds[0]

    def weights(self) -> list[Path]:
        """Return the files of the shipped networks."""
        folder = MODELS / self.name / "weights" / f"seed-{self.seed}"
        return [folder / f"{name}.safetensors" for name in self.method.shipped]

    def steps_done(self) -> int | None:
        """Return how many steps the curves show, which are fewer than planned where a training was cut short."""
        curves = sorted((MODELS / self.name / "curves").glob("*.tsv"))
        return max(filter(None, map(_last_step, curves)), default=None)


def find_trained(name: str) -> Trained:
    """Return a trained experiment; raise `UserError` where it is none, translates nothing, or was changed since."""
    known = sorted(path.parent.parent.name for path in MODELS.glob(f"*/weights/{EXPERIMENT_NAME}"))
    if name not in known:
        problem = unknown_name(str(MODELS), name, "trained experiments", known)
        raise UserError(f"{problem}; `dvc repro train@{name}` trains one of params.yaml")
    described = MODELS / name / "weights" / EXPERIMENT_NAME
    experiment = read_experiment(json.loads(described.read_text(encoding="utf-8")))
    dataset = load_dataset(DATASETS / name)
    if read_experiment(dataset.experiment) != experiment:
        raise UserError(
            f"{DATASETS / name} is of other options than {described}; `dvc repro train@{name}` trains with them"
        )
    method = load_translator(described.parent / f"seed-{experiment.seeds[0]}", experiment)
    return Trained(name, experiment, dataset, method)


def _last_step(curve: Path) -> int | None:
    with curve.open(newline="", encoding="utf-8") as file:
        steps = [row["step"] for row in csv.DictReader(file, delimiter="\t")]
    return int(steps[-1]) if steps else None
