"""Prefect for this checkout: the server, a worker for each pool, and the deployments.

`python -m flows.services start|stop|status`: `start` leaves alone what runs and starts what does not; all of it goes
on when the terminal is closed. Nothing starts it again after a reboot: docs/operations.md has units for systemd.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Literal

import psutil
import requests
import typer

from flows import leash, processes

_WORKERS = tuple(f"worker-{pool}" for pool in processes.POOLS)
_START_S = 300  # the first start of a server writes its tables
_SERVER_GRACE_S = _WORKER_GRACE_S = 20
_RUNS_GRACE_S = leash.GRACE_S + 30.0

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


class CannotStart(RuntimeError):
    """A service does not come up; the message says why and what to do."""


@app.command()
def start(port: Annotated[int, typer.Option(help="where the UI is to be, on this machine")] = 4200) -> None:
    """Start what does not run yet, and bring the deployments of prefect.yaml to the server."""
    with _one_at_a_time():
        try:
            url = _serve(port)
            _deploy(url)
            _work(url)
        except CannotStart as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        typer.echo(f"open {url.removesuffix('/api')}")


@app.command()
def stop(
    grace_s: Annotated[
        float, typer.Option(help="seconds for runs to end in order, as trainings do")
    ] = _RUNS_GRACE_S,
) -> None:
    """End the runs in progress, the workers and the server of this checkout, and nothing else."""
    with _one_at_a_time():
        _end_workers(grace_s)
        processes.end("server", grace_s=_SERVER_GRACE_S)
        processes.forget()
        typer.echo("stopped")


@app.command()
def status() -> None:
    """Say what runs; exit with 1 if something does not."""
    url = processes.api_url()
    if url and not _healthy(url):
        typer.echo(f"server: does not answer at {url}; see {processes.LOGS}/server.log")
    for name in ("server", *_WORKERS):
        process = processes.leader(name)
        typer.echo(f"{name}: " + (f"runs, process {process.pid}" if process else "does not run"))
    if url:
        typer.echo(f"open {url.removesuffix('/api')}")
    if not (url and _healthy(url) and all(map(processes.leader, _WORKERS))):
        raise typer.Exit(1)


@app.command()
def run(
    service: Annotated[
        Literal["server", "local", "gpu"], typer.Argument(help="The server, or a pool's worker.")
    ],
    port: Annotated[int, typer.Option(help="where the UI is to be, on this machine")] = 4200,
) -> None:
    """Become one service, in the foreground: for systemd and the like, which start it again themselves."""
    command = ["server", "start", "--port", str(port)] if service == "server" else _worker(service)
    os.execv(sys.executable, [sys.executable, "-m", "prefect", *command])


def _worker(pool: str) -> list[str]:
    return ["worker", "start", "--type", "process", "--pool", pool, "--name", _known_as(pool)]


def _serve(port: int) -> str:
    """Start the server if it does not run, wait until it answers, and return the address of its API."""
    url = _api_url(port)
    noted = processes.noted_api()
    if noted not in (None, url) and processes.members("server", *_WORKERS):
        raise CannotStart(
            f"This checkout's services belong to {noted.removesuffix('/api')}. "
            "Give that port, or end them: make ui-stop"
        )
    if not processes.leader("server"):
        processes.end("server", grace_s=_SERVER_GRACE_S)  # what is left of one that was killed holds its port
        _check_free(port)
        processes.start("server", "prefect", "server", "start", "--port", str(port), environment=_reach(url))
        processes.note_api(url)
        if not _runs():  # a worker that lost its server for minutes may have given up, without ending yet
            processes.end(*_WORKERS, grace_s=_WORKER_GRACE_S)
    _await("server", lambda: _healthy(url))
    return url


def _deploy(url: str) -> None:
    done = subprocess.run([sys.executable, "-m", "flows.deploy"], env={**os.environ, **_reach(url)})
    if done.returncode:
        raise CannotStart("The deployments could not be made: see above.")


def _work(url: str) -> None:
    """Start the workers that do not run, one after the other: SQLite has one writer."""
    for pool, name in zip(processes.POOLS, _WORKERS, strict=True):
        if not processes.leader(name):
            processes.start(name, "prefect", *_worker(pool), environment=_reach(url))
        _await(name, partial(_is_online, pool, url))


def _end_workers(grace_s: float) -> None:
    """End the runs in progress, which tell the server so as long as their worker lives, then the workers."""
    deadline = time.monotonic() + grace_s
    told: set[psutil.Process] = set()
    while (runs := _runs()) and time.monotonic() < deadline:
        processes.send(runs - told, signal.SIGTERM)  # a worker may have begun another one meanwhile
        told |= runs
        time.sleep(0.2)
    processes.end(*_WORKERS, grace_s=0 if runs else _WORKER_GRACE_S)


def _runs() -> leash.Processes:
    """Return the processes of the runs, also of workers that were killed; what a leash holds is left to it."""
    workers = {worker.pid for name in _WORKERS if (worker := processes.leader(name))}
    return leash.leaders({each for each in processes.members(*_WORKERS) if each.pid not in workers})


def _await(name: str, condition: Callable[[], bool]) -> None:
    """Wait until `condition()` holds; raise `CannotStart` if the service ends, or takes too long."""
    deadline = time.monotonic() + _START_S
    while not condition():
        if not processes.leader(name) or time.monotonic() > deadline:
            raise CannotStart(f"{name} does not come up; see {processes.LOGS}/{name}.log")
        time.sleep(0.5)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CannotStart(
                f"Port {port} is taken, by another program or by another checkout's UI. "
                f"Choose another: make ui PORT={port + 1}"
            ) from None


def _healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=5).ok
    except requests.RequestException:
        return False


def _is_online(pool: str, url: str) -> bool:
    """Whether the server has heard of this checkout's worker of a pool lately."""
    try:
        answer = requests.post(f"{url}/work_pools/{pool}/workers/filter", json={}, timeout=60)
        answer.raise_for_status()
    except requests.RequestException:
        return False
    return any(worker["name"] == _known_as(pool) and worker["status"] == "ONLINE" for worker in answer.json())


def _known_as(pool: str) -> str:
    return f"{pool}@{socket.gethostname()}"


def _api_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


def _reach(url: str) -> dict[str, str]:
    return {"PREFECT_API_URL": url, "PREFECT_HOME": str(processes.HOME.absolute())}


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait for another start or stop of this checkout to end."""
    processes.HOME.mkdir(exist_ok=True)
    with (processes.HOME / "services.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    app()
