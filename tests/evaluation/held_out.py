"""Tiny datasets with as many validation and test faces as a test says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from pipeline.datasets.arrays import PAIRS, Dataset, DomainArrays
from pipeline.experiments import read_experiment
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator, Way
from tests.methods.tiny_dataset import open_dataset

NAMES = {"r": "train", "v": "val", "t": "test"}
SIZE = 32


def held_out(folder: Path, method: str, splits: str = "rrrvvttt", **options: Any) -> Dataset:
    """Return a tiny dataset; `splits` has a letter for each face of each domain: r, v, t."""
    data = open_dataset(folder, method, count=len(splits), **options)
    return replace(data, domains={name: _split(arrays, splits) for name, arrays in data.domains.items()})


def _split(arrays: DomainArrays, splits: str) -> DomainArrays:
    place = arrays.rows.schema.get_field_index("split")
    column = pa.array([NAMES[letter] for letter in splits])
    return replace(arrays, rows=arrays.rows.set_column(place, "split", column))


def with_pairs(data: Dataset, pairs: list[tuple[int, int, str]]) -> Dataset:
    """Return the dataset with pairs: row in the first domain, row in the second, split."""
    rows = [{"source": source, "target": target, "split": split} for source, target, split in pairs]
    return replace(data, pairs=pa.Table.from_pylist(rows, PAIRS))


class Negative(Translator):
    """A method whose translation is the negative, so that every output is known; it goes the ways it is given."""

    shipped = ()

    def __init__(self, data: Dataset, *ways: Way) -> None:
        super().__init__(read_experiment(data.experiment))
        self._ways = ways

    def phases(self) -> Any:
        return ()

    def ways(self) -> Any:
        return self._ways

    def translate(self, inputs: Any, to: str) -> Any:
        return -inputs

    def sample_columns(self, inputs: Any) -> Any:
        return []


def negative(images: np.ndarray) -> np.ndarray:
    """Return what `Negative` makes of uint8 images."""
    return 255 - np.array(images)


def built(data: Dataset) -> Translator:
    """Return the dataset's method with fresh weights."""
    experiment = read_experiment(data.experiment)
    return TRANSLATORS[experiment.method](experiment, torch.Generator().manual_seed(0))
