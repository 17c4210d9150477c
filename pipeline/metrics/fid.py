"""FID: the Fréchet distance of two sets of features, as if both were normally distributed (Heusel et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.metrics.measurable import NotMeasurable

# The rows that are taken in at a time where there are more samples than features.
_ROWS = 4096


@dataclass(frozen=True)
class Statistics:
    """What FID knows of a set: its `mean`, D float64, and a `root` of its covariance, K×D with root.T @ root = S.

    K is at most the number of samples and at most D. S is the sample covariance, with n - 1.
    """

    mean: np.ndarray
    root: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """The covariance, D×D."""
        return self.root.T @ self.root


def statistics(features: np.ndarray) -> Statistics:
    """Return the statistics of N×D features, N >= 2, which may lie on the disk.

    With N <= D the root is the centred features themselves; with more it is R of their QR factorisation, taken in
    pieces. Raises `NotMeasurable` for fewer than 2 samples, `ValueError` for NaN and infinite ones.
    """
    if features.ndim != 2 or features.shape[1] == 0:
        raise ValueError(f"FID needs features N×D, not of shape {features.shape}")
    if len(features) < 2:
        raise NotMeasurable(f"FID needs at least 2 images on each side, not {len(features)}")
    mean = np.mean(features, axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ValueError("FID needs finite features; some are NaN or infinite")
    root = np.empty((0, features.shape[1]))
    for start in range(0, len(features), _ROWS):
        root = np.concatenate([root, features[start : start + _ROWS] - mean])
        if len(root) > features.shape[1]:
            root = np.asarray(np.linalg.qr(root, mode="r"))
    return Statistics(np.asarray(mean), root / np.sqrt(len(features) - 1))


def from_covariance(mean: np.ndarray, covariance: np.ndarray) -> Statistics:
    """Return the statistics that a mean (D) and a covariance (D×D) are, as others publish them.

    What rounding has made negative of a covariance's spectrum counts as 0. Raises `ValueError` for other shapes and
    for NaN and infinite ones.
    """
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(f"a mean of D and a covariance of D×D, not {mean.shape} and {covariance.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("FID needs finite statistics; some are NaN or infinite")
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    return Statistics(mean.astype(np.float64), root)


def fid(features: np.ndarray, others: np.ndarray) -> float:
    """Return the FID of M×D and N×D features, M, N >= 2, as `fid_of` does of their statistics."""
    return fid_of(statistics(features), statistics(others))


def fid_of(one: Statistics, other: Statistics) -> float:
    """Return |m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½), from 0, for equal statistics, on.

    The trace of the root is the sum of the singular values (the nuclear norm) of R1 R2ᵀ, for roots R of S: exact
    where there are fewer samples than features too, for which a root of the singular product S1 S2 loses half of the
    digits, and fast, for that matrix has a row per sample. With few samples FID is biased: that of two sets of 1,000
    from one normal distribution in 2,048 dimensions is far from 0. Raises `ValueError` where the lengths differ.
    """
    if one.mean.shape != other.mean.shape:
        raise ValueError(f"FID compares features of one length, not {len(one.mean)} and {len(other.mean)}")
    apart = np.square(one.mean - other.mean).sum()
    spread = np.square(one.root).sum() + np.square(other.root).sum()
    common = np.linalg.svd(one.root @ other.root.T, compute_uv=False).sum()
    return max(0.0, float(apart + spread - 2 * common))
