"""Child processes on a leash: their lines as they come, and their end with this process, however it dies."""

from __future__ import annotations

import codecs
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows import leash, workspace

LAST_LINES = 20
_LOOK_EVERY_S = 0.5
_WATCH_EVERY_S = 5
_BARS_EVERY_S = 10
_LAST_WORDS_S = 2  # for what is still in the pipe when the command has ended
_TO_END_S = 25  # Prefect kills a flow 30 s after it has asked it to end

_COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

Log = Callable[[str], object]

_left_behind: list[subprocess.Popen[bytes]] = []


def stream(command: list[str], log: Log, watch: Callable[[], object] | None) -> tuple[int, list[str]]:
    """Run `command` on a leash and return its exit code and its last lines."""
    _wait_for_those_left_behind(log)
    last: deque[str] = deque(maxlen=LAST_LINES)
    reading, writing = os.pipe()
    try:
        with _leashed(command, ["--output", str(reading)], writing, subprocess.STDOUT, (reading,)) as child:
            os.close(writing)
            lines = _read_aside(os.dup(reading))
            for line in _lines_and_watches(child, lines, _guarded(watch, log)):
                last.append(line)
                log(line)
    finally:
        os.close(reading)
    return child.returncode, list(last)


def output_of(command: list[str]) -> tuple[int, bytes, str]:
    """Run `command` on a leash and return its exit code, its standard output, and what it said beside that."""
    with _leashed(command, [], subprocess.PIPE, subprocess.PIPE, ()) as child:
        output, said = child.communicate()
    return child.returncode, output, said.decode(errors="replace").strip()


@contextmanager
def _leashed(
    command: list[str], options: list[str], output: int, errors: int, inherited: tuple[int, ...]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start `command` on a leash, which ends it if this process dies or the block ends before it does.

    The leash holds on to its standard input, which closes with this process; a session of its own keeps a Ctrl-C in
    this terminal from it, and names what it leaves behind if it is killed itself.
    """
    held, holding = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-P", leash.__file__, *options, *command],
        stdin=held,
        stdout=output,
        stderr=errors,
        env=environment(),
        pass_fds=inherited,
        start_new_session=True,
    )
    os.close(held)
    ended = False
    try:
        yield child
        child.wait()
        ended = True
    finally:
        os.close(holding)
        if not ended:
            _wait_or_leave(child)
        _end_session(child)


def _wait_or_leave(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(_TO_END_S)
    except subprocess.TimeoutExpired:
        _left_behind.append(child)


def _wait_for_those_left_behind(log: Log) -> None:
    """Wait for stages that an earlier call was interrupted in and that still save: a retry would run beside them."""
    for child in list(_left_behind):
        log("Waiting for what an interrupted try has started, which is still saving")
        child.wait()
        _end_session(child)
        if child in _left_behind:  # another thread may have waited too
            _left_behind.remove(child)


def _end_session(child: subprocess.Popen[bytes]) -> None:
    """End what a leash left that was killed; one that ended by itself has left nothing."""
    if child.returncode is not None and child.returncode < 0:
        leash.end(lambda: leash.living(lambda process: os.getsid(process.pid) == child.pid), leash.GRACE_S)


def _read_aside(pipe: int) -> queue.SimpleQueue[bytes]:
    """Read a pipe in a thread of its own, which closes it; an empty piece is its end."""
    pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        with open(pipe, "rb", buffering=0) as file:
            while piece := file.read(1 << 16):
                pieces.put(piece)
        pieces.put(b"")

    threading.Thread(target=read, name="output", daemon=True).start()
    return pieces


def _lines_and_watches(
    child: subprocess.Popen[bytes], pieces: queue.SimpleQueue[bytes], watch: Callable[[], object]
) -> Iterator[str]:
    """Yield the lines of a child until it has ended, and call `watch` every few seconds."""
    lines = Lines()
    watched = time.monotonic()
    ended: float | None = None
    while ended is None or time.monotonic() - ended < _LAST_WORDS_S:
        try:
            if not (piece := pieces.get(timeout=_LOOK_EVERY_S)):
                break
            yield from lines.add(piece)
        except queue.Empty:
            pass
        if time.monotonic() - watched >= _WATCH_EVERY_S:
            watch()
            watched = time.monotonic()
        if ended is None and child.poll() is not None:
            ended = time.monotonic()
            if child.returncode < 0:
                return
    yield from lines.rest()


def _guarded(watch: Callable[[], object] | None, log: Log) -> Callable[[], object]:
    def guarded() -> None:
        try:
            if watch:
                watch()
        except Exception as error:  # a picture that could not be shown is no reason to end a training
            log(f"could not show how far it is: {type(error).__name__}: {error}")

    return guarded


class Lines:
    """Cuts what is printed into lines; of a progress bar, which rewrites its line, a state every ten seconds."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._open = ""
        self._shown = time.monotonic()

    def add(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that are whole with this piece."""
        *whole, self._open = (self._open + self._decoder.decode(piece)).split("\n")
        for line in whole:
            yield from _shown(line)
        if "\r" in self._open.rstrip("\r"):
            bar, _, self._open = self._open.rstrip("\r").rpartition("\r")
            if bar.strip() and time.monotonic() - self._shown >= _BARS_EVERY_S:
                self._shown = time.monotonic()
                yield from _shown(bar)

    def rest(self) -> Iterator[str]:
        """Yield what came after the last whole line."""
        yield from _shown(self._open)


def _shown(line: str) -> Iterator[str]:
    """Yield what a terminal would show of a line, if that is anything."""
    left = _COLORS.sub("", line).rstrip().rpartition("\r")[2].rstrip()
    if left:
        yield left


def environment() -> dict[str, str]:
    """Return the environment of a child: this process's, and whose turn it works in."""
    # Stages call `python`: it must be the one of this environment. Unbuffered, so that lines come as printed.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return {**os.environ, **workspace.marker(), "PATH": path, "PYTHONUNBUFFERED": "1"}
