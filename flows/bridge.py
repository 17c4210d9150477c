"""DVC and the pipeline, asked as child processes: what they say, and what their failures mean."""

from __future__ import annotations

import fcntl
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from flows.children import Log, output_of, stream

PATIENCE_S = 600  # for another DVC command that works on the same files
BETWEEN_TRIES_S = 5.0
_LOCK = Path(".dvc/tmp/lock")

_BUSY = re.compile(r"is busy, it is being blocked by|Unable to acquire lock")
_CORRUPTED = re.compile(r"RWLock-file '(?P<path>.+)'(\. JSON structure is corrupted| format error)")
_REFUSED = re.compile(r"failed to run: .*, exited with 2$", re.MULTILINE)

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
    returncode, last = stream([sys.executable, "-m", "pipeline", *arguments], log, None)
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
    returncode, last = stream(command, *_naming_holder(log, watch))
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


def _answer(command: list[str], what: str) -> Any:
    """Return the JSON that `command` prints; raise `PipelineFailed` with what it says beside that if it fails."""
    returncode, output, said = output_of(command)
    if returncode:
        raise PipelineFailed(said or f"{what} ended with {returncode}", returncode)
    try:
        return json.loads(output)
    except ValueError as error:
        raise PipelineFailed(f"{what} did not answer in JSON: {output[:200]!r}", returncode) from error
