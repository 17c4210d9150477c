"""DVC as a child process: its lines streamed, its whole process group ended with the flow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

_LAST_LINES = 20
_SECONDS_TO_END = 10


class DvcFailed(RuntimeError):
    """A DVC command ended with an error; the message holds its last lines."""


def dvc(*arguments: str, log: Callable[[str], object]) -> None:
    """Run `dvc ARGUMENTS` here and hand each line it prints to `log`; raise `DvcFailed` if it fails.

    The child leads a process group of its own, which is ended if this process is interrupted: a stage that
    outlived its flow would go on writing.
    """
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(),
        start_new_session=True,
    ) as child:
        try:
            for line in child.stdout or ():
                if line.strip():
                    last.append(line.rstrip())
                    log(last[-1])
        finally:
            _end_group(child)
    if child.returncode:
        command = " ".join(("dvc", *arguments))
        raise DvcFailed(f"{command} ended with {child.returncode}:\n" + "\n".join(last))


def stage_names() -> list[str]:
    """Return the names of all stages, as params.yaml expands them, each after those it depends on."""
    listed: list[str] = []
    dvc("stage", "list", "--name-only", log=listed.append)
    return listed


def _environment() -> dict[str, str]:
    # Stages call `python`: it must be the one of this environment. Unbuffered, so that lines come as printed.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


def _end_group(child: subprocess.Popen[str]) -> None:
    if child.poll() is not None:
        return
    try:
        child.wait(timeout=0 if sys.exc_info()[0] else None)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(timeout=_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
