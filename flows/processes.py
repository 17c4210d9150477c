"""Processes that serve this checkout: how they are known, and how they are ended.

Each carries this checkout's folder and its own name in its environment, and hands both down to its children. So what
a dead worker left behind is found too, a process number that was given anew is not taken for it, and neither are
another checkout's processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

HOME = Path(".prefect")
LOGS = HOME / "logs"
POOLS = ("local", "gpu")  # the work pools: each has a worker here
_RECORD = HOME / "services.json"
_MARK = "LIKENESS_SERVICE"


def start(name: str, *arguments: str, environment: dict[str, str]) -> psutil.Process:
    """Start `python -m ARGUMENTS` as the service `name`, in a session of its own; its lines go to .prefect/logs."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, _MARK: _mark(name), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    _write({**_record(), name: child.pid})
    return psutil.Process(child.pid)


def leader(name: str) -> psutil.Process | None:
    """Return the process that `start` made for the service `name`, if it lives."""
    try:
        process = psutil.Process(int(_record()[name]))
    except (KeyError, psutil.NoSuchProcess):
        return None
    return process if _mark_of(process) == _mark(name) else None


def members(*names: str) -> list[psutil.Process]:
    """Return the living processes of these services: their leaders and what they started, whoever is its parent."""
    marks = {_mark(name) for name in names}
    return [process for process in psutil.process_iter() if _mark_of(process) in marks]


def end(*names: str, grace_s: float) -> None:
    """End all processes of these services: SIGTERM, and SIGKILL for those that still live `grace_s` seconds later."""
    send(members(*names), signal.SIGTERM)
    if not gone(*names, within_s=grace_s):
        send(members(*names), signal.SIGKILL)
        gone(*names, within_s=10)


def gone(*names: str, within_s: float) -> bool:
    """Wait until these services have no process any more; return whether that came true in time."""
    deadline = time.monotonic() + within_s
    while members(*names):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to those of `processes` that still live."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def note_api(url: str) -> None:
    """Note where this checkout's Prefect API is."""
    _write({**_record(), "api_url": url})


def noted_api() -> str | None:
    """Return the address that this checkout's Prefect API was given, whether or not its server runs."""
    url = _record().get("api_url")
    return str(url) if url else None


def api_url() -> str | None:
    """Return the address of this checkout's Prefect API if its server runs, else None."""
    return noted_api() if leader("server") else None


def forget() -> None:
    """Remove the record of this checkout's services."""
    _RECORD.unlink(missing_ok=True)


def _record() -> dict[str, int | str]:
    try:
        return dict(json.loads(_RECORD.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def _write(record: dict[str, int | str]) -> None:
    whole = _RECORD.with_suffix(".new")
    whole.write_text(json.dumps(record), encoding="utf-8")
    whole.replace(_RECORD)


def _mark(name: str) -> str:
    return f"{HOME.resolve()}:{name}"


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ().get(_MARK)
    except psutil.Error:  # it has ended, or belongs to somebody else
        return None
