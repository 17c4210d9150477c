"""Flows as an operator types them, without a Prefect server: in a process that brings one of its own along."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.real_pictures import REPOSITORY

_SHOW = """
import json
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    artifacts = [(each.key, each.data) for each in client.read_latest_artifacts()]
    tasks = [(run.name, run.state.name) for run in client.read_task_runs()]
print("SHOWN", json.dumps({"artifacts": artifacts, "tasks": tasks}))
"""


@dataclass(frozen=True)
class Ran:
    """A folder after a script, what that printed, and what the UI would show: the last artifact of each key."""

    folder: Path
    printed: str
    tasks: dict[str, str]
    artifacts: dict[str, Any]


def python(folder: Path, *arguments: str, exit_code: int = 0) -> str:
    """Run Python in a folder whose code comes first, see that it ends as expected, and return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    path = os.pathsep.join((str(folder), str(REPOSITORY)))
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**kept, "PYTHONPATH": path, "HOME": str(folder.parent)},
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == exit_code, done.stdout
    return done.stdout


def run(folder: Path, script: str) -> Ran:
    """Run flows against a server that has seen none before, and return what the UI would show."""
    shutil.rmtree(folder / ".prefect", ignore_errors=True)
    printed = python(folder, "-c", f"{script}\n{_SHOW}")
    shown = json.loads(printed.rpartition("SHOWN ")[2].splitlines()[0])
    return Ran(folder, printed, dict(shown["tasks"]), dict(shown["artifacts"]))
