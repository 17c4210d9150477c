"""A schedule of params.yaml really fires: its run appears by itself, and a worker completes it."""

from __future__ import annotations

from pathlib import Path

from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun

from tests.flows.server import running, until, workspace_with

# A server on which no schedule ever fires still starts and shows every deployment as ready: with a wrong version of
# sqlalchemy just that happens.
FLOWS = """
from pathlib import Path
from prefect import flow

@flow
def recrawl(source: str):
    Path(source).write_text("crawled")
"""
DEPLOYMENTS = [{"name": "recrawl", "entrypoint": "toy_flows.recrawl", "work_pool": {"name": "local"}}]


def test_the_scheduled_recrawl_of_a_source_runs_by_itself_and_nothing_is_left_behind(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path / "workspace", FLOWS, DEPLOYMENTS, **{"demo-portraits": "* * * * *"})
    with running(workspace) as server:

        def completed() -> list[FlowRun]:
            return [
                run for run in server.flow_runs(FlowRunFilter()) if run.state and run.state.is_completed()
            ]

        until(completed, 140)
        first = completed()[-1]
        assert first.auto_scheduled
        assert first.parameters == {"source": "demo-portraits"}
        assert (workspace / "demo-portraits").read_text() == "crawled"

        server.stop()
        assert server.processes() == []
