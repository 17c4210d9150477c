"""Precision and recall, density and coverage: are outputs where real images are, and the reverse?

A set's manifold is made of balls: around every image, as far as its k-th nearest other image of the same set.
Precision and recall are those of Kynkäänniemi et al. 2019, density and coverage those of Naeem et al. 2020.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.metrics.intervals import Estimate, mean_estimate, share_estimate
from pipeline.metrics.measurable import NotMeasurable

PRECISION_K = 3
DENSITY_K = 5
_ROWS = 1024
# Distances that differ by less are equal: a part of themselves, or, where they are nearly 0, of the features' length.
_ALIKE = 1e-9
_NOTHING = 1e-13


class PrecisionRecall(NamedTuple):
    """The share of outputs in the manifold of the real images, and of real images in that of the outputs."""

    precision: Estimate
    recall: Estimate


class DensityCoverage(NamedTuple):
    """Real balls that an output lies in, over k (may exceed 1); the share of real balls with an output in them."""

    density: Estimate
    coverage: Estimate


def precision_recall(outputs: np.ndarray, real: np.ndarray, k: int = PRECISION_K) -> PrecisionRecall:
    """Return precision and recall of M×D outputs against N×D real features, M, N > k.

    A point on the surface of a ball is in it. The intervals are over the images that are counted; the balls are
    given. Raises `NotMeasurable` for too few images, `ValueError` for other shapes, NaN and infinite features.
    """
    outputs, real = _checked(outputs, real, k)
    inside = _inside(outputs, real, _radii(real, k))
    recalled = _inside(real, outputs, _radii(outputs, k))
    return PrecisionRecall(_share(inside.balls > 0), _share(recalled.balls > 0))


def density_coverage(outputs: np.ndarray, real: np.ndarray, seed: int, k: int = DENSITY_K) -> DensityCoverage:
    """Return density and coverage of M×D outputs against N×D real features, M >= 1, N > k.

    A point on the surface of a ball is in it. The intervals are over the images that are counted, density's by a
    bootstrap of `seed`; the balls are given. Raises as `precision_recall` does.
    """
    outputs, real = _checked(outputs, real, k, few_outputs=True)
    inside = _inside(outputs, real, _radii(real, k))
    return DensityCoverage(mean_estimate(inside.balls / k, seed), _share(inside.points > 0))


class _Inside(NamedTuple):
    """How many balls each of M points is in, and how many points each of N balls holds."""

    balls: np.ndarray
    points: np.ndarray


def _inside(points: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> _Inside:
    balls, held = np.zeros(len(points), np.int64), np.zeros(len(centres), np.int64)
    reach = radii * (1 + _ALIKE) + _least(points, centres)
    for start in range(0, len(points), _ROWS):
        within = _squared_distances(points[start : start + _ROWS], centres) <= reach
        balls[start : start + len(within)] = within.sum(axis=1)
        held += within.sum(axis=0)
    return _Inside(balls, held)


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Return the squared distance of each of N samples from its k-th nearest other."""
    radii = np.empty(len(features))
    for start in range(0, len(features), _ROWS):
        squared = _squared_distances(features[start : start + _ROWS], features)
        places = np.arange(len(squared))
        squared[places, start + places] = -1  # itself is the nearest, whatever rounding says
        radii[start : start + len(squared)] = np.partition(squared, k, axis=1)[:, k]
    return radii


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    squared = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2 * (x @ y.T)
    return np.maximum(squared, 0, out=squared)


def _least(x: np.ndarray, y: np.ndarray) -> float:
    """Return what rounding can make of a squared distance of 0."""
    return _NOTHING * float(np.square(x).sum(axis=1).max() + np.square(y).sum(axis=1).max())


def _checked(
    outputs: np.ndarray, real: np.ndarray, k: int, few_outputs: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64 around the real mean, which makes the distances more exact."""
    if outputs.ndim != 2 or real.ndim != 2 or outputs.shape[1:] != real.shape[1:] or real.shape[1] == 0:
        raise ValueError(f"features must be M×D and N×D, not {outputs.shape} and {real.shape}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if len(real) <= k or len(outputs) < (1 if few_outputs else k + 1):
        raise NotMeasurable(f"{len(outputs)} outputs and {len(real)} real images: the {k} nearest need more")
    if not (np.isfinite(outputs).all() and np.isfinite(real).all()):
        raise ValueError("features must be finite; some are NaN or infinite")
    centre = real.mean(axis=0, dtype=np.float64)
    return outputs - centre, real - centre


def _share(hits: np.ndarray) -> Estimate:
    return share_estimate(int(hits.sum()), len(hits))
