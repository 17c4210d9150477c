"""Work on a Dask cluster, whose workers share the project's folder with this machine, or some storage.

They have this package and its weights installed; they need no params.yaml, no DVC, and no working directory.
"""

from __future__ import annotations

import hashlib
import pickle
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import count, repeat
from pathlib import Path
from typing import Any, Generic
from uuid import uuid4

from pipeline.engine.versions import differences, versions
from pipeline.engine.work import Chunk, Deaths, Items, Result, Work, tapered
from pipeline.errors import UserError
from pipeline.params import DaskEngine

try:
    import fsspec
    from distributed import Client, Future, KilledWorker, wait
    from distributed.comm import CommClosedError
    from distributed.utils import CancelledError
except ImportError as missing:
    raise UserError(
        f"params.yaml: engine.kind: dask needs the package {missing.name}; run "
        ".uv/bin/uv pip install --python .venv --constraint constraints.txt --editable '.[dask]'"
    ) from None

CONNECT_S = 20.0
SILENCE_S = 60.0
# Chunks submitted beyond those under way: enough for a cluster that grows with its queue to do so.
WAITING = 32


def map_on_cluster(
    work: Work[Chunk, Items, Result],
    chunks: Sequence[Chunk],
    settings: DaskEngine,
    weight_names: Iterable[str],
) -> Iterator[tuple[Chunk, Result | None]]:
    """Yield chunks with their results as `pipeline.engine.map_chunks` does.

    Raises `UserError` where no scheduler answers, where it goes away, where a worker does not see the data, and
    where a worker's code, packages or weights are not those of this process.
    """
    weight_names = sorted(weight_names)
    run = partial(_run, weight_names, versions(weight_names), work.process)
    with _connected(settings.address) as client, _share(settings.share, work) as share:
        # Tasks of one group wait at the scheduler, not at a worker whose death they would be blamed for.
        keys = zip(repeat(f"{work.name}-{uuid4().hex}"), count())
        todo = deque(tapered(chunks, _threads(client)))
        alone: deque[Chunk] = deque()
        running: dict[Future, Chunk] = {}
        deaths = Deaths()
        while todo or alone or running:
            room = 2 * _threads(client) + WAITING - len(running)
            queue, room = (todo, room) if todo or running else (alone, 1)
            for chunk in [queue.popleft() for _ in range(min(room, len(queue)))]:
                running[client.submit(run, share.place(chunk), key=next(keys))] = chunk
            done = _first_done(client, running)
            if not done and not _threads(client):
                _say(f"{settings.address} has no workers; waiting for some")
            for future in done:
                chunk, has_died = running.pop(future), False
                try:
                    result = future.result()
                except KilledWorker:
                    has_died = True
                share.remove(chunk)  # not earlier: where a worker died with the result, it is computed again
                if not has_died:
                    yield chunk, result
                    continue
                # Blamed with it are chunks that only waited at the same worker. So a single item is tried once more
                # when nothing else runs.
                retries = deaths.retries(chunk)
                (todo if len(chunk) > 1 else alone).extend(retries)
                if not retries:
                    yield chunk, None


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Yield a client of the scheduler; raise `UserError` where none answers or its connection is lost."""
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False, name="likeness")
    except OSError as error:
        raise UserError(
            f"params.yaml: engine.address: no Dask scheduler answers at {address} ({error}); start one as "
            "docs/clusters.md says, or set engine.kind to local"
        ) from None
    try:
        yield client
    except (CancelledError, CommClosedError) as error:
        raise UserError(
            f"params.yaml: engine.address: the scheduler at {address} went away ({error or 'cancelled'}); start it "
            "and run this again: finished parts are kept"
        ) from None
    finally:
        client.close(timeout=CONNECT_S)


def _first_done(client: Client, running: Iterable[Future]) -> set[Future]:
    """Return what is done, as soon as there is something; nothing after a while of silence.

    Not by the client's executor: a result whose worker dies while it is fetched is no exception, as that one has it.
    """
    with client.as_current(), suppress(TimeoutError):
        return wait(list(running), SILENCE_S, "FIRST_COMPLETED").done
    return set()


def _threads(client: Client) -> int:
    """Return how many chunks can be under way at once; raise `CommClosedError` where no scheduler answers."""
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise CommClosedError(str(error)) from None


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


@contextmanager
def _share(
    share: str, work: Work[Chunk, Items, Result]
) -> Iterator[_SharedFolder[Chunk, Items] | _Storage[Chunk, Items]]:
    """Yield the way by which workers come by the items of a chunk."""
    if Path(share).is_absolute():
        yield _SharedFolder(Path(share), work)
        return
    storage = _Storage(share, work)
    try:
        yield storage
    finally:
        storage.clear()


class _SharedFolder(Generic[Chunk, Items]):
    """The project's folder, at the path that it has for the workers: they read the parts themselves."""

    def __init__(self, folder: Path, work: Work[Chunk, Items, Any]) -> None:
        self._folder = folder
        self._work = work

    def place(self, chunk: Chunk) -> Callable[[], Items]:
        """Return a function that gets a chunk's items, for a worker to call."""
        files = {self._folder / file: _state(file) for file in self._work.files(chunk)}
        return partial(_from_folder, self._work.load, chunk, files)

    def remove(self, chunk: Chunk) -> None:
        """Do nothing: the parts are the project's."""


class _Storage(Generic[Chunk, Items]):
    """A folder of some storage that this process puts the items of chunks into, each until its result is here.

    Its name is always the same for the same work here, so that what a killed process left is removed by the next.
    """

    def __init__(self, url: str, work: Work[Chunk, Items, Any]) -> None:
        self._work = work
        place = hashlib.sha256(f"{socket.gethostname()} {Path.cwd()} {work.name}".encode()).hexdigest()[:16]
        try:
            self._files, folder = fsspec.core.url_to_fs(url)
            self._folder = f"{folder.rstrip('/')}/likeness-{place}"
            self.clear()
            self._files.makedirs(self._folder, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise UserError(f"params.yaml: engine.share: cannot write at {url}: {error}") from None
        self._numbers = count()
        self._placed: dict[Chunk, str] = {}

    def place(self, chunk: Chunk) -> Callable[[], Items]:
        """Put a chunk's items there; return a function that gets them, for a worker to call."""
        content = pickle.dumps(self._work.load(chunk, self._work.files(chunk)))
        path = f"{self._folder}/{next(self._numbers):06d}"
        self._files.pipe_file(path, content)
        self._placed[chunk] = path
        return partial(_from_storage, self._files.unstrip_protocol(path), hashlib.sha256(content).hexdigest())

    def remove(self, chunk: Chunk) -> None:
        """Remove a chunk's items."""
        self._files.rm_file(self._placed.pop(chunk))

    def clear(self) -> None:
        """Remove all that was put there."""
        with suppress(FileNotFoundError):
            self._files.rm(self._folder, recursive=True)


def _state(file: Path) -> tuple[int, int]:
    """Return by what a file is known on another machine: its size, and when it was written, in seconds."""
    state = file.stat()
    return state.st_size, int(state.st_mtime)


# What follows runs in the workers.

_ONE_AT_A_TIME = threading.Lock()  # models are not made for several threads


def _run(
    weight_names: Sequence[str],
    versions_there: dict[str, str],
    process: Callable[[Items], Result],
    get: Callable[[], Items],
) -> Result:
    with _ONE_AT_A_TIME:
        _pin_threads()
        if different := differences(versions_there, versions(weight_names)):
            raise UserError(
                f"the Dask worker on {socket.gethostname()} has other versions than the stage's process, so its "
                f"results could differ: {different}. Install the same there and restart the workers"
            )
        return process(get())


@cache
def _pin_threads() -> None:
    import cv2

    cv2.setNumThreads(1)


def _from_folder(
    load: Callable[[Chunk, Sequence[Path]], Items], chunk: Chunk, files: dict[Path, tuple[int, int]]
) -> Items:
    for file, state in files.items():
        if not file.exists() or _state(file) != state:
            what = "is another file" if file.exists() else "does not exist"
            raise UserError(
                f"params.yaml: engine.share: on the Dask worker on {socket.gethostname()} {file} {what}; engine.share "
                "must be the path that the project's folder has there, or a URL"
            )
    return load(chunk, list(files))


def _from_storage(url: str, digest: str) -> Any:
    files, path = fsspec.core.url_to_fs(url)
    content = files.cat_file(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise UserError(f"params.yaml: engine.share: {url} is not what was put there")
    return pickle.loads(content)
