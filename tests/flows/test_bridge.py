"""DVC and the pipeline as child processes: streamed, failing in words, and gone however their flow dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flows import bridge, children, workspace

FLOW = """
import signal
from flows import bridge, workspace
# A shell that starts the tests in the background has them ignore SIGINT, and they would hand that on.
signal.signal(signal.SIGINT, signal.default_int_handler)
with workspace.taken("repro", "run"):
    bridge.dvc("repro", "--single-item", "work", log=print)
"""
WORK = """
import os, pathlib, time
pathlib.Path("pid").write_text(str(os.getpid()))
while not pathlib.Path("go").exists():
    time.sleep(0.05)
pathlib.Path("out").write_text("done")
"""


@pytest.fixture
def project(in_folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    return in_folder


def write_stages(folder: Path, **commands: str) -> None:
    stages = "".join(f"  {name}:\n    cmd: {command}\n" for name, command in commands.items())
    (folder / "dvc.yaml").write_text("stages:\n" + stages)


@pytest.fixture
def working(project: Path) -> Path:
    """A project whose stage works until there is a file `go`, in a shell of its own."""
    (project / "work.py").write_text(WORK)
    (project / "dvc.yaml").write_text("stages:\n  work:\n    cmd: python work.py && true\n    outs: [out]\n")
    return project


def write_pipeline(folder: Path, code: str) -> None:
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "__init__.py").touch()
    (folder / "pipeline" / "__main__.py").write_text(f"import json, sys\n{code}\n")


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_every_line_of_a_stage_is_logged(project: Path) -> None:
    write_stages(project, greet="echo hello && echo again")
    lines: list[str] = []
    bridge.dvc("repro", "greet", log=lines.append)
    assert {"hello", "again"} <= set(lines)


def test_lines_come_as_they_are_printed_and_the_flow_may_look_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage ends only after its first line was seen and the flow has looked twice while it said nothing."""
    monkeypatch.setattr(children, "_WATCH_EVERY_S", 0.1)
    write_stages(project, wait="echo waiting && while [ ! -e go ]; do sleep 0.1; done")
    lines: list[str] = []
    looks: list[int] = []

    def watch() -> None:
        if "waiting" in lines:
            looks.append(1)
        if len(looks) == 2:
            (project / "go").touch()

    bridge.dvc("repro", "wait", log=lines.append, watch=watch)
    assert len(looks) >= 2


def test_a_look_that_fails_does_not_end_the_stage(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_WATCH_EVERY_S", 0.1)
    write_stages(project, slow="sleep 1 && echo done")
    lines: list[str] = []

    def watch() -> None:
        raise ConnectionError("no server")

    bridge.dvc("repro", "slow", log=lines.append, watch=watch)
    assert "done" in lines
    assert "could not show how far it is: ConnectionError: no server" in lines


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"on", b"e\n\n  \n", b"rest"], ["one", "rest"]),
        (
            [b"caf\xc3", b"\xa9\r\n\xff\n"],
            ["caf\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{REPLACEMENT CHARACTER}"],
        ),
        ([b"\r 1%", b"\r 2%", b"\r100%\n", b"done\n"], ["100%", "done"]),
        ([b"\x1b[31mred\x1b[0m\n"], ["red"]),
    ],
    ids=["lines", "pieces", "letters", "a progress bar", "colours"],
)
def test_lines_are_what_a_terminal_would_keep(printed: list[bytes], lines: list[str]) -> None:
    cutter = children.Lines()
    assert [line for piece in printed for line in cutter.add(piece)] + list(cutter.rest()) == lines


def test_of_a_long_progress_bar_a_state_is_seen_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(children.time, "monotonic", lambda: now[0])
    cutter = children.Lines()
    seen = []
    for second in range(31):
        now[0] = second
        seen += cutter.add(f"\r{second} s".encode())
    assert len(seen) == 3


def test_a_failed_stage_raises_with_its_last_words(project: Path) -> None:
    write_stages(project, fail="echo the reason is here && exit 3")
    with pytest.raises(bridge.DvcFailed, match="the reason is here") as failure:
        bridge.dvc("repro", "fail", log=lambda line: None)
    assert not isinstance(failure.value, bridge.StageRefused)


def test_a_stage_that_refuses_is_told_from_one_that_fails(project: Path) -> None:
    write_stages(project, refuse="echo 'params.yaml, sources.a, there is no such site' && exit 2")
    with pytest.raises(bridge.StageRefused) as refusal:
        bridge.dvc("repro", "refuse", log=lambda line: None)
    assert str(refusal.value) == "params.yaml, sources.a, there is no such site"


def test_a_stage_that_refuses_without_a_word_is_named(project: Path) -> None:
    write_stages(project, refuse="exit 2")
    with pytest.raises(bridge.StageRefused, match="failed to reproduce 'refuse'"):
        bridge.dvc("repro", "refuse", log=lambda line: None)


def test_another_dvc_at_work_is_waited_for(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BETWEEN_TRIES_S", 0.5)
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "work"], env=children.environment()
    ) as other:
        wait_for((working / "pid").exists, "the stage did not start")
        lines: list[str] = []

        def log(line: str) -> None:
            lines.append(line)
            if "waits for another DVC command" in line:
                (working / "go").touch()

        bridge.dvc("repro", "work", log=log)
    assert f"(PID {other.pid})" in "\n".join(lines)
    assert "Stage 'work' didn't change, skipping" in lines


def test_patience_ends_with_the_name_of_who_blocks(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "PATIENCE_S", 0)
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "work"], env=children.environment()
    ) as other:
        wait_for((working / "pid").exists, "the stage did not start")
        with pytest.raises(bridge.Busy, match=rf"PID {other.pid}.*dvc.* repro work\nWait until"):
            bridge.dvc("repro", "work", log=lambda line: None)
        (working / "go").touch()


def test_dvc_s_lock_is_waited_for_and_its_holder_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC itself gives up after three seconds, or waits without a word."""
    monkeypatch.setattr(children, "_WATCH_EVERY_S", 4)
    write_stages(project, greet="echo hello")
    code = "import time, zc.lockfile; lock = zc.lockfile.LockFile('.dvc/tmp/lock'); print(1, flush=True)"
    # A shell's child, so that it does not descend from the flow's process once that has ended.
    shell = ["bash", "-c", f'{sys.executable} -c "{code}; time.sleep(60)" & echo $!']
    with subprocess.Popen(shell, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        holder = int(max(other.stdout.readline(), other.stdout.readline(), key=len))
        lines: list[str] = []

        def log(line: str) -> None:
            lines.append(line)
            if "waits for DVC's lock" in line:
                os.kill(holder, signal.SIGKILL)

        bridge.dvc("repro", "greet", log=log)
    assert f"process {holder} " in lines[0]
    assert "hello" in lines


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="half", marks=pytest.mark.long),
        pytest.param('{"write": 1}', id="something else", marks=pytest.mark.long),
    ],
)
def test_a_list_of_locks_that_dvc_left_half_written_is_removed(project: Path, content: str) -> None:
    write_stages(project, greet="echo hello")
    (project / ".dvc/tmp").mkdir(exist_ok=True)
    (project / ".dvc/tmp/rwlock").write_text(content)
    lines: list[str] = []
    bridge.dvc("repro", "greet", log=lines.append)
    assert "hello" in lines


def test_stages_are_named_as_params_expand_them(project: Path) -> None:
    (project / "params.yaml").write_text("sources: {one: {}, two: {}}\n")
    (project / "dvc.yaml").write_text(
        "stages:\n  crawl:\n    foreach: ${sources}\n    do:\n      cmd: echo ${key}\n  report:\n    cmd: echo done\n"
    )
    assert bridge.stage_names() == ["crawl@one", "crawl@two", "report"]


def test_the_graph_says_what_each_stage_depends_on_and_lists_that_first(project: Path) -> None:
    (project / "dvc.yaml").write_text(
        "stages:\n"
        "  report: {cmd: a, deps: [data/b, c], outs: [d]}\n"
        "  align: {cmd: a, deps: [data/a], outs: [data/b]}\n"
        "  crawl: {cmd: a, outs: [data/a]}\n"
        "  other: {cmd: a, outs: [c]}\n"
    )
    graph = bridge.stage_graph()
    assert list(graph.items()) == [
        ("crawl", []),
        ("align", ["crawl"]),
        ("other", []),
        ("report", ["align", "other"]),
    ]


def test_a_dvc_yaml_that_cannot_be_read_is_said_in_dvc_s_words(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages: {crawl: {outs: [a]}}\n")
    with pytest.raises(bridge.PipelineFailed, match="cmd"):
        bridge.stage_graph()


def test_the_pipeline_answers_in_json(project: Path) -> None:
    write_pipeline(project, "print('a word beside it', file=sys.stderr); print(json.dumps(sys.argv[1:]))")
    assert bridge.ask("watch", "growth") == ["watch", "growth", "--json"]


def test_a_question_that_is_refused_raises_what_the_pipeline_said(project: Path) -> None:
    write_pipeline(project, "print('{'); sys.exit('there is no source x')")
    with pytest.raises(bridge.PipelineFailed, match=r"^there is no source x$") as failure:
        bridge.ask("watch", "recrawl", "x")
    assert failure.value.returncode == 1


def test_an_answer_that_is_no_json_is_shown(project: Path) -> None:
    write_pipeline(project, "print('Traceback')")
    with pytest.raises(bridge.PipelineFailed, match=r"watch growth did not answer in JSON.*Traceback"):
        bridge.ask("watch", "growth")


def test_a_command_of_the_pipeline_is_streamed(project: Path) -> None:
    write_pipeline(project, "print('held'); sys.exit(len(sys.argv) - 2)")
    lines: list[str] = []
    bridge.pipeline("quarantine", log=lines.append)
    assert lines == ["held"]
    with pytest.raises(bridge.PipelineFailed, match="held"):
        bridge.pipeline("quarantine", "hold", log=lines.append)


def test_children_bear_the_mark_of_the_flow(project: Path) -> None:
    write_pipeline(project, "import os; print(json.dumps(os.environ.get('LIKENESS_FLOW')))")
    with workspace.taken("repro", "run"):
        assert bridge.ask() == str(project / ".state/flow.lock")
    assert bridge.ask() is None


def start_flow(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, psutil.Process]]:
    """Start a flow and wait until its stage works; return it and the processes under it by name, topmost first."""
    environment = {**os.environ, "PYTHONPATH": str(Path(bridge.__file__).parent.parent)}
    flow = subprocess.Popen([sys.executable, "-c", FLOW], cwd=folder, env=environment, start_new_session=True)
    wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text(), "the stage did not start")
    below = psutil.Process(flow.pid).children(recursive=True)
    return flow, {
        "flow": psutil.Process(flow.pid),
        **dict(zip(["leash", "dvc", "shell", "stage"], below, strict=True)),
    }


def living(processes: dict[str, psutil.Process]) -> list[str]:
    return [
        name
        for name, process in processes.items()
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def finish(folder: Path) -> None:
    """Run the stage once more as the next flow would."""
    (folder / "go").touch()
    with workspace.taken("repro", "next"):
        bridge.dvc("repro", "--single-item", "work", log=print)
    assert (folder / "out").read_text() == "done"
    assert "out" in (folder / "dvc.lock").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_flow_leaves_no_stage_behind(working: Path, number: signal.Signals) -> None:
    flow, processes = start_flow(working)
    flow.send_signal(number)
    flow.wait(timeout=60)
    wait_for(lambda: not living(processes), "the stage's process lives on")


RARER = ("shell", "flow leash", "flow dvc", "leash dvc")


@pytest.mark.parametrize(
    "victims",
    [
        "flow",
        "leash",
        "dvc",
        "flow leash dvc",
        *(pytest.param(rarer, marks=pytest.mark.long) for rarer in RARER),
    ],
)
def test_whatever_is_killed_nothing_lives_on_and_the_next_flow_heals(working: Path, victims: str) -> None:
    flow, processes = start_flow(working)
    for victim in victims.split():
        processes[victim].kill()
    alone = "flow leash" in victims  # nobody is left to end the others: the next flow does
    wait_for(lambda: flow.poll() is not None and (alone or not living(processes)), "the stage lives on")
    assert flow.returncode != 0
    finish(working)
    assert not living(processes)


def test_a_retry_waits_for_the_stage_that_the_interrupted_try_left(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training may take longer to save than Prefect lets a flow live; its task may be tried again in that time."""
    monkeypatch.setattr(children, "_TO_END_S", 0.1)
    (project / "save.py").write_text(
        "import pathlib, signal, time\n"
        "told = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: told.append(1))\n"
        "print('training')\n"
        "while not told: time.sleep(0.05)\n"
        "time.sleep(2)\n"
        "pathlib.Path('saved').touch()\n"
    )
    write_stages(project, train="python save.py", again="ls")

    def cancel(line: str) -> None:
        if line == "training":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bridge.dvc("repro", "train", log=cancel)
    assert not (project / "saved").exists()
    lines: list[str] = []
    bridge.dvc("repro", "again", log=lines.append)
    assert "saved" in lines
