"""A command that does not outlive whoever started it: `python -m flows.leash COMMAND…`.

The command leads a process group of its own. The group is ended when the leash's standard input closes (its owner
is gone, however it died), on SIGTERM, SIGINT or SIGHUP, and when the command ends before its children do: kill -9 of
DVC leaves its stage running. Ending is one SIGTERM to each process, for a training saves a checkpoint on the first
and drops everything on the second, and SIGKILL after `GRACE_S`.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

GRACE_S = 120
_STRAGGLING_S = (
    1  # processes that end by themselves right after the command, such as Python's resource trackers
)
_TO_DIE_S = 10
_TICK_S = 0.1
_ORDERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Processes = set[psutil.Process]


def main() -> None:
    """Run the command line and exit as the command did; 128 + the signal's number if one ended it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=int, help="the reading end of the command's output, as a descriptor")
    parser.add_argument("--grace", type=float, default=GRACE_S, help="seconds from SIGTERM to SIGKILL")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.command:
        parser.error("which command?")
    sys.exit(hold(options.command, options.grace, options.output))


def hold(command: list[str], grace_s: float = GRACE_S, output: int | None = None) -> int:
    """Run `command` until it ends or this process is told to end it, and return its exit code.

    `output` is a second descriptor of the pipe that the owner reads. It is emptied once the owner is gone: a training
    that cannot print would die of that instead of saving its checkpoint.
    """
    owner = os.getppid()
    signals = _signals()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    group = child.pid
    deserted = _wait(child, signals)

    def meanwhile() -> None:
        child.poll()
        if output is not None and os.getppid() != owner:
            _empty(output)

    def members() -> Processes:
        return living(lambda process: os.getpgid(process.pid) == group)

    if not deserted:
        _wait_until(lambda: not members(), _STRAGGLING_S)
    end(members, grace_s, meanwhile=meanwhile)
    code = child.poll()
    return 128 + signal.SIGKILL if code is None else code if code >= 0 else 128 - code


def living(belongs: Callable[[psutil.Process], bool]) -> Processes:
    """Return the processes that `belongs` is true of, without zombies and those that it may not ask."""
    found = set()
    for process in psutil.process_iter():
        try:
            if belongs(process) and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process)
        except (psutil.Error, OSError):
            continue
    return found


def end(
    find: Callable[[], Processes],
    grace_s: float,
    *,
    tell: Callable[[Processes], Processes] = lambda living: living,
    meanwhile: Callable[[], None] = lambda: None,
) -> bool:
    """End what `find` finds until it finds nothing more; return whether that came to pass.

    Of them, those that `tell` returns get SIGTERM, each once. After `grace_s` seconds all get SIGKILL.
    """
    told: Processes = set()
    started = time.monotonic()
    while remaining := find():
        waited_s = time.monotonic() - started
        if waited_s > grace_s + _TO_DIE_S:
            return False
        if waited_s > grace_s:
            _send(signal.SIGKILL, remaining)
        else:
            _send(signal.SIGTERM, tell(remaining) - told)
            told |= tell(remaining)
        meanwhile()
        time.sleep(_TICK_S)
    return True


def leaders(processes: Processes) -> Processes:
    """Return those that nobody else among them will end: a leash leads its session, and ends the others in it."""
    ids = {process.pid for process in processes}
    return {
        process
        for process in processes
        if (session := _session(process)) == process.pid or session not in ids
    }


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except OSError:  # it is gone
        return None


def _signals() -> int:
    """Return a descriptor on which the numbers of this process's signals can be read."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (*_ORDERS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reading


def _wait(child: subprocess.Popen[bytes], signals: int) -> bool:
    """Wait for the child's end or an order to end it; return whether it was the order."""
    while child.poll() is None:
        ready, _, _ = select.select([0, signals], [], [])
        if signals in ready and set(os.read(signals, 64)) & set(_ORDERS):
            return True
        if 0 in ready and not os.read(0, 64):
            return True
    return False


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(_TICK_S)


def _empty(pipe: int) -> None:
    while select.select([pipe], [], [], 0)[0] and os.read(pipe, 1 << 16):
        pass


def _send(number: signal.Signals, processes: Processes) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue


if __name__ == "__main__":
    main()
