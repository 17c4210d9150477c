"""Near-duplicate faces: clusters of perceptual hashes that differ in few bits, for a million of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_BITS = 64
# A hash is compared with at most so many of those that share a key with it.
REACH = 2000
# A cluster of more distinct hashes than this may be a chain of look-alikes; by this distance faces do not chain.
LARGEST = 256
_NEVER_CHAINS = 2
# So many pairs are gathered before they are merged: this bounds the memory.
_PAIRS_AT_HAND = 1_000_000


@dataclass(frozen=True)
class Clusters:
    """`numbers`: the cluster of each hash, counted from 0 in the order of first appearance.

    `crowded`: how many distinct hashes shared a key with more than `REACH` that follow, so that not all of those were
    compared by that key; `cut`: how many were in chains of more than `LARGEST`, which were cut up.
    """

    numbers: np.ndarray
    crowded: int
    cut: int


def cluster(hashes: Sequence[str], max_distance: int) -> Clusters:
    """Return a cluster for each 64-bit hash (16 hexadecimal digits), chained over pairs within the distance.

    The same hashes are always one cluster. The bits are dealt into `max_distance + 2` bands: two near hashes have at
    least two whole bands in common, so only hashes that share two bands are compared (as Norouzi, Punjani and Fleet
    2012 do with one). Where blank frames or logos crowd such a key, its hashes are sorted and each is compared
    with the `REACH` that follow: a pair is missed only if it lies further apart in all the keys that it shares, and no
    third hash links it. Among very many faces, chance look-alikes chain up: clusters of more than `LARGEST` distinct
    hashes are clustered again by a distance smaller by two, as often as needed but not below two, so that blank frames
    stay together; of such a chain, true copies further apart than that are missed.
    """
    codes = np.array([int(digits, 16) for digits in hashes], np.uint64)
    distinct, members = np.unique(codes, return_inverse=True)
    labels, crowded = _chained(distinct, max_distance)
    cut = np.zeros(len(distinct), bool)
    while (
        max_distance > _NEVER_CHAINS and (large := np.flatnonzero(np.bincount(labels)[labels] > LARGEST)).size
    ):
        max_distance = max(max_distance - 2, _NEVER_CHAINS)
        cut[large] = True
        labels[large] = len(distinct) + _chained(distinct[large], max_distance)[0]
        labels = np.unique(labels, return_inverse=True)[1]
    return Clusters(_numbered(labels[members]), int(crowded.sum()), int(cut.sum()))


def _chained(codes: np.ndarray, max_distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster of each of several distinct codes, and which of them are crowded."""
    labels = np.arange(len(codes))
    crowded = np.zeros(len(codes), bool)
    for key in _keys(codes, max_distance):
        order = np.lexsort((codes, key))
        near = _Pairs(labels)
        crowd = _compare(codes[order], key[order], order, max_distance, near)
        crowded[order[crowd]] = True
        labels = near.merged()
    return labels, crowded


def _keys(codes: np.ndarray, max_distance: int) -> Iterator[np.ndarray]:
    """Yield each two bands of the codes as one number.

    Aligned faces are alike in many bits: they are dealt out by how evenly they are set, so that all bands tell as much.
    """
    bits = np.arange(_BITS, dtype=np.uint64)
    evenness = [abs(float((codes >> bit & np.uint64(1)).mean()) - 0.5) if len(codes) else 0 for bit in bits]
    dealt = np.argsort(evenness, kind="stable")
    count = max_distance + 2
    masks = [np.bitwise_or.reduce(np.uint64(1) << bits[dealt[band::count]]) for band in range(count)]
    for first, second in combinations(masks, 2):
        yield codes & (first | second)


class _Pairs:
    """Near pairs on their way into the clusters."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self._sides: list[tuple[np.ndarray, np.ndarray]] = []
        self._held = 0

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """Take pairs of indices; those of one cluster already are of no use."""
        apart = self.labels[first] != self.labels[second]
        if apart.any():
            self._sides.append((first[apart], second[apart]))
            self._held += int(apart.sum())
        if self._held > _PAIRS_AT_HAND:
            self.merged()

    def merged(self) -> np.ndarray:
        """Return the cluster of each code when all pairs are one."""
        if self._sides:
            first, second = (self.labels[np.concatenate(side)] for side in zip(*self._sides, strict=True))
            graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(self.labels),) * 2)
            self.labels = connected_components(graph, directed=False)[1][self.labels]
            self._sides, self._held = [], 0
        return self.labels


def _compare(
    codes: np.ndarray, keys: np.ndarray, places: np.ndarray, max_distance: int, near: _Pairs
) -> np.ndarray:
    """Compare codes sorted by key with those that follow and share it; return which have more than `REACH` of these.

    All codes are compared with the next, then those that still share a key with the one after it, and so on.
    """
    left = np.arange(len(codes))
    for step in range(1, REACH + 2):
        left = left[: np.searchsorted(left, len(codes) - step)]
        left = left[keys[left] == keys[left + step]]
        if step > REACH or not len(left):
            break
        close = left[np.bitwise_count(codes[left] ^ codes[left + step]) <= max_distance]
        near.add(places[close], places[close + step])
    return left


def _numbered(labels: np.ndarray) -> np.ndarray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
