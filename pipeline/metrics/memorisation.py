"""Memorisation: which outputs are suspected copies of training images, judged by how near honest images come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from pipeline.metrics.intervals import Estimate, share_estimate
from pipeline.metrics.nearest import Nearest

# Of honest images, so many are suspected where enough are known.
FALSE_RATE = 0.01
MIN_HELD_OUT = 5
# An honest image's closeness: this quantile of the held-out ones, of which most may be duplicates.
USUAL = 0.75
_DIGITS = 4


@dataclass(frozen=True)
class Memorisation:
    """Per output whether it is a suspected copy; `share` of all, beside that of the held-out images themselves.

    A high share of the held-out images says that the split leaks: duplicates lie on both of its sides.
    """

    outputs: Nearest
    held_out: Nearest
    threshold: float
    suspected: np.ndarray

    @property
    def share(self) -> Estimate:
        """The share of the outputs that are suspected, with its interval."""
        return share_estimate(int(self.suspected.sum()), len(self.suspected))

    @property
    def held_out_share(self) -> Estimate:
        """The same of the held-out real images, which nobody copied: what duplicates and chance make."""
        return share_estimate(
            int((self.held_out.closeness < self.threshold).sum()), len(self.held_out.closeness)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as metrics files hold it."""
        return {
            **self.share.as_dict(),
            "of": len(self.suspected),
            "held_out": {**self.held_out_share.as_dict(), "of": len(self.held_out.distances)},
            "median_distance": round(float(np.median(self.outputs.distances)), _DIGITS),
            "held_out_median_distance": round(float(np.median(self.held_out.distances)), _DIGITS),
            "threshold": round(self.threshold, _DIGITS),
        }


def memorisation(outputs: Nearest, held_out: Nearest) -> Memorisation:
    """Judge outputs by the training images nearest to them and to held-out real images of the same domain.

    A copy lies much nearer to one training image than to those around that one: its `closeness` is below a threshold
    drawn from the M held-out images. The closeness is judged, not the distance, because a soft or average face is near
    to every training image, and because copies that were blurred or compressed are found more often that way.

    The threshold is the larger of two. The k-th smallest closeness of the held-out images, k = ⌊0.01 (M + 1)⌋: an
    honest image, drawn as they were, lies below it with a probability of k / (M + 1), 1% at most, whatever the
    distribution. And half of their upper quartile, which stands in for the first where there are fewer than 99, or
    where duplicates of training images are among them. Below it lay up to 0.3% of photographs and up to 1.5% of
    drawings, some of them duplicates, in pixels and in a face embedding; in features of very few dimensions it is
    more. What it is here, the share of the held-out images says.

    Raises `ValueError` for fewer than 5 held-out images, and where three quarters of them are copies themselves: they
    do not show how near an honest image comes.
    """
    if len(outputs.closeness) == 0:
        raise ValueError("there are no outputs to judge")
    known = np.sort(held_out.closeness)
    if len(known) < MIN_HELD_OUT:
        raise ValueError(f"copies are judged by at least {MIN_HELD_OUT} held-out images, got {len(known)}")
    usual = float(np.quantile(known, USUAL))
    if not usual > 0:
        raise ValueError(
            "three quarters of the held-out images are in the training set; split the domain anew"
        )
    place = math.floor(FALSE_RATE * (len(known) + 1))
    threshold = max(usual / 2, float(known[place - 1]) if place else 0.0)
    return Memorisation(outputs, held_out, threshold, outputs.closeness < threshold)


@dataclass(frozen=True)
class Copy:
    """An output, the training image that it is most like, and its place among the outputs, most copy-like first."""

    output: int
    training: int
    rank: int


def worst_copies(found: Sequence[Nearest], count: int = 10) -> list[Copy]:
    """Return the `count` most copy-like of N outputs, each training image at most once.

    `found` has the nearest training images by several measures, features and pixels: the outputs are ordered by the
    sum of their ranks by closeness, and shown is the training image of the measure with the better rank (the first of
    equals).
    """
    ranks = np.array([rankdata(each.closeness, method="min") for each in found])
    order = np.argsort(ranks.sum(axis=0), kind="stable")
    best = ranks.argmin(axis=0)
    worst: list[Copy] = []
    for output in order.tolist():
        training = int(found[best[output]].indices[output])
        if training not in {copy.training for copy in worst}:
            worst.append(Copy(output, training, len(worst)))
        if len(worst) == count:
            break
    return worst
