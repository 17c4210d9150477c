"""A Prefect server of its own for a workspace of a test, with workers and the deployments of its prefect.yaml."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, Log, State

from benchmarks.real_pictures import REPOSITORY

MARK = "LIKENESS_SERVICE"


class Server:
    """The services of one workspace."""

    def __init__(self, workspace: Path, port: int) -> None:
        self.workspace = workspace
        self.port = port
        self.api_url = f"http://127.0.0.1:{port}/api"

    def services(self, *arguments: str, exit_code: int | None = 0) -> str:
        """Run `python -m flows.services ARGUMENTS` in the workspace, and return what it printed."""
        return self.run("flows.services", *arguments, exit_code=exit_code)

    def run(self, *arguments: str, exit_code: int | None = 0) -> str:
        """Run `python -m ARGUMENTS` in the workspace, with this server."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.workspace,
            env=environment(self.workspace),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert exit_code in (None, done.returncode), f"{done.stdout}\n{self.logs()}"
        return done.stdout

    def start(self) -> None:
        """Start what does not run: the server, the deployments, the workers."""
        self.services("start", "--port", str(self.port))

    def stop(self, grace_s: float = 20) -> None:
        """End everything, and see that it is gone."""
        self.services("stop", "--grace-s", str(grace_s))
        left = self.processes()
        assert not left, left

    def processes(self, service: str = "") -> list[psutil.Process]:
        """Return the living processes of this workspace, of one of its services (`worker-local`, …) or of all."""
        folder = f"{(self.workspace / '.prefect').resolve()}:"
        return [process for process in psutil.process_iter() if _mark(process).startswith(folder + service)]

    @property
    def client(self) -> SyncPrefectClient:
        """A client of the server."""
        return SyncPrefectClient(self.api_url)

    def run_deployment(self, name: str, parameters: dict[str, Any] | None = None) -> UUID:
        """Have a worker run a deployment as soon as it can; return the id of the flow run."""
        with self.client as client:
            deployment = next(found for found in client.read_deployments() if found.name == name)
            return client.create_flow_run_from_deployment(deployment.id, parameters=parameters or {}).id

    def flow_run(self, flow_run_id: UUID) -> FlowRun:
        """Return a flow run as it is now."""
        with self.client as client:
            return client.read_flow_run(flow_run_id)

    def flow_runs(self, chosen: FlowRunFilter | None = None) -> list[FlowRun]:
        """Return the flow runs."""
        with self.client as client:
            return client.read_flow_runs(flow_run_filter=chosen)

    def wait(self, flow_run_id: UUID, states: str | Sequence[str], seconds: float = 180) -> FlowRun:
        """Wait until a flow run is in a state of one of these names ("Completed", "Suspended", …), and return it."""
        wanted = (states,) if isinstance(states, str) else tuple(states)

        def arrived() -> FlowRun | None:
            found = self.flow_run(flow_run_id)
            return found if found.state and found.state.name in wanted else None

        try:
            return until(arrived, seconds)
        except TimeoutError:
            state = self.flow_run(flow_run_id).state
            words = "\n".join(log.message for log in self.logs_of(flow_run_id))
            raise AssertionError(f"the run is {state!r}, not {wanted}\n{words}\n{self.logs()}") from None

    def state(self, flow_run_id: UUID) -> State[Any]:
        """Return the state of a flow run."""
        state = self.flow_run(flow_run_id).state
        assert state
        return state

    def logs_of(self, flow_run_id: UUID) -> list[Log]:
        """Return what a flow run logged."""
        from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

        with self.client as client:
            return client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id])))

    def slots_taken(self, limit: str) -> int:
        """Return how many slots of a limit are taken: `tag:NAME`, or `deployment:ID`."""
        with self.client as client:
            return client.read_global_concurrency_limit_by_name(limit).active_slots

    def leader(self, service: str) -> psutil.Process:
        """Return the process of a service (`server`, `worker-local`, …) itself."""
        mine = self.processes(service)
        pids = {process.pid for process in mine}
        return next(
            process for process in mine if process.ppid() not in pids and "prefect" in process.cmdline()
        )

    def runs(self, pool: str) -> list[psutil.Process]:
        """Return the processes of the flows at work in a pool, without their children."""
        worker = self.leader(f"worker-{pool}").pid
        return [process for process in self.processes(f"worker-{pool}") if process.ppid() == worker]

    def kill_worker(self, pool: str, with_runs: bool = False) -> None:
        """Kill the worker of a pool with SIGKILL, and with all that it runs if asked for."""
        doomed = self.processes(f"worker-{pool}") if with_runs else [self.leader(f"worker-{pool}")]
        for process in doomed:
            process.send_signal(signal.SIGSTOP)  # none of them may see another die
        kill(doomed)

    def start_worker(self, pool: str) -> None:
        """Start the worker of a pool again, and whatever else does not run."""
        self.start()
        assert self.leader(f"worker-{pool}")

    def logs(self, characters: int = 4000) -> str:
        """Return the ends of what the services logged."""
        found = sorted((self.workspace / ".prefect" / "logs").glob("*.log"))
        return "\n".join(f"== {path.name}\n{path.read_text()[-characters:]}" for path in found)


@contextmanager
def running(workspace: Path, port: int | None = None) -> Iterator[Server]:
    """Start server, deployments and workers for a folder with prefect.yaml and params.yaml; end them all afterwards."""
    server = Server(workspace, port or free_port())
    try:
        server.start()
        yield server
    finally:
        kill(server.processes())


def workspace_with(folder: Path, flows: str, deployments: list[dict[str, Any]], **schedules: str) -> Path:
    """Make a folder with a module `toy_flows`, a prefect.yaml that deploys it, and a params.yaml without sources."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy_flows.py").write_text(flows)
    (folder / "prefect.yaml").write_text(yaml.safe_dump({"deployments": deployments}))
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    sources = {name: {**params["sources"]["demo-portraits"], "count": 2} for name in schedules}
    params |= {"sources": sources, "experiments": {}, "metrics": {"tagger": "none"}}
    params["schedules"] = {"timezone": "UTC", **schedules}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return folder


def environment(workspace: Path) -> dict[str, str]:
    """Return an environment in which nothing of this process's Prefect is left, and this repository's code is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", MARK))}
    return {**kept, "PYTHONPATH": os.pathsep.join((str(workspace), str(REPOSITORY)))}


def until(condition: Callable[[], Any], seconds: float) -> Any:
    """Wait until `condition()` returns something true, and return it; raise `TimeoutError` if it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.5)
    return found


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill(processes: Sequence[psutil.Process]) -> None:
    """Kill processes with SIGKILL and wait until they are gone."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    until(lambda: not any(map(_mark, processes)), 30)


def _mark(process: psutil.Process) -> str:
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.environ().get(MARK, "")
    except psutil.Error:
        return ""
