"""One flow at a time in a workspace, one training at a time on an experiment, and no leftovers of dead flows."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Barrier

import psutil
import pytest

from flows import leash, workspace

HOLDS = """
import sys, time
from flows import workspace
with workspace.taken("recrawl", "quick-fox"):
    print("taken", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_flow() -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(workspace.__file__).parent.parent)}
    flow = subprocess.Popen([sys.executable, "-c", HOLDS], env=environment, stdout=subprocess.PIPE, text=True)
    assert flow.stdout is not None
    assert flow.stdout.readline() == "taken\n"
    try:
        yield flow
    finally:
        flow.kill()
        flow.communicate()


def orphan(folder: Path, *command: str, **environment: str) -> psutil.Process:
    """Start a command that descends from no living flow."""
    shell = f"{' '.join(command)} > /dev/null 2>&1 & echo $!"
    started = subprocess.run(
        ["bash", "-c", shell],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    return psutil.Process(int(started.stdout))


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_second_flow_is_told_who_works_here_and_what_to_do(in_folder: Path) -> None:
    with (
        another_flow() as flow,
        pytest.raises(workspace.Taken) as refusal,
        workspace.taken("repro", "slow-owl"),
    ):
        pass
    for said in ("recrawl", "quick-fox", str(flow.pid), "since 20", "cancel"):
        assert said in str(refusal.value)


def test_a_flow_may_wait_for_its_turn(in_folder: Path) -> None:
    lines: list[str] = []
    with another_flow() as flow, ThreadPoolExecutor() as pool:
        ending = pool.submit(lambda: (time.sleep(1), flow.kill()))
        with workspace.taken("repro", "slow-owl", wait_s=30, log=lines.append):
            assert "slow-owl" in workspace.WORKSPACE_LOCK.read_text()
        ending.result()
    assert len(lines) == 1
    assert "quick-fox" in lines[0]


def test_a_killed_flow_holds_nothing(in_folder: Path) -> None:
    with another_flow() as flow:
        flow.kill()
        flow.wait()
        with workspace.taken("repro", "slow-owl"):
            pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_gives_the_workspace_back(in_folder: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), workspace.taken("repro", "slow-owl"):
        raise error
    assert workspace.marker() == {}
    with workspace.taken("repro", "slow-owl"):
        pass


def test_two_flows_of_one_process_take_turns_too(in_folder: Path) -> None:
    with workspace.taken("repro", "a"), pytest.raises(workspace.Taken), workspace.taken("repro", "b"):
        pass


def test_others_can_read_who_works_here(in_folder: Path) -> None:
    with workspace.taken("repro", "slow-owl"):
        about = json.loads(workspace.WORKSPACE_LOCK.read_text())
    assert (about["flow"], about["run"], about["pid"]) == ("repro", "slow-owl", os.getpid())
    assert not workspace.WORKSPACE_LOCK.read_text()


def test_a_stage_typed_by_hand_is_named(in_folder: Path) -> None:
    lock = in_folder / workspace.WORKSPACE_LOCK
    lock.parent.mkdir()
    code = f"import fcntl, time; file = open({str(lock)!r}, 'a'); fcntl.flock(file, fcntl.LOCK_SH)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; print(1, flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
        text=True,
    ) as stage:
        assert stage.stdout is not None
        stage.stdout.readline()
        with (
            pytest.raises(workspace.Taken, match=f"by hand .* {stage.pid} "),
            workspace.taken("repro", "slow-owl"),
        ):
            pass
        stage.kill()


def test_what_is_left_of_another_flow_is_not_what_the_message_says(in_folder: Path) -> None:
    """A command that holds the lock without a word, over the words of a flow that was killed."""
    lock = in_folder / workspace.WORKSPACE_LOCK
    with another_flow():
        pass
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(workspace.Taken) as refusal, workspace.taken("repro", "slow-owl"):
            pass
    assert "quick-fox" not in str(refusal.value)


def test_children_are_marked_with_the_turn_that_they_work_in(in_folder: Path) -> None:
    assert workspace.marker() == {}
    lock = str(in_folder / ".state/flow.lock")
    training = str(in_folder / ".state/train-small.lock")
    with workspace.taken("recrawl", "r"):
        assert workspace.marker() == {"LIKENESS_FLOW": lock}
        with workspace.training("small", "r"):
            assert workspace.marker() == {"LIKENESS_FLOW": lock, "LIKENESS_TRAINING": training}
        assert workspace.marker() == {"LIKENESS_FLOW": lock}
    with workspace.training("small", "r"):
        assert workspace.marker() == {"LIKENESS_FLOW": training, "LIKENESS_TRAINING": training}


def test_any_thread_of_a_flow_works_in_its_workspace(in_folder: Path) -> None:
    with workspace.taken("recrawl", "r"), ThreadPoolExecutor() as pool:
        assert pool.submit(workspace.marker).result() == workspace.marker()


def test_trainings_side_by_side_do_not_bear_each_other_s_mark(in_folder: Path) -> None:
    meet = Barrier(2, timeout=30)

    def mark(experiment: str) -> str:
        with workspace.training(experiment, "r"):
            meet.wait()
            found = workspace.marker()["LIKENESS_TRAINING"]
            meet.wait()
            return Path(found).name

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(mark, ["small", "large"])) == ["train-small.lock", "train-large.lock"]


def test_an_experiment_is_trained_once_at_a_time_beside_a_recrawl(in_folder: Path) -> None:
    with (
        another_flow(),
        workspace.training("small", "slow-owl"),
        workspace.training("large", "slow-owl"),
        pytest.raises(workspace.Taken, match="training of small is taken by the flow train"),
        workspace.training("small", "other"),
    ):
        pass


def test_what_a_killed_flow_left_running_is_ended(in_folder: Path) -> None:
    left = orphan(in_folder, "sleep", "60", LIKENESS_FLOW=str(in_folder / workspace.WORKSPACE_LOCK))
    lines: list[str] = []
    with workspace.taken("repro", "slow-owl", log=lines.append):
        assert gone(left)
    assert str(left.pid) in lines[0]


Turn = Callable[..., AbstractContextManager[None]]


@pytest.mark.parametrize(
    ("take", "variable", "lock"),
    [
        (lambda: workspace.taken("repro", "r"), "LIKENESS_FLOW", "elsewhere/.state/flow.lock"),
        (lambda: workspace.training("small", "r"), "LIKENESS_FLOW", ".state/flow.lock"),
        (lambda: workspace.training("small", "r"), "LIKENESS_TRAINING", ".state/train-large.lock"),
    ],
    ids=["another workspace", "the data", "another experiment"],
)
def test_the_work_of_others_goes_on(in_folder: Path, take: Turn, variable: str, lock: str) -> None:
    other = orphan(in_folder, "sleep", "60", **{variable: str(in_folder / lock)})
    try:
        with take():
            assert not gone(other)
    finally:
        other.kill()


def test_a_training_inside_a_recrawl_is_ended_by_the_next_training_too(in_folder: Path) -> None:
    marks = {"LIKENESS_FLOW": ".state/flow.lock", "LIKENESS_TRAINING": ".state/train-small.lock"}
    left = orphan(in_folder, "sleep", "60", **{name: str(in_folder / lock) for name, lock in marks.items()})
    with workspace.training("small", "r"):
        assert gone(left)


def test_what_this_flow_has_started_itself_goes_on(in_folder: Path) -> None:
    mark = {"LIKENESS_FLOW": str(in_folder / workspace.WORKSPACE_LOCK)}
    with (
        subprocess.Popen(["sleep", "60"], env={**os.environ, **mark}) as child,
        workspace.taken("repro", "r"),
    ):
        assert child.poll() is None
        child.kill()


def test_an_orphan_that_does_not_listen_is_killed(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leash, "GRACE_S", 0)
    monkeypatch.setattr(workspace, "_LONGER_THAN_A_LEASH_S", 0.5)
    lock = str(in_folder / workspace.WORKSPACE_LOCK)
    (in_folder / "deaf.py").write_text(
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path('deaf').touch()\n"
        "time.sleep(60)\n"
    )
    left = orphan(in_folder, sys.executable, "deaf.py", LIKENESS_FLOW=lock)
    while not (in_folder / "deaf").exists():
        time.sleep(0.05)
    with workspace.taken("repro", "slow-owl"):
        assert gone(left)


def test_an_orphan_on_a_leash_is_asked_once(in_folder: Path) -> None:
    """A second SIGTERM would make a training drop what it is saving."""
    (in_folder / "saves.py").write_text(
        "import pathlib, signal, time\n"
        "told = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: told.append(1))\n"
        "pathlib.Path('ready').touch()\n"
        "while not told: time.sleep(0.05)\n"
        "time.sleep(2)\n"
        "pathlib.Path('saved').write_text(str(len(told)))\n"
    )
    lock = str(in_folder / workspace.WORKSPACE_LOCK)
    command = (sys.executable, leash.__file__, sys.executable, "saves.py")
    with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE) as owner:
        held = f"< /proc/{owner.pid}/fd/1"  # a pipe that stays open: the leash does not know that its owner is gone
        orphan(in_folder, "setsid", *command, held, LIKENESS_FLOW=lock)
        while not (in_folder / "ready").exists():
            time.sleep(0.05)
        with workspace.taken("repro", "slow-owl"):
            assert (in_folder / "saved").read_text() == "1"
        owner.kill()
