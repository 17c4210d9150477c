"""Looking at the bytes of images: their hash, their header, their perceptual hash; by processes beside the crawl.

Fetching and decoding would otherwise take turns in one interpreter, and an image that crashes a decoder would end the
crawl.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import NamedTuple

from pipeline.crawl.failures import WorkerCrashed
from pipeline.images import Header, ImageProblem, describe

WORTH_PROCESSES = 32  # images; for fewer the processes would only just have started


class Described(NamedTuple):
    """What the bytes of an image say: their SHA-256, the header, the perceptual hash where they can be decoded."""

    image_id: str
    header: Header
    phash: str | None


def look_at(data: bytes) -> Described:
    """Describe an image; raise `ImageProblem`."""
    header, phash = describe(data)
    return Described(hashlib.sha256(data).hexdigest(), header, phash)


class Describers:
    """Describes images for many threads; use it as a context manager.

    The first images are described by the threads themselves, later ones by `processes`.
    """

    def __init__(self, processes: int = 0) -> None:
        self._wanted = processes
        self._seen = 0
        self._lock = threading.Lock()
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._ready = threading.Event()
        self._closed = False
        self._running: dict[Connection, SpawnProcess] = {}
        self._starting: threading.Thread | None = None

    def __enter__(self) -> Describers:
        return self

    def __exit__(self, *exception: object) -> None:
        self._closed = True
        if self._starting:
            self._starting.join()
        for pipe, process in self._running.items():
            pipe.close()
            process.join()

    def describe(self, data: bytes) -> Described:
        """Describe an image; raise `ImageProblem`, or `WorkerCrashed` where a decoder died of it."""
        self._count()
        if not self._ready.is_set():
            return look_at(data)
        pipe = self._idle.get()
        try:
            pipe.send_bytes(data)
            answer = pipe.recv()
        except (EOFError, OSError):
            self._replace(pipe)
            raise WorkerCrashed("the process ended while it worked on this image") from None
        self._idle.put(pipe)
        if isinstance(answer, Described):
            return answer
        raise ImageProblem(*answer)

    def _count(self) -> None:
        with self._lock:
            self._seen += 1
            if self._wanted and not self._starting and self._seen > WORTH_PROCESSES:
                self._starting = threading.Thread(target=self._start_all, name="start describers")
                self._starting.start()

    def _start_all(self) -> None:
        for pipe in [self._start() for _ in range(self._wanted)]:
            pipe.recv()
            self._idle.put(pipe)
        self._ready.set()

    def _start(self) -> Connection:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        with self._lock:
            self._running[ours] = process
        return ours

    def _replace(self, dead: Connection) -> None:
        with self._lock:
            process = self._running.pop(dead)
        dead.close()
        process.join()
        if not self._closed:
            pipe = self._start()
            pipe.recv()
            self._idle.put(pipe)


def _serve(pipe: Connection) -> None:
    """Answer bytes with what they say until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the crawl decides when it is over
    pipe.send("ready")
    while True:
        try:
            data = pipe.recv_bytes()
        except EOFError:
            return
        try:
            pipe.send(look_at(data))
        except ImageProblem as problem:
            pipe.send((problem.reason, problem.detail))
        except Exception as error:
            pipe.send(("failed", type(error).__name__))
