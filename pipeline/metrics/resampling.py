"""Intervals of numbers whose parts belong together: whole groups, such as all pictures of a person, are drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.metrics.intervals import LEVEL, Interval


def intervals_over_groups(
    groups: int, statistics: Callable[[np.ndarray], Sequence[float]], seed: int, resamples: int
) -> list[Interval]:
    """Return the percentile interval of each of some statistics over bootstrap resamples of groups.

    `statistics` is told how often each of the groups was drawn, whole numbers that sum to their count; a NaN among
    what it returns is left out. Raises `ValueError` without any group, or where one has no value at all.
    """
    if groups < 1:
        raise ValueError("an interval needs at least 1 group")
    drawn = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    values = np.array([statistics(counts) for counts in drawn], np.float64)
    if np.isnan(values).all(axis=0).any():
        raise ValueError("a statistic has no value in any resample")
    edges = np.nanquantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    return [Interval(float(low), float(high)) for low, high in edges.T]
