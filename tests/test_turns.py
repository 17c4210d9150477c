"""Stages typed by people run beside each other, never beside a flow, except those that the flow has started."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.real_pictures import REPOSITORY
from pipeline.errors import UserError
from pipeline.turns import ENVIRONMENT, LOCK, turn

TAKE = "from pipeline.turns import turn\nwith turn({alone}):\n    print('mine', flush=True)\n    input()"


@pytest.fixture
def checkout(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is a workspace, and a process that no flow has started."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    Path("params.yaml").touch()
    return in_folder


@contextmanager
def other_process(alone: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Another process whose turn it is."""
    with subprocess.Popen(
        [sys.executable, "-c", TAKE.format(alone=alone)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "mine\n"
            yield process
        finally:
            process.kill()


@contextmanager
def flow(pid: int | None = None) -> Iterator[None]:
    """A flow at work, which has said who it is."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        said = {
            "flow": "recrawl",
            "run": "proud-otter",
            "pid": pid or os.getpid(),
            "since": "2026-01-31T04:00:00",
        }
        os.pwrite(file.fileno(), json.dumps(said).encode(), 0)
        yield


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_stages_that_people_type_run_beside_each_other(checkout: Path) -> None:
    with other_process(), turn(), turn():
        assert LOCK.exists()


def test_while_a_flow_works_a_stage_says_which_and_what_to_do(checkout: Path) -> None:
    said = (
        rf"flow\.lock: the flow recrawl \(run proud-otter, process {os.getpid()}\) is at work here "
        "since 2026-01-31T04:00:00; wait until it has ended, or cancel its run, then type this again"
    )
    with flow(), pytest.raises(UserError, match=said), turn():
        pytest.fail("it would have worked beside the flow")
    with turn():
        pass


def test_words_that_a_dead_flow_left_are_not_repeated(checkout: Path) -> None:
    with flow(dead_pid()), pytest.raises(UserError) as refused, turn():
        pytest.fail("it would have worked beside somebody")
    assert "a flow, a stage that was typed or a command of the quarantine is at work here" in str(
        refused.value
    )
    assert "proud-otter" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_holder_that_says_nothing_readable_is_respected_too(checkout: Path, text: str) -> None:
    with other_process(alone=True):
        LOCK.write_text(text)
        with pytest.raises(UserError, match="is at work here; wait"), turn():
            pytest.fail("it would have worked beside somebody")


def test_what_a_flow_starts_works_under_its_turn(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for lock in ("flow.lock", "train-demo.lock"):
        monkeypatch.setenv(ENVIRONMENT, str(checkout / ".state" / lock))
        with flow(), turn(), turn(alone=True):
            pass


def test_a_flow_of_another_workspace_gives_no_turn_here(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(checkout / "elsewhere" / ".state" / "flow.lock"))
    with flow(), pytest.raises(UserError, match="is at work here"), turn():
        pytest.fail("it would have worked beside the flow")


def test_who_needs_to_be_alone_waits_for_stages_too(checkout: Path) -> None:
    with other_process() as stage:
        with pytest.raises(UserError, match="a stage that was typed"), turn(alone=True):
            pytest.fail("it would have worked beside a stage")
        stage.kill()
        stage.wait()
        with turn(alone=True):
            pass


def test_a_turn_ends_with_an_error(checkout: Path) -> None:
    with pytest.raises(ZeroDivisionError), turn(alone=True):
        raise ZeroDivisionError
    with turn(alone=True):
        pass


def test_outside_of_a_workspace_nothing_is_left_behind(in_folder: Path) -> None:
    with turn(), turn(alone=True):
        assert not LOCK.parent.exists()
