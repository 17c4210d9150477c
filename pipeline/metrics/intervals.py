"""How sure a number is: estimates with their 95% intervals, over the images that were measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
_RESAMPLES = 1000
_CHUNK = 100


class Interval(NamedTuple):
    """Where a number lies with a probability of 95%."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A number and its 95% interval."""

    value: float
    low: float
    high: float

    def as_dict(self, digits: int = 4) -> dict[str, float]:
        """Return it as metrics files hold it, rounded."""
        return {name: round(float(number), digits) for name, number in self._asdict().items()}


def mean_estimate(values: Sequence[float] | np.ndarray, seed: int) -> Estimate:
    """Return the mean of N >= 1 finite values with the percentile interval of the bootstrap; raise `ValueError`."""
    return _bootstrapped(values, seed, lambda drawn: drawn.mean(axis=-1))


def median_estimate(values: Sequence[float] | np.ndarray, seed: int) -> Estimate:
    """Return the median of N >= 1 finite values with the percentile interval of the bootstrap; raise `ValueError`."""
    return _bootstrapped(values, seed, lambda drawn: np.median(drawn, axis=-1))


def share_estimate(hits: int, of: int) -> Estimate:
    """Return the share of `hits` among `of` >= 1 with Wilson's score interval; raise `ValueError`."""
    if not 0 <= hits <= of or of < 1:
        raise ValueError(f"a share needs 0 <= hits <= of and of >= 1, got {hits} of {of}")
    interval = stats.binomtest(hits, of).proportion_ci(LEVEL, method="wilson")
    return Estimate(hits / of, float(interval.low), float(interval.high))


def _bootstrapped(
    values: Sequence[float] | np.ndarray, seed: int, statistic: Callable[[np.ndarray], np.ndarray]
) -> Estimate:
    """Return a statistic of the values; a single one is its own interval."""
    known = np.asarray(values, np.float64)
    if known.ndim != 1 or len(known) == 0 or not np.isfinite(known).all():
        raise ValueError(f"an estimate needs at least 1 value, all finite, got {known}")
    random = np.random.default_rng(seed)
    drawn = [
        statistic(known[random.integers(len(known), size=(_CHUNK, len(known)))])
        for _ in range(_RESAMPLES // _CHUNK)
    ]
    low, high = np.quantile(np.concatenate(drawn), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(float(statistic(known)), float(low), float(high))
