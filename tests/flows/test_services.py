"""Server and workers that nobody looks at: started, killed in every way, healed, and ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.flows.server import MARK, Server, kill, running, until, workspace_with

# A run ends when the file `go` appears. A training takes seconds to write its checkpoint when it is told to end.
FLOWS = '''
import socket, subprocess, sys, time
from pathlib import Path
from prefect import flow, suspend_flow_run, task

TRAINING = """
import signal, sys, time
from pathlib import Path
def end(*_):
    time.sleep(4)
    Path("checkpoint").write_text("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
Path("training").touch()
time.sleep(600)
"""

def wait_for(path):
    while not Path(path).exists():
        time.sleep(0.2)

@flow
def recrawl(source: str = "faces"):
    wait_for("go")

@flow
def asking():
    time.sleep(5)  # a sign of life that reaches the server after the suspension would start the watch anew
    suspend_flow_run(timeout=3600)

@flow
def train():
    child = subprocess.Popen([sys.executable, "-c", TRAINING], start_new_session=True)
    try:
        child.wait()
    finally:
        child.terminate()
        child.wait()

@task(tags=["gpu", f"gpu-{socket.gethostname()}"])
def on_gpu(until: str):
    Path(f"on-gpu-{until}").touch()
    wait_for(until)

@flow
def two_on_gpu(until: str = "go"):
    on_gpu(until)
'''
DEPLOYMENTS = [
    {
        "name": "recrawl",
        "entrypoint": "toy_flows.recrawl",
        "work_pool": {"name": "local"},
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
    },
    {"name": "train", "entrypoint": "toy_flows.train", "work_pool": {"name": "gpu"}},
    {"name": "asking", "entrypoint": "toy_flows.asking", "work_pool": {"name": "local"}},
    {"name": "gpu", "entrypoint": "toy_flows.two_on_gpu", "work_pool": {"name": "gpu"}},
]
GPU = f"tag:gpu-{socket.gethostname()}"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(workspace_with(tmp_path_factory.mktemp("services") / "one", FLOWS, DEPLOYMENTS)) as server:
        yield server


@pytest.fixture
def go(server: Server) -> Iterator[Path]:
    """What lets the runs of a test end."""
    path = server.workspace / "go"
    path.unlink(missing_ok=True)
    yield path
    path.touch()


@pytest.fixture
def neighbour() -> Iterator[subprocess.Popen[bytes]]:
    """A process like the server of another checkout."""
    marked = {**os.environ, MARK: "/another/checkout/.prefect:server"}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=marked) as process:
        yield process
        process.kill()


def deployment_slots(server: Server, name: str) -> int:
    with server.client as client:
        found = next(found for found in client.read_deployments() if found.name == name)
        assert found.global_concurrency_limit
        return found.global_concurrency_limit.active_slots


def began(server: Server, deployment: str) -> UUID:
    run = server.run_deployment(deployment)
    server.wait(run, "Running")
    return run


def test_starting_again_leaves_alone_what_runs_and_starts_what_died(server: Server) -> None:
    before = {name: server.leader(name).pid for name in ("server", "worker-local", "worker-gpu")}
    assert "worker-gpu: runs" in server.services("status")

    server.kill_worker("gpu")
    assert "worker-gpu: does not run" in server.services("status", exit_code=1)
    server.start()
    after = {name: server.leader(name).pid for name in before}
    assert after["worker-gpu"] != before["worker-gpu"]
    assert (after["server"], after["worker-local"]) == (before["server"], before["worker-local"])


def test_a_killed_server_comes_back_with_fresh_workers_and_what_it_knew(server: Server) -> None:
    before = server.leader("worker-local").pid
    known = {run.id for run in server.flow_runs()}
    kill(server.processes("server"))
    assert "server: does not run" in server.services("status", exit_code=1)
    server.start()
    assert server.leader("worker-local").pid != before
    assert known <= {run.id for run in server.flow_runs()}


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(workspace_with(tmp_path, FLOWS, DEPLOYMENTS), port)
        printed = server.services("start", "--port", str(port), exit_code=1)
    assert f"Port {port} is taken" in printed
    assert f"make ui PORT={port + 1}" in printed


def test_another_port_for_a_server_that_runs_is_refused(server: Server) -> None:
    assert f"belong to http://127.0.0.1:{server.port}" in server.services("start", "--port", "4", exit_code=1)


def test_a_flow_typed_by_hand_appears_in_the_ui(server: Server) -> None:
    (server.workspace / "typed.py").write_text("import flows, toy_flows\ntoy_flows.recrawl('typed')\n")
    (server.workspace / "go").touch()
    server.run("typed")
    assert {"source": "typed"} in [run.parameters for run in server.flow_runs()]


def test_of_two_recrawls_at_once_the_second_is_cancelled_and_says_why(server: Server, go: Path) -> None:
    first = began(server, "recrawl")
    second = server.wait(server.run_deployment("recrawl"), "Cancelled")
    assert second.state
    assert second.state.message == "Deployment concurrency limit reached."
    go.touch()
    server.wait(first, "Completed")
    assert deployment_slots(server, "recrawl") == 0


def test_a_run_outlives_a_kill_of_the_server(server: Server, go: Path) -> None:
    run = began(server, "recrawl")
    kill(server.processes("server"))
    server.start()
    go.touch()
    server.wait(run, "Completed")
    assert deployment_slots(server, "recrawl") == 0


def test_a_killed_run_is_crashed_by_its_worker_and_the_next_one_runs(server: Server, go: Path) -> None:
    run = began(server, "recrawl")
    kill(server.runs("local"))
    server.wait(run, "Crashed")
    go.touch()
    server.wait(server.run_deployment("recrawl"), "Completed")


def test_a_run_outlives_a_kill_of_its_worker(server: Server, go: Path) -> None:
    run = began(server, "recrawl")
    server.kill_worker("local")
    server.start()
    go.touch()
    server.wait(run, "Completed")


def test_run_and_worker_killed_at_once_free_their_slots_again(server: Server, go: Path) -> None:
    waits_for_operator = server.run_deployment("asking")
    server.wait(waits_for_operator, "Suspended")
    run, on_gpu = began(server, "recrawl"), began(server, "gpu")
    until(lambda: (server.workspace / "on-gpu-go").exists(), 60)
    assert (deployment_slots(server, "recrawl"), server.slots_taken(GPU)) == (1, 1)
    server.kill_worker("local", with_runs=True)
    server.kill_worker("gpu", with_runs=True)

    until(lambda: server.slots_taken(GPU) == 0, 300)
    for zombie in (run, on_gpu):
        crashed = server.wait(zombie, "Crashed", 300)
        assert crashed.state
        assert "No sign of life" in (crashed.state.message or "")
    assert (deployment_slots(server, "recrawl"), server.slots_taken(GPU)) == (0, 0)
    assert server.state(waits_for_operator).name == "Suspended"

    server.start()
    go.touch()
    server.wait(server.run_deployment("recrawl"), "Completed")
    server.wait(server.run_deployment("gpu"), "Completed")


def test_two_tasks_for_one_gpu_run_one_after_the_other(server: Server) -> None:
    with server.client as client:
        deployment = next(found for found in client.read_deployments() if found.name == "gpu")
        first, second = (
            client.create_flow_run_from_deployment(deployment.id, parameters={"until": name}).id
            for name in "ab"
        )
    files = [server.workspace / f"on-gpu-{name}" for name in "ab"]
    server.wait(first, "Running")
    server.wait(second, "Running")
    until(lambda: any(path.exists() for path in files), 60)
    time.sleep(10)  # the other had its chance
    begun = [path.exists() for path in files]
    assert sum(begun) == 1
    for name in "ab" if begun[0] else "ba":
        (server.workspace / name).touch()
    server.wait(first, "Completed")
    server.wait(second, "Completed")


def test_runs_that_nobody_took_for_a_while_do_not_pile_up(server: Server, go: Path) -> None:
    server.kill_worker("local")
    late = [server.run_deployment("recrawl") for _ in range(3)]
    for run in late:
        server.wait(run, "Late")
    server.start()
    states = [server.wait(run, ("Running", "Cancelled")).state for run in late]
    assert sorted(state.name for state in states if state) == ["Cancelled", "Cancelled", "Running"]


# The last one: nothing of this server is left.
def test_stopping_lets_a_training_save_its_checkpoint_and_touches_no_other_checkout(
    server: Server, neighbour: subprocess.Popen[bytes]
) -> None:
    run = began(server, "train")
    until(lambda: (server.workspace / "training").exists(), 60)
    server.stop(grace_s=60)
    assert (server.workspace / "checkpoint").read_text() == "saved"
    assert neighbour.poll() is None
    assert "server: does not run" in server.services("status", exit_code=1)

    server.start()
    assert server.state(run).name == "Crashed"
    assert server.state(run).message == "Execution was aborted by a termination signal."
    server.stop()
