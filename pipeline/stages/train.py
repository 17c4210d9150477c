"""train@<experiment>: trains a method on its dataset, from where it was if it was interrupted."""

from __future__ import annotations

from pathlib import Path

from pipeline import cache
from pipeline.datasets.arrays import DATASETS
from pipeline.training.loop import train

MODELS = Path("models")


def run(experiment: str, accelerator: str) -> None:
    """Train one experiment.

    Its checkpoints lie outside of what DVC empties before a stage runs, under the hash of the dataset and of
    the code: a killed training goes on, a changed one starts anew.
    """
    dataset = DATASETS / experiment
    key = cache.result_key(cache.stage_key("train", {"experiment": experiment}), sorted(dataset.glob("*")))
    train(dataset, cache.CHECKPOINTS / key, MODELS / experiment, accelerator)
