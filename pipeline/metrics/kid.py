"""KID: the unbiased squared MMD of two sets of features under a cubic kernel (Bińkowski et al. 2018)."""

from __future__ import annotations

import numpy as np

from pipeline.metrics.intervals import LEVEL, Interval


def kid(features: np.ndarray, others: np.ndarray) -> float:
    """Return the KID of M×D and N×D features, M, N >= 2; 0 in expectation for equal distributions.

    mean of k(x, x') over pairs x ≠ x' + mean of k(y, y') over pairs y ≠ y' - 2 mean of k(x, y), with
    k(x, y) = (x·y / D + 1)³: the whole U-statistic, no random subsets. Unbiased, so it may be negative; that
    of a set with itself is, for the cross term then holds each sample's pair with itself.
    """
    within, within_others, between = _kernels(features, others)
    counts, other_counts = np.ones((1, len(features))), np.ones((1, len(others)))
    return float(_weighted_kid(within, within_others, between, counts, other_counts)[0])


def kid_interval(
    features: np.ndarray, others: np.ndarray, seed: int, resamples: int = 300, level: float = LEVEL
) -> Interval:
    """Return the percentile interval of `kid` over bootstrap resamples of both sets.

    A resample weighs each sample by how often it was drawn; a sample's pairs with its own copies are left
    out, for they would pull the resampled value away from the estimate. Where the two distributions are the
    same, the interval is wider than it says.
    """
    within, within_others, between = _kernels(features, others)
    random = np.random.default_rng(seed)
    counts, other_counts = (_bootstrap_counts(random, len(x), resamples) for x in (features, others))
    values = _weighted_kid(within, within_others, between, counts, other_counts)
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high))


def _kernels(features: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return k within each set, with zeros for a sample and itself, and k between the sets."""
    x, y = _checked(features), _checked(others)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"KID compares features of one length, not {x.shape[1]} and {y.shape[1]}")
    within, within_others = _cubic(x, x), _cubic(y, y)
    np.fill_diagonal(within, 0)
    np.fill_diagonal(within_others, 0)
    return within, within_others, _cubic(x, y)


def _checked(features: np.ndarray) -> np.ndarray:
    if features.ndim != 2 or len(features) < 2 or features.shape[1] == 0:
        raise ValueError(f"KID needs at least 2 samples on each side, N×D, not shape {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("KID needs finite features; some are NaN or infinite")
    return features.astype(np.float64)


def _cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _bootstrap_counts(random: np.random.Generator, size: int, resamples: int) -> np.ndarray:
    """Return how often each of `size` samples is drawn, resamples×size, two different ones at least."""
    counts = random.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)
    one_only = counts.max(axis=1) == size
    counts[one_only] = 1
    return counts


def _weighted_kid(
    within: np.ndarray,
    within_others: np.ndarray,
    between: np.ndarray,
    counts: np.ndarray,
    other_counts: np.ndarray,
) -> np.ndarray:
    """Return the KID of each row of counts (R×M, R×N), every pair weighted by the product of its counts."""
    cross = ((counts @ between) * other_counts).sum(axis=1)
    cross /= counts.sum(axis=1) * other_counts.sum(axis=1)
    return _pair_mean(within, counts) + _pair_mean(within_others, other_counts) - 2 * cross


def _pair_mean(kernel: np.ndarray, counts: np.ndarray) -> np.ndarray:
    pairs = counts.sum(axis=1) ** 2 - np.square(counts).sum(axis=1)
    return ((counts @ kernel) * counts).sum(axis=1) / pairs
