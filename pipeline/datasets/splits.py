"""Train, validation and test: a face's split is a hash of whom it shows, so nothing moves as data grows."""

from __future__ import annotations

import hashlib


def split_of(group: str, val: float, test: float) -> str:
    """Return `train`, `val` or `test` for all faces of one group (a subject, a pair, a page or an image)."""
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    if place < test:
        return "test"
    return "val" if place < test + val else "train"
