"""Identity: how alike the embeddings of a face are before and after a translation."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.metrics.intervals import mean_estimate


def cosines(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the cosine of each face's N×D embeddings before and after: N values in -1..1, 1 for the same direction."""
    one, other = _directions(before, after)
    return (one * other).sum(axis=1)


def identity(before: np.ndarray, after: np.ndarray, seed: int) -> dict[str, Any]:
    """Return the mean cosine, `value`, with its interval over images, `low` and `high`, and that of `others`.

    `others` is the mean cosine of each output with the other inputs, None of one image alone. Embeddings of faces
    have much in common (dlib's: 0.92 between strangers), so a value means nothing but in comparison with it.
    """
    one, other = _directions(before, after)
    between = one @ other.T
    count = len(between)
    others = (
        None if count == 1 else round(float((between.sum() - between.trace()) / (count * (count - 1))), 4)
    )
    return mean_estimate(between.diagonal(), seed).as_dict() | {"others": others}


def _directions(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if before.shape != after.shape:
        raise ValueError(f"embeddings before and after need one shape, not {before.shape} and {after.shape}")
    return directions(before), directions(after)


def directions(embeddings: np.ndarray) -> np.ndarray:
    """Return N×D embeddings at length 1, as float64; raise `ValueError` unless N >= 1 and all are finite and not 0."""
    if embeddings.ndim != 2 or embeddings.size == 0 or not np.isfinite(embeddings).all():
        raise ValueError(
            f"embeddings must be N×D, N >= 1, and finite, not of shape {embeddings.shape} or with NaN"
        )
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError("an embedding of length 0 has no direction")
    return embeddings / lengths
