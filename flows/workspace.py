"""Whose turn it is: one flow at a time works in a workspace, and one training at a time on an experiment.

The turn is a lock of the operating system on a file in `.state`, which ends with the process that holds it. What that
process had started may live on for a while: it is known by its environment, which names the file of the turn that it
was started in, and is ended before the next holder begins.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

import psutil

from flows import leash

VARIABLE = "LIKENESS_FLOW"  # the file of the turn that a process works in
TRAINING_VARIABLE = "LIKENESS_TRAINING"  # that of the experiment which it trains, if it does
STATE = Path(".state")
WORKSPACE_LOCK = STATE / "flow.lock"
_LOOK_EVERY_S = 0.5
_LONGER_THAN_A_LEASH_S = 15

Log = Callable[[str], object]
_warn = logging.getLogger(__name__).warning

# The workspace is taken by the whole process, whichever thread then works in it; an experiment by the thread
# (or Prefect task) that trains it.
_of_process: list[Path] = []
_of_thread: ContextVar[tuple[Path, ...]] = ContextVar("_of_thread", default=())


class Taken(RuntimeError):
    """It is somebody else's turn; the message says whose, since when, and what to do."""


@contextmanager
def taken(flow: str, run: str, wait_s: float = 0, *, log: Log = _warn) -> Iterator[None]:
    """Work in this workspace as the only flow; raise `Taken` if it is not free within `wait_s` seconds.

    `flow` and `run` are names, for others to read. What a killed flow left running here is ended first, which takes up
    to two minutes when it is a training that saves its checkpoint; `log` gets a line about it.
    """
    lock = WORKSPACE_LOCK.absolute()
    with _locked(lock, "this workspace", {"flow": flow, "run": run}, wait_s, log):
        _of_process.append(lock)
        try:
            _end_orphans(lock, log)
            yield
        finally:
            _of_process.remove(lock)


@contextmanager
def training(experiment: str, run: str, wait_s: float = 0, *, log: Log = _warn) -> Iterator[None]:
    """Be the only one who trains `experiment`, beside whatever else is done here; otherwise as `taken`."""
    lock = (STATE / f"train-{experiment}.lock").absolute()
    with _locked(lock, f"the training of {experiment}", {"flow": "train", "run": run}, wait_s, log):
        token = _of_thread.set((*_of_thread.get(), lock))
        try:
            _end_orphans(lock, log)
            yield
        finally:
            _of_thread.reset(token)


def marker() -> dict[str, str]:
    """Return what the environment of a process started now must hold for it to be known as this flow's."""
    trained = _of_thread.get()
    turns = [*_of_process, *trained]
    marks = {VARIABLE: str(turns[0])} if turns else {}
    return marks | ({TRAINING_VARIABLE: str(trained[-1])} if trained else {})


@contextmanager
def _locked(lock: Path, what: str, holder: dict[str, str], wait_s: float, log: Log) -> Iterator[None]:
    lock.parent.mkdir(exist_ok=True)
    file = os.open(
        lock, os.O_RDWR | os.O_CREAT, 0o666
    )  # not inherited: no child keeps the turn of a dead flow
    try:
        _lock(file, lock, what, wait_s, log)
        about = {**holder, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(about).encode(), 0)
        yield
        os.ftruncate(file, 0)
    finally:
        os.close(file)


def _lock(file: int, lock: Path, what: str, wait_s: float, log: Log) -> None:
    deadline = time.monotonic() + wait_s
    waiting = False
    while not _try(file, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            raise Taken(_whose(file, lock, what))
        if not waiting:
            log(f"Waiting: {_whose(file, lock, what)}")
            waiting = True
        time.sleep(_LOOK_EVERY_S)


def _try(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _whose(file: int, lock: Path, what: str) -> str:
    if _try(file, fcntl.LOCK_SH):  # flows lock it for themselves; stages that people start lock it together
        fcntl.flock(file, fcntl.LOCK_UN)
        return f"{what} is not free: {_stages_by_hand(lock)}. Wait until it has ended, or end it"
    return f"{what} is taken by {_holder(file)}. Wait until it has ended, or cancel its run in the Prefect UI"


def _holder(file: int) -> str:
    """Return what the holder says of itself; a killed one's words stay until the next one writes its own."""
    try:
        about = json.loads(os.pread(file, 4096, 0))
        if psutil.pid_exists(about["pid"]):
            return f"the flow {about['flow']} (run {about['run']}, process {about['pid']}) since {about['since']}"
    except (ValueError, KeyError, TypeError):
        pass
    return "another flow, or by a command of the quarantine"


def _stages_by_hand(lock: Path) -> str:
    openers = leash.living(lambda process: _has_open(process, lock)) - {psutil.Process()}
    if not openers:
        return "a stage that was started by hand is running here"
    named = ", ".join(f"{process.pid} ({_command(process)})" for process in openers)
    return f"a stage that was started by hand is running here, process {named}"


def _has_open(process: psutil.Process, path: Path) -> bool:
    return any(opened.path == str(path.resolve()) for opened in process.open_files())


def _end_orphans(lock: Path, log: Log) -> None:
    """End what bears the lock's name and does not descend from this process, which holds the lock."""

    def orphans() -> leash.Processes:
        mine = psutil.Process().children(recursive=True)
        return leash.living(lambda process: _is_marked(process, lock) and process not in mine)

    if not (found := orphans()):
        return
    log(f"Ending what a killed flow left running: {', '.join(sorted(map(_named, found)))}")
    if not leash.end(orphans, leash.GRACE_S + _LONGER_THAN_A_LEASH_S, tell=leash.leaders):
        left = ", ".join(sorted(map(_named, orphans())))
        raise Taken(f"what a killed flow left running cannot be ended: {left}. End it, then start again")


def _is_marked(process: psutil.Process, lock: Path) -> bool:
    environment = process.environ()
    return str(lock) in (environment.get(VARIABLE), environment.get(TRAINING_VARIABLE))


def _named(process: psutil.Process) -> str:
    return f"{process.pid} ({_command(process)})"


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[-80:]
    except psutil.Error:
        return "gone"
