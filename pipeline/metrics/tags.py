"""How well tags are found: average precision, decisions at a threshold, and what a constant answer gets.

Average precision is the mean of the precision at every face that has the tag, faces of one score counting together:
the area below the precision and recall curve without interpolation, as scikit-learn and torchmetrics have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.metrics.intervals import LEVEL, Estimate

_RESAMPLES = 1000
_CHUNK = 100


class Decisions(NamedTuple):
    """Shares from 0 to 1: of the faces given a tag those that have it, of those that have it the ones given it; F1."""

    precision: float
    recall: float
    f1: float


class TagEstimates(NamedTuple):
    """Average precision: the mean over all tags that can be measured, and each tag's; None for those that cannot."""

    mean: Estimate | None
    of_tag: list[Estimate | None]


def average_precision(scores: np.ndarray, right: np.ndarray) -> float:
    """Return the average precision of N scores; `right` is N truth values. NaN where nobody has the tag, or all do."""
    _require_finite(scores)
    return float(_counted(scores, right, np.ones((1, len(scores))))[0])


def average_precisions(scores: np.ndarray, right: np.ndarray, asked: np.ndarray, seed: int) -> TagEstimates:
    """Return estimates for T tags of N faces, with the bootstrap over faces; all three arrays are NxT.

    `asked` says of which faces a tag counts. A tag that none or all of these have is not measured.
    """
    _require_finite(scores)
    columns = [
        (scores[asked[:, tag], tag], right[asked[:, tag], tag].astype(bool)) for tag in range(scores.shape[1])
    ]
    values = np.array([average_precision(*column) for column in columns])
    measured = np.isfinite(values)
    drawn = np.full((_RESAMPLES, len(columns)), np.nan)
    for start, counts in _resampled(len(scores), seed):
        for tag in np.flatnonzero(measured):
            drawn[start : start + len(counts), tag] = _counted(*columns[tag], counts[:, asked[:, tag]])
    return TagEstimates(
        _estimate(values[measured].mean(), _mean_of_known(drawn[:, measured])) if measured.any() else None,
        [
            _estimate(value, drawn[:, tag]) if measured[tag] else None
            for tag, value in enumerate(values.tolist())
        ],
    )


def accuracy(decided: np.ndarray, right: np.ndarray, asked: np.ndarray, seed: int) -> Estimate:
    """Return the share of right decisions over all that are asked, with the bootstrap over faces; arrays are NxT."""
    if not asked.any():
        raise ValueError("accuracy needs at least one decision")
    hits = ((decided.astype(bool) == right.astype(bool)) & asked).sum(axis=1)
    of = asked.sum(axis=1)
    drawn = np.concatenate(
        [(counts @ hits) / np.maximum(counts @ of, 1) for _, counts in _resampled(len(hits), seed)]
    )
    return _estimate(hits.sum() / of.sum(), drawn)


def best_threshold(scores: np.ndarray, right: np.ndarray, least: int = 1) -> float | None:
    """Return the threshold with the best F1, half-way between two scores.

    None where fewer than `least` faces have the tag, or lack it.
    """
    right = right.astype(bool)
    if min(right.sum(), (~right).sum()) < least:
        return None
    order = np.argsort(-scores, kind="stable")
    sorted_scores, found = scores[order], np.cumsum(right[order])
    given = np.arange(1, len(scores) + 1)
    f1 = 2 * found / (given + right.sum())
    # A threshold cannot part faces of one score.
    f1[:-1][sorted_scores[:-1] == sorted_scores[1:]] = -1
    best = int(f1.argmax())
    return (
        float(sorted_scores[best : best + 2].mean()) if best + 1 < len(scores) else float(sorted_scores[best])
    )


def decisions(decided: np.ndarray, right: np.ndarray) -> Decisions:
    """Return precision, recall and F1 of N decisions; 0 where there is nothing to take a share of."""
    decided, right = decided.astype(bool), right.astype(bool)
    hits, given, having = int((decided & right).sum()), int(decided.sum()), int(right.sum())
    return Decisions(hits / max(given, 1), hits / max(having, 1), 2 * hits / max(given + having, 1))


def _counted(scores: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the average precision where face n is there `counts[r, n]` times, for each r; NaN if undefined."""
    order = np.argsort(-scores, kind="stable")
    weights = counts[:, order]
    having = weights * right[order].astype(np.float64)
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)[: len(scores)])
    found, given = having.cumsum(axis=1)[:, ends], weights.cumsum(axis=1)[:, ends]
    precision = np.divide(found, given, out=np.zeros_like(found), where=given > 0)
    total, all_given = having.sum(axis=1), weights.sum(axis=1)
    steps = np.diff(found, axis=1, prepend=0.0)
    is_known = (total > 0) & (total < all_given)
    return np.where(is_known, (steps * precision).sum(axis=1) / np.maximum(total, 1), np.nan)


def _resampled(count: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, in chunks, how often each of the faces is drawn in each resample, with the first resample's number."""
    random = np.random.default_rng(seed)
    for start in range(0, _RESAMPLES, _CHUNK):
        yield start, random.multinomial(count, np.full(count, 1 / count), size=_CHUNK).astype(np.float64)


def _mean_of_known(drawn: np.ndarray) -> np.ndarray:
    known = np.isfinite(drawn)
    return np.where(known, drawn, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    """Return the percentile interval, moved so that the resamples' mean lies at the value.

    A face that is drawn twice stands beside itself, which makes average precision better than it is.
    """
    known = drawn[np.isfinite(drawn)]
    if len(known) == 0:
        return Estimate(value, value, value)
    moved = known - known.mean() + value
    low, high = np.quantile(moved, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)).clip(0, 1)
    return Estimate(float(value), float(low), float(high))


def _require_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
