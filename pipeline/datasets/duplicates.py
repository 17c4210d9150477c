"""Near-duplicate faces: clusters of perceptual hashes that differ in few bits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_BITS = 64


def cluster(hashes: Sequence[str], max_distance: int) -> np.ndarray:
    """Return a cluster number for each 64-bit hash (16 hexadecimal digits), chained over near pairs."""
    codes = np.array([int(digits, 16) for digits in hashes], np.uint64)
    first, second = _near_pairs(codes, max_distance)
    links = coo_array((np.ones(len(first)), (first, second)), shape=(len(codes), len(codes)))
    return connected_components(links, directed=False)[1]


def _near_pairs(codes: np.ndarray, max_distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of all pairs within the distance.

    Of `max_distance + 1` bands of bits, two near hashes share at least one, so only hashes that share a band
    are compared (Norouzi, Punjani and Fleet 2012).
    """
    edges = np.linspace(0, _BITS, max_distance + 2).astype(int)
    pairs = [_pairs_in_band(codes, *band, max_distance) for band in pairwise(edges)]
    return tuple(np.concatenate(side) for side in zip(*pairs, strict=True))  # type: ignore[return-value]


def _pairs_in_band(
    codes: np.ndarray, low: int, high: int, max_distance: int
) -> tuple[np.ndarray, np.ndarray]:
    band = (codes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.argsort(band, kind="stable")
    starts = (
        np.flatnonzero(np.r_[True, band[order][1:] != band[order][:-1]]) if len(codes) else np.array([], int)
    )
    firsts, seconds = [np.array([], int)], [np.array([], int)]
    for bucket in np.split(order, starts[1:]):
        for position, index in enumerate(bucket[:-1]):
            others = bucket[position + 1 :]
            near = others[np.bitwise_count(codes[others] ^ codes[index]) <= max_distance]
            firsts.append(np.full(len(near), index))
            seconds.append(near)
    return np.concatenate(firsts), np.concatenate(seconds)
