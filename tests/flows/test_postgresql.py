"""Prefect on a real PostgreSQL, as several worker machines need it: migrations, a cron schedule, two workers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import requests

from tests.flows.server import environment, free_port, until

PROGRAMS = next((file.parent for file in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
PASSWORD = "a word that nobody guesses"
WORKERS = ("first-machine", "second-machine")
FLOW = '''
import time

from prefect import flow


@flow
def count(seconds: float = 0) -> None:
    """Keep a worker's one place for a while."""
    time.sleep(seconds)


if __name__ == "__main__":
    from pathlib import Path

    here = count.from_source(source=str(Path(__file__).parent), entrypoint="counting.py:count")
    here.deploy(name="every-minute", work_pool_name="local", cron="* * * * *", print_next_steps=False)
'''

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        PROGRAMS is None, reason="PostgreSQL's server is missing (Debian: apt install postgresql)"
    ),
]


class Prefect(NamedTuple):
    api: str
    folder: Path
    environment: dict[str, str]

    def ask(self, path: str, **body: object) -> Any:
        answer = requests.post(f"{self.api}{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def runs(self) -> list[dict[str, Any]]:
        return self.ask("/flow_runs/filter", sort="EXPECTED_START_TIME_ASC")

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout

    @contextmanager
    def started(self, name: str, *arguments: str, **more: str) -> Iterator[None]:
        """Have `prefect ARGUMENTS` at work, with `more` in its environment; NAME.log is what it says."""
        with (
            (self.folder / f"{name}.log").open("w") as log,
            process(
                [sys.executable, "-m", "prefect", *arguments],
                cwd=self.folder,
                env=self.environment | more,
                stdout=log,
                stderr=subprocess.STDOUT,
            ),
        ):
            yield

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@contextmanager
def process(
    command: list[str], stop: signal.Signals = signal.SIGTERM, **options: Any
) -> Iterator[psutil.Popen]:
    """Have a program at work; at the end nothing of it is left, or the test fails."""
    child = psutil.Popen(command, **options)
    try:
        yield child
    finally:
        family = [child]
        with suppress(psutil.NoSuchProcess):
            family += child.children(recursive=True)
            child.send_signal(stop)
        _, alive = psutil.wait_procs(family, timeout=60)
        for each in alive:
            each.kill()
    assert not alive, f"{command} had to be killed: {alive}"


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The address of an empty database in a cluster of its own, which asks for a password."""
    assert PROGRAMS is not None
    port = str(free_port())
    with tempfile.TemporaryDirectory(prefix="likeness-postgresql-") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        # The server refuses to run as root.
        unprivileged = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        )
        if unprivileged:
            shutil.chown(folder, "postgres", "postgres")
        as_user: dict[str, Any] = {"cwd": folder, **unprivileged}
        where = ("-h", "127.0.0.1", "-p", port)
        safe = ("--pwfile=password", "--auth=scram-sha-256", "--username=likeness")
        quick = ("--no-sync", "--locale=C.UTF-8")
        subprocess.run(
            [PROGRAMS / "initdb", "-D", "data", *safe, *quick], check=True, capture_output=True, **as_user
        )
        with (
            (folder / "log").open("w") as log,
            process(
                [str(PROGRAMS / "postgres"), "-D", "data", *where, "-k", name],
                stop=signal.SIGINT,
                stdout=log,
                stderr=subprocess.STDOUT,
                **as_user,
            ),
        ):
            ready = [str(PROGRAMS / "pg_isready"), "-q", *where]
            until(lambda: subprocess.run(ready).returncode == 0, 60)
            subprocess.run(
                [PROGRAMS / "createdb", *where, "-U", "likeness", "likeness"],
                check=True,
                env={"PGPASSWORD": PASSWORD},
            )
            yield f"postgresql+asyncpg://likeness:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/likeness"


@pytest.fixture
def prefect(tmp_path: Path, postgresql: str) -> Iterator[Prefect]:
    """A Prefect server on that database, and two workers without it that run one flow each at a time."""
    port = str(free_port())
    api = f"http://127.0.0.1:{port}/api"
    settings = {
        **environment(tmp_path),
        "HOME": str(tmp_path),
        "PREFECT_HOME": str(tmp_path / ".prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    prefect = Prefect(api, tmp_path, settings)
    with ExitStack() as running:
        database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": postgresql}
        start = ("server", "start", "--host", "127.0.0.1", "--port", port)
        running.enter_context(prefect.started("server", *start, **database))
        until(lambda: answers(f"{api}/health"), 180)
        prefect.run("-m", "prefect", "work-pool", "create", "local", "--type", "process")
        for name in WORKERS:
            options = ("--pool", "local", "--type", "process", "--name", name, "--limit", "1")
            running.enter_context(prefect.started(name, "worker", "start", *options))
        yield prefect


def test_a_schedule_fires_and_two_workers_share_the_runs(prefect: Prefect) -> None:
    (prefect.folder / "counting.py").write_text(FLOW)
    prefect.run("counting.py")
    (deployment,) = prefect.ask("/deployments/filter")
    for _ in WORKERS:
        prefect.ask(f"/deployments/{deployment['id']}/create_flow_run", parameters={"seconds": 20})

    def completed() -> list[dict[str, Any]]:
        done = [run for run in prefect.runs() if run["state_type"] == "COMPLETED"]
        by_schedule = [run for run in done if run["auto_scheduled"]]
        return done if by_schedule and len(done) - len(by_schedule) == len(WORKERS) else []

    done = until(completed, 300)
    assert not [run for run in prefect.runs() if run["state_type"] in ("FAILED", "CRASHED")]
    for name in WORKERS:
        said = prefect.said(name)
        assert any(run["id"] in said for run in done), said
    said = prefect.said("server")
    assert "database is locked" not in said
    assert "Traceback" not in said, said
    assert not list((prefect.folder / ".prefect").glob("*.db*"))
