"""Input use: whether outputs depend on what they were made of, and whether they are more than a copy of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from pipeline.metrics.intervals import mean_estimate, share_estimate
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.nearest import reduced
from pipeline.metrics.pairs import check_pairs
from pipeline.metrics.regional_change import ratio_estimate

_FEWEST = 2
# Distances of equal pictures differ in the last digits.
_ROUNDING = 1e-9


def own_input_nearest(inputs: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
    """Return the share of outputs to which, of all inputs, their own is the nearest, with Wilson's interval.

    Both are N×H×W×3 uint8, N >= 2. Compared are deviations: what all inputs have in common is taken off them, and what
    all outputs have in common off those, so that another style does not count. The distance is the root mean square of
    32x32 reductions. A model that ignores its input gets about `chance`, 1/N; one that hardly looks at it not much
    more, for its outputs hardly differ and are all nearest to the most usual input. `p_of_chance` is how probable so
    large a share would be if the inputs were ignored; `spread` is how much outputs differ from each other as a part of
    how much inputs do: 0 where all are the same. Raises `NotMeasurable` of a single picture.
    """
    check_pairs(outputs, inputs)
    count = len(inputs)
    if count < _FEWEST:
        raise NotMeasurable("a single test face is always the nearest")
    made, given = _deviations(outputs), _deviations(inputs)
    # |made|² is the same for every input.
    distances = np.square(given).sum(axis=1) - 2 * made @ given.T
    least = distances.min(axis=1)
    near = distances.diagonal() <= least + _ROUNDING * np.abs(distances).max(axis=1)
    hits = int(near.sum())
    return share_estimate(hits, count).as_dict() | {
        "of": count,
        "chance": round(1 / count, 4),
        "p_of_chance": round(float(stats.binomtest(hits, count, 1 / count, alternative="greater").pvalue), 4),
        "spread": _spread(made, given),
    }


def change(inputs: np.ndarray, outputs: np.ndarray, seed: int) -> dict[str, float]:
    """Return the mean |Δ| (0 to 255) of N×H×W×3 uint8 outputs to their inputs, with its interval; 0 for copies."""
    return mean_estimate(differences(inputs, outputs), seed).as_dict()


def relative_change(
    inputs: np.ndarray, outputs: np.ndarray, truth: np.ndarray, seed: int
) -> dict[str, float]:
    """Return how much outputs differ from their inputs, as a part of how much the truth does, with its interval.

    All are N×H×W×3 uint8. 0 for a model that copies its input, 1 for one that changes as much as should change; above
    it, more. Says how much and not what. Raises `NotMeasurable` where the truth is the input.
    """
    should = differences(inputs, truth)
    if not should.any():
        raise NotMeasurable("what the output should be is the input itself")
    return ratio_estimate(differences(inputs, outputs), should, seed).as_dict()


def differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean |Δ| of each of N pairs of H×W×3 uint8 pictures, 0 to 255."""
    check_pairs(one, other)
    return np.array([np.abs(a.astype(np.int16) - b).mean() for a, b in zip(one, other, strict=True)])


def _spread(made: np.ndarray, given: np.ndarray) -> float | None:
    of_inputs = np.linalg.norm(given)
    return round(float(np.linalg.norm(made) / of_inputs), 4) if of_inputs else None


def _deviations(pictures: np.ndarray) -> np.ndarray:
    small = reduced(pictures, np.arange(len(pictures))).reshape(len(pictures), -1).astype(np.float64)
    return small - small.mean(axis=0)
