"""DVC as a child process: streamed, failing loudly, and gone when its parent is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import bridge


@pytest.fixture
def project(in_folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    return in_folder


def write_stages(folder: Path, **commands: str) -> None:
    stages = "".join(f"  {name}:\n    cmd: {command}\n" for name, command in commands.items())
    (folder / "dvc.yaml").write_text("stages:\n" + stages)


def test_every_line_of_a_stage_is_logged(project: Path) -> None:
    write_stages(project, greet="echo hello && echo again")
    lines: list[str] = []
    bridge.dvc("repro", "greet", log=lines.append)
    assert {"hello", "again"} <= set(lines)


def test_a_failed_stage_raises_with_its_last_words(project: Path) -> None:
    write_stages(project, fail="echo the reason is here && exit 3")
    with pytest.raises(bridge.DvcFailed, match="the reason is here"):
        bridge.dvc("repro", "fail", log=lambda line: None)


def test_stages_are_named_as_params_expand_them(project: Path) -> None:
    (project / "params.yaml").write_text("sources: {one: {}, two: {}}\n")
    (project / "dvc.yaml").write_text(
        "stages:\n  crawl:\n    foreach: ${sources}\n    do:\n      cmd: echo ${key}\n  report:\n    cmd: echo done\n"
    )
    assert bridge.stage_names() == ["crawl@one", "crawl@two", "report"]


def test_an_interrupted_flow_leaves_no_stage_behind(project: Path) -> None:
    (project / "wait.py").write_text(
        "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    )
    write_stages(project, wait="python wait.py")
    # A shell that starts the tests in the background has them ignore SIGINT, and they would hand that on.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from flows import bridge; bridge.dvc('repro', 'wait', log=print)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(bridge.__file__).parent.parent)}
    flow = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)
    pid = wait_for(project / "pid")
    flow.send_signal(signal.SIGINT)
    flow.wait(timeout=30)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    raise AssertionError("the stage's process lives on")


def wait_for(file: Path) -> str:
    for _ in range(300):
        if file.exists() and file.read_text():
            return file.read_text()
        time.sleep(0.1)
    raise AssertionError("the stage did not start")
