"""Which pairs a grid of samples shows."""

from __future__ import annotations

import numpy as np

from pipeline.datasets.arrays import Dataset


def validation_pairs(dataset: Dataset, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the first pairs of the validation split lie in the source and in the target.

    They are the training split's where there is no pair for validation. Raises `ValueError` without any pairs.
    """
    if dataset.pairs is None:
        raise ValueError("the dataset has no pairs")
    split = dataset.pairs["split"].to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(split == ("val" if "val" in split else "train"))[:count]
    source, target = (dataset.pairs[role].to_numpy()[rows] for role in ("source", "target"))
    return source, target
