"""Whose turn it is in a workspace: stages that a person types run beside each other, but never beside a flow.

A flow holds `.state/flow.lock` for itself while it works, and says in it who it is. It tells its children by the
environment variable `LIKENESS_FLOW`, which names the lock that they work under.

Training needs this on a machine that has little else installed: only the standard library is used here.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import UserError

STATE = Path(".state")
LOCK = STATE / "flow.lock"
ENVIRONMENT = "LIKENESS_FLOW"
_LONGEST = 1 << 16


@contextmanager
def turn(alone: bool = False) -> Iterator[None]:
    """Keep flows away while the block works, and with `alone` everybody else too.

    Raises `UserError` at once where a flow is at work (or with `alone`, a stage), unless it has started this
    process. Outside of a workspace, as where a dataset's folder is trained on elsewhere, there is nobody to keep away.
    """
    if _is_child_of_flow() or not _is_workspace():
        yield
        return
    STATE.mkdir(exist_ok=True)
    with LOCK.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            raise UserError(_taken(file.fileno())) from None
        yield


def _is_workspace() -> bool:
    return STATE.is_dir() or Path("params.yaml").exists()


def _is_child_of_flow() -> bool:
    """Say whether the flow that started this process works in this workspace."""
    lock = os.environ.get(ENVIRONMENT)
    return bool(lock) and Path(lock or "").resolve().parent == STATE.resolve()


def _taken(descriptor: int) -> str:
    """Return who is at work, and what to do."""
    who = (
        _holder(descriptor) or "a flow, a stage that was typed or a command of the quarantine is at work here"
    )
    return (
        f"{LOCK}: {who}; wait until it has ended, or cancel its run, then type this again: "
        "what is finished is not repeated"
    )


def _holder(descriptor: int) -> str | None:
    """Return what the flow at work says of itself; None where the words are of one that has ended."""
    try:
        said = json.loads(os.pread(descriptor, _LONGEST, 0))
        who = f"the flow {said['flow']} (run {said['run']}, process {said['pid']})"
        with suppress(PermissionError):  # it lives, and belongs to somebody else
            os.kill(said["pid"], 0)
        return f"{who} is at work here since {said['since']}"
    except (ValueError, KeyError, TypeError, OverflowError, ProcessLookupError):
        return None
