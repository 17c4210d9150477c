"""Work in processes on this machine; each is given the next chunk before it has finished one."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any, Generic

from pipeline.engine.work import Chunk, Deaths, Items, Result, Work, tapered

AHEAD = 2
# BLAS reads these once, when it is loaded.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


def map_in_processes(
    work: Work[Chunk, Items, Result], chunks: Sequence[Chunk], count: int
) -> Iterator[tuple[Chunk, Result | None]]:
    """Yield chunks with their results as `pipeline.engine.map_chunks` does, from at most `count` processes."""
    todo = deque(tapered(chunks, count))
    deaths = Deaths()
    workers = [_Worker(work) for _ in range(min(count, len(chunks)))]
    _prepare_server(work.module)
    try:
        while todo or any(worker.given for worker in workers):
            _give(todo, workers)
            wait([worker.given[0][1] for worker in workers if worker.given], return_when=FIRST_COMPLETED)
            for worker in workers:
                while worker.given and worker.given[0][1].done():
                    chunk, future = worker.given.popleft()
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        todo.extendleft(worker.bury())
                        retries = deaths.retries(chunk)
                        todo.extendleft(retries)
                        if not retries:
                            yield chunk, None
                    else:
                        yield chunk, result
    finally:
        for worker in workers:
            worker.dismiss()


class _Worker(Generic[Chunk, Items, Result]):
    """One process, replaced when it dies, and the chunks that it was given, the one under way first."""

    def __init__(self, work: Work[Chunk, Items, Result]) -> None:
        self.given: deque[tuple[Chunk, Future[Result]]] = deque()
        self._work = work
        self._pool: ProcessPoolExecutor | None = None
        self._started: Future[None] | None = None

    def give(self, chunk: Chunk) -> None:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            self._pool = ProcessPoolExecutor(1, context, initializer=_prepare, initargs=(self._work,))
            self._started = self._pool.submit(_started)
        try:
            future: Future[Result] = self._pool.submit(_run, chunk)
        except BrokenProcessPool as death:
            future = Future()
            future.set_exception(death)
        self.given.append((chunk, future))

    def bury(self) -> list[Chunk]:
        """Forget a process that died; return the chunks that it had not begun.

        Raises `RuntimeError` where it never was ready for any: the work is at fault, not an item.
        """
        if self._started is None or self._started.exception() is not None:
            raise RuntimeError("a worker process died before it had anything to do; see what it said above")
        waiting = [chunk for chunk, _ in self.given]
        self.given.clear()
        self.dismiss()
        return waiting

    def dismiss(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _give(todo: deque[Chunk], workers: Sequence[_Worker]) -> None:
    """Give every worker a chunk, and a second one as long as there are plenty."""
    for depth in range(AHEAD):
        for worker in workers:
            if len(worker.given) == depth and len(todo) > 2 * depth * len(workers):
                worker.give(todo.popleft())


def _prepare_server(module: str) -> None:
    """Start the process that workers are forked from: it has imported what they need, and runs no threads.

    Forking this process itself would not do: the threads of OpenCV and BLAS do not survive it.
    """
    forkserver.set_forkserver_preload([module, "cv2"])
    # Told by these alone, it looks for modules where this process does.
    same_path = {
        "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
        "PYTHONSAFEPATH": "1",
    }
    with _environment(ONE_THREAD | same_path):
        forkserver.ensure_running()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


_work: Work[Any, Any, Any]


def _prepare(work: Work[Any, Any, Any]) -> None:
    global _work
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work = work


def _started() -> None:
    """Say by its end that a process is ready."""


def _run(chunk: Any) -> Any:
    return _work.run(chunk)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
