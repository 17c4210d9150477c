"""train@<experiment>: trains a method on its dataset, from where it was if it was interrupted."""

from __future__ import annotations

from pathlib import Path

from pipeline import cache
from pipeline.datasets.arrays import DATASETS, EXPERIMENT_NAME, files_of, load_dataset
from pipeline.training.loop import train
from pipeline.training.session import Score

MODELS = Path("models")
STATUS = Path("logs/train")


def run(what: str, accelerator: str, devices: int, max_steps: int | None, score: Score) -> None:
    """Train an experiment by its name, or a dataset's folder from anywhere; its models go to models/<name>.

    The checkpoints lie outside of what DVC empties before a stage runs, under the hash of the dataset and of
    the code: a killed training goes on, a changed one starts anew.
    """
    given = Path(what)
    dataset = given if (given / EXPERIMENT_NAME).exists() else DATASETS / what
    name = str(load_dataset(dataset).experiment["name"])
    key = cache.result_key(cache.stage_key("train", {"experiment": name}), files_of(dataset))
    train(
        dataset,
        cache.CHECKPOINTS / key,
        MODELS / name,
        accelerator=accelerator,
        devices=devices,
        max_steps=max_steps,
        score=score,
        status=STATUS / f"{name}.json",
    )
