"""Work that crashes its worker costs the item that did it, and nothing else."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from pipeline import engine


@dataclass(frozen=True)
class Numbers:
    items: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.items)

    def halves(self) -> tuple[Numbers, Numbers]:
        middle = len(self.items) // 2
        return Numbers(self.items[:middle]), Numbers(self.items[middle:])


def square(chunk: Numbers) -> list[int]:
    if 13 in chunk.items:
        os.kill(os.getpid(), signal.SIGSEGV)
    return [item * item for item in chunk.items]


def results(chunks: list[Numbers], workers: int) -> tuple[list[int], list[int]]:
    """Return the results in order, and the items that were lost."""
    found = sorted(engine.map_chunks(square, chunks, workers), key=lambda pair: pair[0].items)
    squares = [number for _, result in found if result is not None for number in result]
    return squares, [item for chunk, result in found if result is None for item in chunk.items]


def test_every_chunk_is_mapped() -> None:
    chunks = [Numbers((1, 2)), Numbers((3,)), Numbers((4, 5, 6))]
    assert results(chunks, workers=2) == ([1, 4, 9, 16, 25, 36], [])


def test_a_crash_costs_one_item() -> None:
    chunks = [Numbers(tuple(range(start, start + 5))) for start in range(0, 40, 5)]
    assert results(chunks, workers=2) == ([number**2 for number in range(40) if number != 13], [13])


def test_no_chunks_need_no_workers() -> None:
    assert results([], workers=2) == ([], [])
