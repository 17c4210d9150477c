"""kill -9 of whatever works on a recrawl: nothing lives on, and the next recrawl ends as if nothing had been killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, StateType

from benchmarks.workspace import Workspace
from tests.crawl.local_site import LocalSite, serving
from tests.flows.server import Server, kill, until
from tests.flows.workspaces import held, made, publish, recrawl_by_hand, recrawl_workspace, working_in

SOURCE = "gallery"
# The stage colors, when its tables are written and DVC does not know of it yet.
_AT_END = """
import time
from pathlib import Path
while Path("hold").exists():
    Path("at-end").touch()
    time.sleep(0.1)
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
pictures = 12


@pytest.fixture(scope="module")
def site() -> Iterator[LocalSite]:
    """A site whose gallery has more pictures in each test."""
    site = LocalSite()
    publish(site, SOURCE, pictures)
    with serving(site):
        yield site


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, site: LocalSite) -> Workspace:
    """A workspace that has crawled the site, and in which the stage colors can be held at its end."""
    workspace = recrawl_workspace(tmp_path_factory.mktemp("recovery") / "workspace", site, (SOURCE,))
    (workspace.folder / "at_end.py").write_text(_AT_END)
    stages = workspace.folder / "dvc.yaml"
    colors = "python -m pipeline colors ${key}"
    stages.write_text(stages.read_text().replace(colors, f"{colors} && python at_end.py"))
    workspace.dvc("repro", "--quiet", "catalogue")
    return workspace


@contextmanager
def halfway(place: str, workspace: Workspace, site: LocalSite) -> Iterator[Callable[[], object]]:
    """Keep a recrawl in the middle of the crawl, or at the end of colors; yield what waits until it is there."""
    if place == "crawl":
        with held(site, SOURCE) as gate:
            yield lambda: gate.reached.wait(120) or pytest.fail("never crawled")
        return
    hold, reached = (workspace.folder / name for name in ("hold", "at-end"))
    reached.unlink(missing_ok=True)
    hold.touch()
    try:
        yield lambda: until(reached.exists, 120)
    finally:
        hold.unlink()


def slots(server: Server) -> int:
    """Return how many runs of the deployment the server believes to be at work."""
    with server.client as client:
        found = next(found for found in client.read_deployments() if found.name == "recrawl")
        assert found.global_concurrency_limit
        return found.global_concurrency_limit.active_slots


def tasks_left_running(server: Server) -> list[str]:
    """Return the names of the tasks that the UI shows as at work, of runs that have ended."""
    still = TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.RUNNING]))
    ended = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES)))
    with server.client as client:
        found = client.read_task_runs(
            flow_run_filter=FlowRunFilter(state=ended), task_run_filter=TaskRunFilter(state=still)
        )
    return [run.name for run in found]


def doomed(killed: str, workspace: Workspace) -> list[psutil.Process]:
    """Return DVC, or what holds DVC on its leash, or the stage."""
    words = {"dvc": ["-m", "dvc"], "leash": ["-P"], "stage": ["-m", "pipeline"]}[killed]
    return [each for each in working_in(workspace.folder) if each.cmdline()[1 : 1 + len(words)] == words]


def strike(killed: str, server: Server, workspace: Workspace) -> None:
    """Kill what a test is about, with SIGKILL."""
    if killed == "flow":
        kill(server.runs("local"))
    elif killed == "worker":
        server.kill_worker("local")
    elif killed == "worker and flow":
        worker = server.leader("worker-local")
        both = [worker, *server.runs("local")]
        for process in both:
            process.suspend()  # neither may see the other die
        kill(both)
    else:
        (victim,) = doomed(killed, workspace)
        kill([victim])


@pytest.mark.parametrize(
    ("killed", "place", "states"),
    [
        ("flow", "crawl", ["Crashed"]),
        ("flow", "colors", ["Crashed"]),
        ("worker", "crawl", ["Completed", "Crashed"]),  # the first where it can do without the worker
        ("dvc", "crawl", ["Completed"]),  # tried again
        ("dvc", "colors", ["Completed"]),
        ("leash", "crawl", ["Completed"]),
        ("stage", "crawl", ["Completed"]),
        ("worker and flow", "crawl", ["Crashed"]),
        ("worker and flow", "colors", ["Crashed"]),
    ],
)
def test_the_next_recrawl_heals(
    killed: str,
    place: str,
    states: list[str],
    server: Server,
    workspace: Workspace,
    undisturbed: Workspace,
    site: LocalSite,
) -> None:
    global pictures
    pictures += 4
    publish(site, SOURCE, pictures)
    with halfway(place, workspace, site) as reached:
        run = server.run_deployment("recrawl", {"source": SOURCE})
        reached()
        began = time.monotonic()
        strike(killed, server, workspace)
        if killed != "worker":  # a flow outlives its worker
            until(lambda: not working_in(workspace.folder), 60)
            gone_s = time.monotonic() - began
            print(f"{killed} at {place}: its processes are gone after {gone_s:.0f} s", flush=True)
    ended = server.wait(run, states, 400).state
    assert ended
    print(f"{killed} at {place}: {ended.name} after {time.monotonic() - began:.0f} s: {ended.message}")
    until(lambda: slots(server) == 0, 60)
    print(f"{killed} at {place}: the slot is free after {time.monotonic() - began:.0f} s", flush=True)
    if killed in ("worker", "worker and flow"):
        server.start_worker("local")
    server.wait(server.run_deployment("recrawl", {"source": SOURCE}), "Completed")
    recrawl_by_hand(undisturbed, SOURCE)
    assert made(workspace) == made(undisturbed)
    assert "up to date" in workspace.dvc("status", "--with-deps", "catalogue")
    assert working_in(workspace.folder) == []


def test_tasks_of_killed_runs_do_not_look_at_work_for_ever(server: Server) -> None:
    def mended() -> bool:
        server.wait(server.run_deployment("monitor"), ("Completed", "Failed", "Cancelled"))
        return not tasks_left_running(server)

    until(mended, 400)
    with server.client as client:
        messages = {run.state.message for run in client.read_task_runs() if run.state}
    assert "Its run ended without it." in messages
