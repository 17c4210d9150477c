"""What became of a claim: a figure with its interval, and whether that says that the claim holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.evaluation.seeds import interval
from pipeline.metrics.intervals import Estimate

Expected = Literal["above 0", "below 0"]
Verdict = Literal["holds", "does not", "undecided at this size", "not measured"]


class NotMeasured(Exception):
    """Something that a claim's experiment needs is missing; the message says what, and how to get it."""


@dataclass(frozen=True)
class Finding:
    """One measure of a claim.

    `figure` is the difference, or the number, that the verdict rests on, with its 95% interval; `sides` are the means
    of what was compared, by name; `over` says what the interval is over.
    """

    measure: str
    verdict: Verdict
    figure: Estimate | None = None
    sides: dict[str, float] | None = None
    over: str = ""
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        figure = None if self.figure is None else self.figure.as_dict(digits=6)
        return vars(self) | {"figure": figure}


def decide(figure: Estimate, expected: Expected) -> Verdict:
    """Return what an interval says of a number that is claimed to lie above, or below, 0.

    It holds only if the whole interval lies on the claimed side, and does not hold only if all of it lies on the other.
    """
    low, high = (figure.low, figure.high) if expected == "above 0" else (-figure.high, -figure.low)
    if low > 0:
        return "holds"
    return "does not" if high < 0 else "undecided at this size"


def over_seeds(values: Sequence[float]) -> Estimate:
    """Return the mean of one number per seed, with its t-interval; two seeds are the fewest that have one."""
    found = interval(values)
    return Estimate(found["mean"], found["low"], found["high"])


def compare(measure: str, expected: Expected, **sides: Sequence[float]) -> Finding:
    """Return the finding on the first of two sides minus the second, seed by seed.

    Each side has one number per seed, in the same order: trainings of one seed begin alike and see the same images.
    """
    (first, ones), (second, others) = sides.items()
    figure = over_seeds([one - other for one, other in zip(ones, others, strict=True)])
    means = {first: sum(ones) / len(ones), second: sum(others) / len(others)}
    return Finding(measure, decide(figure, expected), figure, means, f"{len(ones)} seeds, t")


def missing(measure: str, reason: str) -> Finding:
    """Return the finding of what could not be measured."""
    return Finding(measure, "not measured", reason=reason)
