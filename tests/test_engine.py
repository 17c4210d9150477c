"""Work that crashes its worker costs the item that did it, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import engine
from pipeline.engine.work import Work, tapered
from pipeline.params import LocalEngine


@dataclass(frozen=True)
class Numbers:
    items: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.items)

    def halves(self) -> tuple[Numbers, Numbers]:
        middle = len(self.items) // 2
        return Numbers(self.items[:middle]), Numbers(self.items[middle:])


def no_files(chunk: Numbers) -> list[Path]:
    return []


def read(chunk: Numbers, files: Sequence[Path]) -> tuple[int, ...]:
    return chunk.items


def square(items: tuple[int, ...]) -> list[int]:
    if 13 in items:
        os.kill(os.getpid(), signal.SIGSEGV)
    return [item * item for item in items]


def look_at_threads(items: tuple[int, ...]) -> tuple[int, list[str | None]]:
    import cv2

    return cv2.getNumThreads(), [os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]


class NotHere:
    """Something that cannot be brought to another process."""

    def __call__(self, items: tuple[int, ...]) -> list[int]:
        return []

    def __reduce__(self) -> tuple:
        return exit_at_once, ()


def exit_at_once() -> None:
    os._exit(1)


def work(process: Callable = square) -> Work:
    return Work("toy", __name__, no_files, read, process)


def results(chunks: list[Numbers], workers: int) -> tuple[list[int], list[int]]:
    """Return the results in order, and the items that were lost."""
    mapped = engine.map_chunks(work(), chunks, LocalEngine(workers=workers))
    found = sorted(mapped, key=lambda pair: pair[0].items)
    squares = [number for _, result in found if result is not None for number in result]
    return squares, [item for chunk, result in found if result is None for item in chunk.items]


def test_every_chunk_is_mapped() -> None:
    chunks = [Numbers((1, 2)), Numbers((3,)), Numbers((4, 5, 6))]
    assert results(chunks, workers=2) == ([1, 4, 9, 16, 25, 36], [])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_costs_one_item(workers: int) -> None:
    chunks = [Numbers(tuple(range(start, start + 5))) for start in range(0, 40, 5)]
    assert results(chunks, workers) == ([number**2 for number in range(40) if number != 13], [13])


def test_no_chunks_need_no_workers() -> None:
    assert results([], workers=2) == ([], [])


def test_workers_use_one_thread_each_and_leave_the_environment_alone() -> None:
    before = dict(os.environ)
    ((_, seen),) = engine.map_chunks(work(look_at_threads), [Numbers((1,))], LocalEngine(workers=1))
    assert seen == (1, ["1", "1"])
    assert dict(os.environ) == before


def test_work_that_no_process_can_begin_is_an_error_and_no_items_crash() -> None:
    with pytest.raises(RuntimeError, match="before it had anything to do"):
        list(engine.map_chunks(work(NotHere()), [Numbers((1, 2, 3))], LocalEngine(workers=1)))


def test_the_last_chunks_are_small_so_that_all_workers_end_together() -> None:
    chunks = [Numbers(tuple(range(start, start + 8))) for start in range(0, 80, 8)]
    pieces = tapered(chunks, workers=2)
    assert [len(piece) for piece in pieces] == [8] * 6 + [2] * 16
    assert [item for piece in pieces for item in piece.items] == list(range(80))
