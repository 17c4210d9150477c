"""One aligned face as the arrays of a dataset, so that a method is told of it what it was told in training."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline import parts
from pipeline.datasets.arrays import ROWS, DomainArrays
from pipeline.datasets.crops import prepare, reduce
from pipeline.datasets.selection import points_in_crops
from pipeline.experiments import Experiment
from pipeline.experiments.common import Preprocess
from pipeline.serve.looking import Face

_IN_CROPS = ("points_68", "matrix", "size_px")


def arrays_of(face: Face, experiment: Experiment, domain: str) -> DomainArrays:
    """Return the face as the stage `dataset` would write it for an experiment, as the only one of its domain.

    Which labels it has is unknown: each is 0. Raises `ValueError` for a face without a crop.
    """
    if face.crop is None:
        raise ValueError(f"{face.row['face_id']} has no crop: {face.reason}")
    known = {name: value for name, value in face.row.items() if name in ROWS.names}
    own = {"weight": 1.0, "labels": [0] * len(experiment.labels)}
    crops = pa.schema([parts.FACES.field(name) for name in _IN_CROPS])
    table = pa.Table.from_pylist([{name: face.row[name] for name in _IN_CROPS}], crops)
    return DomainArrays(
        images=image_of(face.crop, experiment, domain)[None],
        points=points_in_crops(table, experiment.size_px),
        rows=pa.Table.from_pylist([dict.fromkeys(ROWS.names) | known | own], ROWS),
    )


def image_of(crop: np.ndarray, experiment: Experiment, domain: str) -> np.ndarray:
    """Return an aligned crop, uint8 RGB, as an experiment sees faces of a domain: prepared, and of its size."""
    prepared = prepare(crop, experiment.preprocess.get(domain, Preprocess()))
    return reduce(prepared, experiment.size_px)
