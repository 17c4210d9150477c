"""How large the claims' experiments are: small enough for a CPU, or as large as a GPU allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """One size for all claims; a claim takes multiples of it where its subject needs more.

    `size_px` and `large_px`: the sides of images, and of those in which small things must be seen; `steps` and
    `large_steps` of a training on them with one image each; `seeds`, one training each; `pictures` that are rendered
    of each style, at `picture_px`; `width` and `blocks` of generators; `photographs`: the most that are taken of a
    folder, all by default.
    """

    name: str
    size_px: int
    large_px: int
    steps: int
    large_steps: int
    seeds: tuple[int, ...]
    pictures: int
    picture_px: int
    width: int
    blocks: int
    photographs: int | None = None

    def steps_at(self, size_px: int) -> int:
        """Return the steps of a training on images of this side."""
        return self.steps if size_px == self.size_px else self.large_steps


SMALL = Effort(
    name="small",
    size_px=32,
    large_px=64,
    steps=300,
    large_steps=200,
    seeds=(0, 1, 2),
    pictures=240,
    picture_px=256,
    width=16,
    blocks=3,
)
FULL = Effort(
    name="full",
    size_px=128,
    large_px=128,
    steps=40_000,
    large_steps=40_000,
    seeds=(0, 1, 2, 3, 4),
    pictures=2000,
    picture_px=512,
    width=64,
    blocks=6,
)
