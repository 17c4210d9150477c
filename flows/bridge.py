"""DVC and the pipeline as child processes: their lines streamed, each ended with its flow, however that dies."""

from __future__ import annotations

import codecs
import fcntl
import json
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
from typing import Any

import psutil
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from flows import leash, workspace

PATIENCE_S = 600  # for another DVC command that works on the same files
BETWEEN_TRIES_S = 5.0
_LOCK = Path(".dvc/tmp/lock")
_LAST_LINES = 20
_LOOK_EVERY_S = 0.5
_WATCH_EVERY_S = 5
_BARS_EVERY_S = 10
_LAST_WORDS_S = 2  # for what is still in the pipe when the command has ended
_TO_END_S = 25  # Prefect kills a flow 30 s after it has asked it to end

_BUSY = re.compile(r"is busy, it is being blocked by|Unable to acquire lock")
_CORRUPTED = re.compile(r"RWLock-file '(?P<path>.+)'(\. JSON structure is corrupted| format error)")
_REFUSED = re.compile(r"failed to run: .*, exited with 2$", re.MULTILINE)
_COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# DVC lists stages in no useful order; this one is theirs in dvc.yaml, dependencies first.
_GRAPH = """
import json
from dvc.repo import Repo
index = Repo().index
stages = [stage for stage in index.stages if getattr(stage, "name", None)]
order = {}
def add(stage):
    if stage.addressing not in order:
        depends = [other for other in stages if index.graph.has_edge(stage, other)]
        for other in depends:
            add(other)
        order[stage.addressing] = [other.addressing for other in depends]
for stage in stages:
    add(stage)
print(json.dumps(order))
"""

Log = Callable[[str], object]

_left_behind: list[subprocess.Popen[bytes]] = []


class DvcFailed(RuntimeError):
    """A DVC command ended with an error; the message holds its last lines."""

    def __init__(self, message: str, returncode: int) -> None:
        super().__init__(message)
        self.returncode = returncode


class Busy(DvcFailed):
    """Another DVC command works on the same files; the message says which, and what to do."""


class StageRefused(DvcFailed):
    """A stage ended with a user's error, which no second try will cure; the message holds what it said."""


class PipelineFailed(RuntimeError):
    """A command of the pipeline ended with an error; the message holds what it said."""

    def __init__(self, message: str, returncode: int) -> None:
        super().__init__(message)
        self.returncode = returncode


def dvc(*arguments: str, log: Log, watch: Callable[[], object] | None = None) -> None:
    """Run `dvc ARGUMENTS` here and hand each line it prints to `log`; call `watch` every five seconds meanwhile.

    Raises `DvcFailed`, `StageRefused`, or `Busy` after ten minutes of trying. Whatever else ends this function ends DVC
    and its stage too, which are given time to save what they have. A `watch` that fails is only a line in the log.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(Busy),
        wait=wait_fixed(BETWEEN_TRIES_S),
        stop=stop_after_delay(PATIENCE_S),
        before_sleep=lambda state: _log_waiting(state, log),
        reraise=True,
    ):
        with attempt:
            _dvc_once(arguments, log, watch)


def pipeline(*arguments: str, log: Log) -> None:
    """Run `python -m pipeline ARGUMENTS` here and hand each line to `log`; raise `PipelineFailed` if it fails."""
    returncode, last = _stream([sys.executable, "-m", "pipeline", *arguments], log, None)
    if returncode:
        raise PipelineFailed("\n".join(last) or _silent("pipeline", arguments, returncode), returncode)


def ask(*arguments: str) -> Any:
    """Return what `python -m pipeline ARGUMENTS --json` answers; or raise `PipelineFailed`."""
    return _answer([sys.executable, "-m", "pipeline", *arguments, "--json"], " ".join(arguments))


def stage_names() -> list[str]:
    """Return the names of all stages, as params.yaml expands them, each after those it depends on."""
    return list(stage_graph())


def stage_graph() -> dict[str, list[str]]:
    """Return the stages that each stage depends on directly, in the order of dvc.yaml, dependencies first."""
    return _answer([sys.executable, "-c", _GRAPH], "reading dvc.yaml")


def _dvc_once(arguments: tuple[str, ...], log: Log, watch: Callable[[], object] | None) -> None:
    # DVC holds its lock while it hashes and moves files. Its wait has no end, but also comes after a stage's command,
    # where giving up would throw the stage's work away.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]
    returncode, last = _stream(command, *_naming_holder(log, watch))
    said = "\n".join(last)
    name = " ".join(("dvc", *arguments))
    if returncode and (corrupted := _CORRUPTED.search(said)):
        _remove_corrupted(Path(corrupted["path"]), log)
        _dvc_once(arguments, log, watch)
    elif returncode and _BUSY.search(said):
        advice = "Wait until that has ended, or end it"
        raise Busy(f"{name} waits for another DVC command: {_blocker(last)}\n{advice}", returncode)
    elif returncode and _REFUSED.search(said):
        raise StageRefused("\n".join(_of_the_stage(last)), returncode)
    elif returncode:
        raise DvcFailed(f"{name} ended with {returncode}:\n{said}", returncode)


def _naming_holder(log: Log, watch: Callable[[], object] | None) -> tuple[Log, Callable[[], object]]:
    """Return a `log` and a `watch` that say once who holds DVC's lock, if DVC has said nothing yet and waits for it."""
    silent = True

    def noting(line: str) -> None:
        nonlocal silent
        silent = False
        log(line)

    def naming() -> None:
        if silent and (holder := _holder_of_lock()):
            noting(f"waits for DVC's lock, which {holder} holds; wait until that has ended, or end it")
        if watch:
            watch()

    return noting, naming


def _holder_of_lock() -> str | None:
    """Return the process outside of this one that holds the lock of DVC's workspace, which has its number in it."""
    try:
        with _LOCK.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    except FileNotFoundError:
        return None
    else:
        return None
    try:
        holder = psutil.Process(int(_LOCK.read_text()))
        own = holder in psutil.Process().children(recursive=True)
        return None if own else f"process {holder.pid} ({' '.join(holder.cmdline())[-80:]})"
    except (ValueError, psutil.Error):
        return "another process"


def _log_waiting(state: RetryCallState, log: Log) -> None:
    failure = state.outcome.exception() if state.outcome else None
    log(f"{failure} (trying again for {PATIENCE_S - (state.seconds_since_start or 0):.0f} s)")


def _blocker(lines: list[str]) -> str:
    named = [line.strip() for line in lines if line.strip().startswith("(PID ")]
    return ", ".join(named) or "it does not say which"


def _of_the_stage(lines: list[str]) -> list[str]:
    """Return what a stage said, without what DVC said before and after it."""
    said = [line for line in lines if not line.startswith(("ERROR: failed to reproduce", "WARNING: "))]
    starts = [number for number, line in enumerate(said) if line.startswith("> ")]
    return said[starts[-1] + 1 :] if starts and said[starts[-1] + 1 :] else lines


def _remove_corrupted(locks: Path, log: Log) -> None:
    """Remove DVC's list of who works on which files, which a DVC killed in the middle of writing it left unreadable."""
    log(f"{locks} was left half written by a DVC command that was killed; removing it and trying again")
    locks.unlink(missing_ok=True)


def _silent(what: str, arguments: tuple[str, ...], returncode: int) -> str:
    return f"{' '.join((what, *arguments))} ended with {returncode} and said nothing"


def _stream(command: list[str], log: Log, watch: Callable[[], object] | None) -> tuple[int, list[str]]:
    """Run `command` on a leash and return its exit code and its last lines."""
    _wait_for_those_left_behind(log)
    last: deque[str] = deque(maxlen=_LAST_LINES)
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


def _answer(command: list[str], what: str) -> Any:
    """Return the JSON that `command` prints; raise `PipelineFailed` with what it says beside that if it fails."""
    with _leashed(command, [], subprocess.PIPE, subprocess.PIPE, ()) as child:
        answer, said = child.communicate()
    if child.returncode:
        message = said.decode(errors="replace").strip() or f"{what} ended with {child.returncode}"
        raise PipelineFailed(message, child.returncode)
    try:
        return json.loads(answer)
    except ValueError as error:
        raise PipelineFailed(f"{what} did not answer in JSON: {answer[:200]!r}", child.returncode) from error


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
        env=_environment(),
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
    lines = _Lines()
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


class _Lines:
    """Cuts what is printed into lines; of a progress bar, which rewrites its line, a state every ten seconds."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._open = ""
        self._shown = time.monotonic()

    def add(self, piece: bytes) -> Iterator[str]:
        *whole, self._open = (self._open + self._decoder.decode(piece)).split("\n")
        for line in whole:
            yield from _shown(line)
        if "\r" in self._open.rstrip("\r"):
            bar, _, self._open = self._open.rstrip("\r").rpartition("\r")
            if bar.strip() and time.monotonic() - self._shown >= _BARS_EVERY_S:
                self._shown = time.monotonic()
                yield from _shown(bar)

    def rest(self) -> Iterator[str]:
        yield from _shown(self._open)


def _shown(line: str) -> Iterator[str]:
    """Yield what a terminal would show of a line, if that is anything."""
    left = _COLORS.sub("", line).rstrip().rpartition("\r")[2].rstrip()
    if left:
        yield left


def _environment() -> dict[str, str]:
    # Stages call `python`: it must be the one of this environment. Unbuffered, so that lines come as printed.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return {**os.environ, **workspace.marker(), "PATH": path, "PYTHONUNBUFFERED": "1"}
