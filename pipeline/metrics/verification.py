"""Recognition: how often a face is given the right name (rank-1), and how well two faces of one person are told (ROC).

The intervals are over people: pictures of one person are alike, and so are the pairs that they are part of, so whole
people are drawn anew with all their pictures.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pipeline.metrics.identity import directions
from pipeline.metrics.intervals import Estimate, Interval, share_estimate
from pipeline.metrics.resampling import intervals_over_groups

_RANK_RESAMPLES = 1000
_ROC_RESAMPLES = 300
_EXAMPLE = "no two pictures of one person"


@dataclass(frozen=True)
class Pairs:
    """P comparisons of two pictures, the most alike first: how alike, whether of one person, and whose they are."""

    scores: np.ndarray
    genuine: np.ndarray
    first: np.ndarray
    second: np.ndarray
    people: int

    @cached_property
    def ends(self) -> np.ndarray:
        """The last pair of every score."""
        return np.append(np.flatnonzero(np.diff(self.scores)), len(self.scores) - 1)

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Every score, after one that no pair has."""
        return np.append(np.inf, self.scores[self.ends])

    @cached_property
    def genuine_until(self) -> np.ndarray:
        """How many genuine pairs each threshold accepts."""
        return np.append(0, np.cumsum(self.genuine)[self.ends])


class Roc(NamedTuple):
    """What is accepted at each threshold, from nothing to everything: shares of impostor and of genuine pairs."""

    thresholds: np.ndarray
    far: np.ndarray
    tar: np.ndarray


class Verification(NamedTuple):
    """The numbers by name, as metrics files have them, and why others have no value."""

    metrics: dict[str, Any]
    not_measured: dict[str, str]


def rank_1(
    scores: np.ndarray, labels: np.ndarray, people: Sequence[Hashable] | None, seed: int
) -> dict[str, Any]:
    """Return the share of N pictures whose own class has the highest of N×C scores, with an interval over people.

    `labels` are N numbers of classes, 0..C-1. `people` says whose the pictures are, where the classes are not the
    people themselves. A tie is a miss: who is as likely as somebody else is not recognised. Raises `ValueError`.
    """
    hits = recognised(scores, labels)
    _, person = np.unique(labels if people is None else _names(people, len(labels)), return_inverse=True)
    right, pictures = np.bincount(person, hits), np.bincount(person)
    share = float(hits.mean())
    [interval] = intervals_over_groups(
        len(pictures), lambda drawn: [float(drawn @ right / (drawn @ pictures))], seed, _RANK_RESAMPLES
    )
    return _estimate(share, interval, len(pictures)).as_dict() | {"of": len(hits), "people": len(pictures)}


def recognised(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each of N pictures whether its own class alone has the highest score, see `rank_1`."""
    if scores.ndim != 2 or scores.size == 0 or not np.isfinite(scores).all():
        raise ValueError(f"scores must be N×C, N >= 1, and finite, not of shape {scores.shape} or with NaN")
    if labels.shape != scores.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be {len(scores)} whole numbers, not {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels must lie in 0..{scores.shape[1] - 1}, got {labels.min()}..{labels.max()}")
    own = scores[np.arange(len(scores)), labels]
    return (scores >= own[:, None]).sum(axis=1) == 1


def pairs_among(embeddings: np.ndarray, people: Sequence[Hashable]) -> Pairs:
    """Return every pair of different pictures of N, compared by the cosine of their N×D embeddings."""
    known = directions(embeddings)
    names, person = np.unique(_names(people, len(known)), return_inverse=True)
    first, second = np.triu_indices(len(known), k=1)
    return pairs_of((known @ known.T)[first, second], person[first], person[second], len(names))


def pairs_between(
    probes: np.ndarray, people: Sequence[Hashable], gallery: np.ndarray, gallery_people: Sequence[Hashable]
) -> Pairs:
    """Return every pair of a probe and a picture of the gallery, such as NIR and VIS, compared by their cosine.

    Embeddings are N×D and M×D. Raises `ValueError`.
    """
    one, other = directions(probes), directions(gallery)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"embeddings need one length, not {one.shape[1]} and {other.shape[1]}")
    every = np.concatenate([_names(people, len(one)), _names(gallery_people, len(other))])
    names, person = np.unique(every, return_inverse=True)
    first, second = np.meshgrid(person[: len(one)], person[len(one) :], indexing="ij")
    return pairs_of((one @ other.T).ravel(), first.ravel(), second.ravel(), len(names))


def pairs_of(scores: np.ndarray, first: np.ndarray, second: np.ndarray, people: int) -> Pairs:
    """Return P comparisons of any kind: scores, higher for more alike, and whose the two are, 0..`people`-1."""
    order = np.argsort(-scores, kind="stable")
    return Pairs(scores[order], (first == second)[order], first[order], second[order], people)


def verification(pairs: Pairs, fars: Sequence[float], seed: int) -> Verification:
    """Return TAR at each of the FARs (by `tar_name`) and `eer`, with intervals over people, and the number of `pairs`.

    A FAR of less than one impostor pair has no TAR: it needs 1/FAR of them. Without genuine or without impostor pairs
    nothing has a value. Raises `ValueError` for a FAR that does not lie between 0 and 1.
    """
    if not all(0 < far < 1 for far in fars):
        raise ValueError(f"false accept rates lie between 0 and 1, got {list(fars)}")
    genuine = int(pairs.genuine.sum())
    impostor = len(pairs.genuine) - genuine
    if not genuine or not impostor:
        why = f"needs pairs of one person and of two, there are {genuine} and {impostor}"
        return Verification({}, dict.fromkeys([*map(tar_name, fars), "eer"], why))
    measured = [far for far in fars if impostor >= _needed(far)]
    missing = {
        tar_name(far): f"needs {_needed(far)} impostor pairs, there are {impostor}"
        for far in fars
        if far not in measured
    }
    counts = {"genuine": genuine, "impostor": impostor, "people": pairs.people}
    return Verification({"pairs": counts} | _estimates(pairs, measured, seed), missing)


def roc(pairs: Pairs, drawn: np.ndarray | None = None) -> Roc:
    """Return the ROC at every score that occurs; its first point accepts nothing.

    `drawn` says how often each person was drawn in a resample, once where it is None. A genuine pair counts as often
    as its person, an impostor pair as often as its two people meet; somebody drawn twice is not compared with
    himself. Rates are NaN where no such pair is left.
    """
    times = np.ones(pairs.people) if drawn is None else drawn.astype(np.float64)
    impostor = times[pairs.first] * times[pairs.second]
    impostor[pairs.genuine] = 0
    falsely = np.append(0, np.cumsum(impostor)[pairs.ends])
    rightly = np.append(0, np.cumsum(times[pairs.first[pairs.genuine]]))[pairs.genuine_until]
    with np.errstate(invalid="ignore"):
        return Roc(pairs.thresholds, falsely / falsely[-1], rightly / rightly[-1])


def tar_at(curve: Roc, far: float) -> float:
    """Return the TAR at the lowest threshold whose FAR is not above `far`: one that was reached, not interpolated."""
    return float(curve.tar[np.searchsorted(curve.far, far, side="right") - 1])


def equal_error_rate(curve: Roc) -> float:
    """Return the rate at which FAR and 1 - TAR are equal, on the straight line between the two points around it."""
    excess = curve.far - (1 - curve.tar)
    after = int(np.argmax(excess >= 0))
    part = excess[after - 1] / (excess[after - 1] - excess[after])
    return float(curve.far[after - 1] + part * (curve.far[after] - curve.far[after - 1]))


def tar_name(far: float) -> str:
    """Return how the TAR at a FAR is called in metrics: `tar_at_far_1e-3`."""
    digits, exponent = f"{far:e}".split("e")
    return f"tar_at_far_{float(digits):g}e{int(exponent)}"


def _needed(far: float) -> int:
    """Return how many impostor pairs it takes that one of them is this share."""
    return math.ceil(round(1 / far, 6))


def _estimates(pairs: Pairs, fars: Sequence[float], seed: int) -> dict[str, dict[str, float]]:
    def numbers(drawn: np.ndarray | None = None) -> list[float]:
        curve = roc(pairs, drawn)
        if np.isnan([curve.far, curve.tar]).any():
            return [np.nan] * (len(fars) + 1)
        return [*(tar_at(curve, far) for far in fars), equal_error_rate(curve)]

    intervals = intervals_over_groups(pairs.people, numbers, seed, _ROC_RESAMPLES)
    names = [*map(tar_name, fars), "eer"]
    return {
        name: _estimate(value, interval, pairs.people).as_dict()
        for name, value, interval in zip(names, numbers(), intervals, strict=True)
    }


def _estimate(share: float, interval: Interval, people: int) -> Estimate:
    """Return a share with its interval: Wilson's, over people, where no resample differs as all is right, or wrong."""
    if share in (0, 1) and interval.low == interval.high:
        return share_estimate(int(share) * people, people)
    return Estimate(share, *interval)


def _names(people: Sequence[Hashable], count: int) -> np.ndarray:
    """Return whose the pictures are, as an array that can be sorted."""
    if len(people) != count:
        raise ValueError(f"{count} pictures, but {len(people)} people")
    return np.array([str(person) for person in people])
