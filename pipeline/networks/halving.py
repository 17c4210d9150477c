"""The channels of maps on the way from an image to 4x4 places, halving by halving."""

from __future__ import annotations

from math import log2


def halved_channels(size_px: int, width: int, most: int) -> list[int]:
    """Return the channels of the maps with half of the side, a quarter, and so on down to 4.

    They double each time, up to `most` times `width`. `size_px` is a power of two from 8 on.
    """
    halvings = log2(size_px / 4)
    if halvings < 1 or not halvings.is_integer():
        raise ValueError(f"{size_px} pixels cannot be halved down to 4; give a power of two from 8 on")
    return [width * min(2**level, most) for level in range(int(halvings))]
