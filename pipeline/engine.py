"""Mapping work over chunks in worker processes; a chunk that kills its worker is halved down to one item."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Protocol, TypeVar


class Divisible(Protocol):
    """A piece of work that can be halved."""

    def __len__(self) -> int:
        """Return how many items the piece has."""
        ...

    def halves(self: Chunk) -> tuple[Chunk, Chunk]:
        """Return its first and second half."""
        ...


Chunk = TypeVar("Chunk", bound=Divisible)
Result = TypeVar("Result")


def map_chunks(
    work: Callable[[Chunk], Result], chunks: Sequence[Chunk], workers: int
) -> Iterator[tuple[Chunk, Result | None]]:
    """Yield each chunk with its result, as they finish; None for the one item that kills its worker.

    A chunk may come back as its two halves. `work` and the chunks go to other processes, so they are pickled.
    """
    todo = list(chunks)
    while todo:
        unfinished = yield from _in_parallel(work, todo, workers)
        # Those that were under way when a worker died are the oldest; one of them did it.
        suspects, todo = unfinished[: 2 * workers], unfinished[2 * workers :]
        for chunk in suspects:
            yield from _alone(work, chunk)


def _in_parallel(
    work: Callable[[Chunk], Result], chunks: Sequence[Chunk], workers: int
) -> Generator[tuple[Chunk, Result], None, list[Chunk]]:
    """Yield what finishes; return what did not because a worker died."""
    unfinished = []
    with _pool(min(workers, len(chunks))) as pool:
        running = deque((chunk, pool.submit(work, chunk)) for chunk in chunks)
        while running:
            chunk, future = running.popleft()
            try:
                result = future.result()
            except BrokenProcessPool:
                unfinished.append(chunk)
            else:
                yield chunk, result
    return unfinished


def _alone(
    work: Callable[[Chunk], Result], chunk: Chunk
) -> Generator[tuple[Chunk, Result | None], None, None]:
    with _pool(1) as pool:
        try:
            result = pool.submit(work, chunk).result()
        except BrokenProcessPool:
            if len(chunk) == 1:
                yield chunk, None
                return
        else:
            yield chunk, result
            return
    for half in chunk.halves():
        yield from _alone(work, half)


def _pool(workers: int) -> Executor:
    # Spawned, not forked: OpenCV's and BLAS's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)


def _prepare_worker() -> None:
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
