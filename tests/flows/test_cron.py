"""A schedule of params.yaml really fires: the recrawl appears by itself, and a worker takes what is new in.

On a server on which no schedule ever fires, all looks well: with a wrong version of sqlalchemy just that happens.
"""

from __future__ import annotations

import json
from pathlib import Path

from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun

from tests.crawl.local_site import LocalSite, serving
from tests.flows.server import running, until
from tests.flows.workspaces import publish, recrawl_workspace

IMAGES = 6


def test_the_scheduled_recrawl_of_a_source_runs_by_itself_and_nothing_is_left_behind(tmp_path: Path) -> None:
    site = LocalSite()
    publish(site, "gallery", IMAGES)
    every_minute = {"timezone": "UTC", "gallery": "* * * * *"}
    with serving(site):
        workspace = recrawl_workspace(tmp_path / "workspace", site, schedules=every_minute)
        with running(workspace.folder) as server:

            def completed() -> list[FlowRun]:
                runs = server.flow_runs(FlowRunFilter())
                return [run for run in runs if run.name == "recrawl gallery" and run.state.is_completed()]

            until(completed, 400)
            first = completed()[-1]
            assert first.auto_scheduled
            assert first.parameters == {"source": "gallery"}
            funnel = json.loads((workspace.folder / "data/catalogue/funnel.json").read_text())
            assert funnel["gallery"]["crawled"] == IMAGES

            server.stop()
            assert server.processes() == []
