"""The flow as a whole, against a temporary Prefect server of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.real_pictures import REPOSITORY

STAGES = """
stages:
  first:
    cmd: echo 1 > one
    outs: [one]
  catalogue:
    cmd: mkdir -p data/catalogue && cp funnel.json data/catalogue/
    deps: [one]
"""
COUNTS = {"demo": {"discovered": 3, "kept": 2, "rejected": {"detect": {"no_face": 1}}}}


@pytest.fixture
def project(in_folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    (in_folder / "dvc.yaml").write_text(STAGES)
    (in_folder / "funnel.json").write_text(json.dumps(COUNTS))
    return in_folder


def test_the_flow_runs_every_stage_and_publishes_the_funnel(project: Path) -> None:
    code = """
from flows.repro import repro
repro()
from prefect.client.orchestration import get_client
client = get_client(sync_client=True)
print("ARTIFACTS", [artifact.key for artifact in client.read_artifacts()])
print("TASKS", sorted(run.name for run in client.read_task_runs()))
"""
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "HOME": str(project)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    assert "ARTIFACTS ['funnel']" in done.stdout
    assert "'catalogue', 'first'" in done.stdout
    assert (project / "one").read_text() == "1\n"
    assert (project / ".prefect").is_dir()


def test_the_funnel_is_a_row_for_each_source(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import repro

    monkeypatch.setattr(repro, "FUNNEL", project / "funnel.json")
    (row,) = repro.funnel_table()
    assert row == {"source": "demo", "discovered": 3, "kept": 2, "rejected": '{"detect": {"no_face": 1}}'}
