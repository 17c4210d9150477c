"""How much the numbers of an experiment vary from seed to seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from pipeline.evaluation.headlines import estimates

_LEVEL = 0.95
_DIGITS = 6


def over_seeds(metrics: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return, for each headline number of one translation, its mean and interval over the seeds.

    `metrics` are those of each seed. A number that fewer than 2 seeds have is left out.
    """
    headlines = [estimates(each) for each in metrics]
    names = dict.fromkeys(name for each in headlines for name in each)
    values = {name: [each[name].value for each in headlines if name in each] for name in names}
    return {name: interval(found) for name, found in values.items() if len(found) > 1}


def interval(values: Sequence[float]) -> dict[str, float]:
    """Return `mean`, `low`, `high` and `n` of at least 2 seeds' values: the 95% t-interval of the mean.

    mean ± t(0.975, n - 1) s / √n with the sample's deviation s: where the mean of ever more seeds would lie, supposing
    that they are normally distributed. That the test faces are a sample too is not in it.
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs at least 2 values, got {len(values)}")
    mean, count = float(np.mean(values)), len(values)
    reach = float(stats.t.ppf((1 + _LEVEL) / 2, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return {
        "mean": round(mean, _DIGITS),
        "low": round(mean - reach, _DIGITS),
        "high": round(mean + reach, _DIGITS),
        "n": count,
    }
