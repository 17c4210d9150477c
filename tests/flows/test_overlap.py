"""Recrawls, reruns and people who meet in one workspace: one works, the others are told why they do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.workspace import Workspace
from tests.crawl.local_site import LocalSite, serving
from tests.flows.server import Server
from tests.flows.workspaces import held, made, publish, recrawl_by_hand, recrawl_workspace

SOURCE, OTHER = "gallery", "other"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def site() -> Iterator[LocalSite]:
    """A site with two galleries."""
    site = LocalSite()
    publish(site, SOURCE, 12)
    publish(site, OTHER, 4)
    with serving(site):
        yield site


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, site: LocalSite) -> Workspace:
    """A workspace whose catalogue has both galleries."""
    workspace = recrawl_workspace(tmp_path_factory.mktemp("overlap") / "workspace", site, (SOURCE, OTHER))
    workspace.dvc("repro", "--quiet", "catalogue")
    return workspace


def typed(workspace: Workspace, *arguments: str) -> str:
    """Return what DVC tells somebody whose command it refuses."""
    process = workspace.start("dvc", *arguments)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode, printed
    return printed


def test_whoever_comes_while_a_recrawl_works_is_told_so_and_harms_nothing(
    server: Server, workspace: Workspace, undisturbed: Workspace, site: LocalSite
) -> None:
    publish(site, SOURCE, 20)
    with held(site, SOURCE) as gate:
        pair = [server.run_deployment("recrawl", {"source": SOURCE}) for _ in range(2)]
        assert gate.reached.wait(120)
        states = {run: server.wait(run, ("Running", "Cancelled")).state for run in pair}
        assert sorted(str(state.name) for state in states.values() if state) == ["Cancelled", "Running"]
        (at_work,) = (run for run, state in states.items() if state and state.name == "Running")
        (cancelled,) = (state for state in states.values() if state and state.name == "Cancelled")
        assert cancelled.message == "Deployment concurrency limit reached."

        name = server.flow_run(at_work).name
        rerun = server.wait(server.run_deployment("repro"), "Cancelled").state
        assert rerun
        assert f"this workspace is taken by the flow recrawl (run {name}, process " in (rerun.message or "")
        assert "Wait until it has ended, or cancel its run in the Prefect UI" in (rerun.message or "")

        # Somebody types: DVC itself refuses what the recrawl works on, and a stage refuses what it does not.
        same = typed(workspace, "repro")
        assert "is busy, it is being blocked by" in same
        another = typed(workspace, "repro", "--force", "--single-item", f"crawl@{OTHER}")
        assert f".state/flow.lock: the flow recrawl (run {name}, process " in another
        assert "wait until it has ended, or cancel its run, then type this again" in another

        gate.opened.set()
        server.wait(at_work, "Completed")
    recrawl_by_hand(undisturbed, SOURCE)
    assert made(workspace) == made(undisturbed)
    assert "up to date" in workspace.dvc("status", "--with-deps", "catalogue")


def test_a_recrawl_leaves_somebody_who_types_alone_and_says_why(
    server: Server, workspace: Workspace, undisturbed: Workspace, site: LocalSite
) -> None:
    publish(site, SOURCE, 28)
    with held(site, SOURCE) as gate:
        person = workspace.start("dvc", "repro", "--force", "--single-item", f"crawl@{SOURCE}")
        assert gate.reached.wait(120)
        for deployment, parameters in (("recrawl", {"source": OTHER}), ("repro", {})):
            cancelled = server.wait(server.run_deployment(deployment, parameters), "Cancelled").state
            assert cancelled
            said = cancelled.message or ""
            assert "this workspace is not free: a stage that was started by hand is running here" in said
            assert f"-m pipeline crawl {SOURCE})" in said
        gate.opened.set()
        printed, _ = person.communicate(timeout=120)
        assert person.returncode == 0, printed
    server.wait(server.run_deployment("recrawl", {"source": SOURCE}), "Completed")
    recrawl_by_hand(undisturbed, SOURCE)
    assert made(workspace) == made(undisturbed)
    assert "up to date" in workspace.dvc("status", "--with-deps", "catalogue")
