"""A command on a leash ends with its owner, its children end with it, and it is asked before it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from flows import leash

STARTED = "import os, pathlib; pathlib.Path('pid').write_text(str(os.getpid()));"
# Notes each SIGTERM, and prints more than a pipe holds before it ends, as a training that saves its checkpoint.
SAVES = (
    "import os, pathlib, signal, sys, time\n"
    "told = []\n"
    "signal.signal(signal.SIGTERM, lambda *_: told.append(1))\n"
    "pathlib.Path('pid').write_text(str(os.getpid()))\n"
    "while not told: time.sleep(0.05)\n"
    "for _ in range(10): print('saving' * 4000, flush=True); time.sleep(0.1)\n"
    "pathlib.Path('saved').write_text(str(len(told)))\n"
)
STUBBORN = f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STARTED} time.sleep(60)"


def on_leash(*command: str, grace_s: float = 20) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, leash.__file__, f"--grace={grace_s}", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def started(folder: Path) -> psutil.Process:
    wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
    return psutil.Process(int((folder / "pid").read_text()))


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_command_prints_and_exits_as_without_a_leash() -> None:
    child = on_leash("sh", "-c", "echo hello; exit 3")
    assert child.stdout is not None
    assert child.stdout.read() == "hello\n"
    assert child.wait() == 3


def test_a_command_that_a_signal_ended_exits_as_in_a_shell() -> None:
    assert on_leash("sh", "-c", "kill -9 $$").wait() == 128 + signal.SIGKILL


def test_a_command_reads_nothing_and_does_not_hold_the_owner_s_pipe() -> None:
    child = on_leash("cat")
    assert child.wait() == 0


def test_the_command_ends_when_the_pipe_of_its_owner_closes(in_folder: Path) -> None:
    child = on_leash(*python(f"{STARTED} import time; time.sleep(60)"))
    command = started(in_folder)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait() == 128 + signal.SIGTERM
    assert gone(command)


def test_the_command_ends_with_its_leash(in_folder: Path) -> None:
    child = on_leash(*python(f"{STARTED} import time; time.sleep(60)"))
    command = started(in_folder)
    child.send_signal(signal.SIGINT)
    child.wait()
    assert gone(command)


def test_a_command_is_asked_once_however_often_its_leash_is(in_folder: Path) -> None:
    child = on_leash(*python(SAVES))
    started(in_folder)
    for _ in range(3):
        child.terminate()
        time.sleep(0.2)
    child.communicate()
    assert (in_folder / "saved").read_text() == "1"


def test_a_command_that_does_not_listen_is_killed(in_folder: Path) -> None:
    child = on_leash(*python(STUBBORN), grace_s=0.5)
    started(in_folder)
    child.terminate()
    assert child.wait() == 128 + signal.SIGKILL


def test_what_a_command_leaves_behind_ends_with_it(in_folder: Path) -> None:
    on_leash(
        "sh", "-c", f'{sys.executable} -c "{STARTED} import time; time.sleep(60)" & sleep 0.5; kill -9 $$'
    ).wait()
    assert gone(started(in_folder))


def test_a_training_whose_flow_was_killed_can_print_while_it_saves(in_folder: Path) -> None:
    (in_folder / "saves.py").write_text(SAVES)
    flow = subprocess.Popen(
        python(f"from flows import children; children.stream([{sys.executable!r}, 'saves.py'], print, None)"),
        env={**os.environ, "PYTHONPATH": str(Path(leash.__file__).parent.parent)},
    )
    command = started(in_folder)
    flow.kill()
    flow.wait()
    wait_for(lambda: gone(command))
    assert (in_folder / "saved").read_text() == "1"
