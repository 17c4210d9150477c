"""Numbers as people read them: as many digits as their intervals bear, and never one that is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.metrics.intervals import Estimate

_MOST_DECIMALS = 6
_NO_NUMBER = "no number"


def plain(value: float | None) -> str:
    """Return a number in at most 4 digits, a whole one in all of them."""
    if value is None or not math.isfinite(value):
        return _NO_NUMBER
    return str(int(value)) if value == int(value) else f"{value:.4g}"


def has_interval(estimate: Estimate) -> bool:
    """Say whether a number came with an interval: one without has its own value at both ends."""
    return all(map(math.isfinite, estimate)) and estimate.low < estimate.high


def rounded(estimate: Estimate) -> tuple[str, str]:
    """Return the value and its interval, both to the interval's second digit; no interval is an empty text."""
    if not has_interval(estimate):
        return plain(estimate.value), ""
    decimals = min(max(1 - math.floor(math.log10(estimate.high - estimate.low)), 0), _MOST_DECIMALS)
    value, low, high = (f"{number:z.{decimals}f}" for number in estimate)
    return value, f"{low} to {high}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return names as a sentence holds them: `a, b and c`, and how many more there are than `most`."""
    shown = [*names[:most], f"{len(names) - most} others"] if len(names) > most + 1 else list(names)
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""
