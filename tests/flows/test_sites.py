"""Sites that are down, that show other pictures or have new HTML: what a real server's runs make of it, and say."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
import yaml
from prefect.client.schemas.filters import (
    ArtifactCollectionFilter,
    ArtifactCollectionFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.input.run_input import keyset_from_paused_state
from prefect.states import Running, Scheduled

from benchmarks.workspace import Workspace
from flows.monitor import monitor
from tests.crawl.local_site import LocalSite, serving
from tests.flows.galleries import Gallery, placeholder, portrait
from tests.flows.server import Server, running, until
from tests.flows.workspaces import made, recrawl_workspace, working_in

pytestmark = pytest.mark.long

# Enough to say what is usual, and what is not.
COUNT = 24
SQUARES = ("steady", "flaky", "drifting")
FACES = "faces"


class Project(NamedTuple):
    """A workspace with its server, and the galleries that its sources crawl."""

    workspace: Workspace
    server: Server
    galleries: dict[str, Gallery]

    def begin(self, source: str, **parameters: Any) -> UUID:
        """Have a worker recrawl a source."""
        return self.server.run_deployment("recrawl", {"source": source, **parameters})

    def recrawl(self, source: str, state: str = "Completed", **parameters: Any) -> FlowRun:
        """Recrawl a source, and see that the run ends as expected."""
        return self.server.wait(self.begin(source, **parameters), state)

    def monitor(self, state: str) -> FlowRun:
        """Look whether all is well."""
        return self.server.wait(self.server.run_deployment("monitor"), state)

    def resume(self, run: FlowRun, decision: str) -> FlowRun:
        """Decide as the UI's form does, and see the run through."""
        with self.server.client as client:
            answer = client.resume_flow_run(run.id, run_input={"decision": decision})
        assert answer.status.value == "ACCEPT", answer
        return self.server.wait(run.id, ("Completed", "Discarded"))

    def artifact(self, key: str) -> str:
        """Return the last artifact of a key."""
        wanted = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=[key]))
        with self.server.client as client:
            (found,) = client.read_latest_artifacts(artifact_filter=wanted)
        return str(found.data)

    def images(self, source: str) -> int:
        """Return how many images of a source the catalogue knows."""
        funnel = json.loads((self.workspace.folder / "data/catalogue/funnel.json").read_text())
        return int(funnel[source]["crawled"])

    def files(self, source: str) -> dict[str, str]:
        """Return the hashes of a source's data."""
        return {name: value for name, value in made(self.workspace).items() if f"/{source}/" in name}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with serving(LocalSite()) as site, serving(LocalSite()) as flaky:
        galleries = {name: Gallery(flaky if name == "flaky" else site, name, COUNT) for name in SQUARES}
        galleries[FACES] = Gallery(site, FACES)
        galleries[FACES].add(COUNT, portrait)
        workspace = recrawl_workspace(tmp_path_factory.mktemp("sites") / "project", site, list(galleries))
        sources = workspace.params()["sources"]
        sources["flaky"]["start"] = f"http://127.0.0.1:{flaky.port}/flaky/"
        sources[FACES]["domain"] = "photo"
        workspace.set(sources=sources)
        without_schedules(workspace)
        workspace.dvc("repro", "--quiet", "catalogue")
        with running(workspace.folder) as server:
            yield Project(workspace, server, galleries)


def without_schedules(workspace: Workspace) -> None:
    """Have nothing run but what a test begins: of two runs of the monitor at once one would be cancelled."""
    path = workspace.folder / "prefect.yaml"
    shipped = yaml.safe_load(path.read_text())
    path.write_text(
        yaml.safe_dump(
            {**shipped, "deployments": [{**each, "schedules": []} for each in shipped["deployments"]]}
        )
    )


def test_where_all_is_well_the_monitor_says_so(project: Project) -> None:
    project.monitor("Completed")
    assert "🟢 All is well" in project.artifact("health")
    rows = json.loads(project.artifact("sources"))
    assert {row["source"]: row[""] for row in rows} == dict.fromkeys(project.galleries, "🟢")


def test_a_site_that_is_down_fails_in_words_and_harms_nothing(project: Project) -> None:
    gallery = project.galleries["flaky"]
    before = project.files("flaky")
    gallery.add(3)
    with gallery.down():
        run = project.server.wait(project.begin("flaky", site_down_retries_s=[3600]), "AwaitingRetry")
        assert project.artifact("recrawl-flaky").startswith("# 🟡 flaky does not answer")
        assert "HTTP 500" in project.artifact("recrawl-flaky")

        # Until then neither the place of the deployment nor the workspace is taken.
        project.galleries["steady"].add(2)
        project.recrawl("steady")
        assert project.images("steady") == COUNT + 2
        assert project.images("flaky") == COUNT, "of before"

        pass_time(project, run)
        project.server.wait(run.id, "Failed")
        words = project.artifact("recrawl-flaky")
        assert words.startswith("# 🔴 SiteDown")
        assert "HTTP 500" in words
        assert "What was there before is unharmed; the next recrawl asks again." in words
        assert project.files("flaky") == before

        project.monitor("Failed")
        said = project.artifact("health")
        assert re.search(r"flaky: its crawl of .* failed: .*HTTP 500.*; the next recrawl tries again", said)
    project.recrawl("flaky")
    assert project.images("flaky") == COUNT + 3
    project.monitor("Completed")


def pass_time(project: Project, run: FlowRun) -> None:
    """Let it be time for a run that waits."""
    with project.server.client as client:
        client.set_flow_run_state(run.id, Scheduled(), force=True)


def tries(project: Project, run: FlowRun, task: str) -> int:
    """Return how often a task of a run was begun."""
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    with project.server.client as client:
        found = client.read_task_runs(flow_run_filter=chosen)
    return sum(each.run_count for each in found if each.name == task)


def test_other_pictures_wait_for_an_operator_and_come_in_when_approved(project: Project) -> None:
    before = project.files("drifting")
    project.galleries["drifting"].add(COUNT, placeholder)
    run = project.recrawl("drifting", "Suspended")
    until(lambda: not project.server.runs("local"), 60)
    assert not working_in(project.workspace.folder)
    assert project.files("drifting") == before

    # Neither the place of the deployment nor the workspace is taken, and nobody sees what is held back.
    project.galleries["steady"].add(1)
    seen = project.images("steady")
    project.recrawl("steady")
    assert (project.images("steady"), project.images("drifting")) == (seen + 1, COUNT)

    second = project.recrawl("drifting", "Cancelled")
    assert second.state
    assert f"the run {run.name} ({run.id}) waits for a decision" in str(second.state.message)

    assert request(project, run)["properties"]["decision"]["enum"] == ["approve", "discard"]
    words = description(project, run)
    assert "**The recrawl of drifting is unlike those before it: the new faces differ in" in words
    assert "![new images](data:image/webp;base64," in words
    project.monitor("Failed")
    assert "drifting: a recrawl is in quarantine since" in project.artifact("health")

    asked = project.galleries["drifting"].site.asked["/drifting/"]
    project.resume(run, "approve")
    assert project.images("drifting") == 2 * COUNT
    assert project.galleries["drifting"].site.asked["/drifting/"] == asked, "it is not crawled again"
    project.recrawl("drifting")
    assert "🟢 as the recrawls before it" in project.artifact("recrawl-drifting")


def request(project: Project, run: FlowRun) -> dict[str, Any]:
    return dict(asked(project, run, "schema"))


def description(project: Project, run: FlowRun) -> str:
    return str(asked(project, run, "description"))


def asked(project: Project, run: FlowRun, what: Literal["description", "schema"]) -> Any:
    """Return what the UI reads to ask an operator."""
    assert run.state
    with project.server.client as client:
        answer = client.read_flow_run_input(run.id, keyset_from_paused_state(run.state)[what])
    return json.loads(answer) if isinstance(answer, str) else answer


def test_pictures_without_a_face_are_forgotten_when_discarded_and_met_again(project: Project) -> None:
    before = project.files(FACES)
    project.galleries[FACES].add(COUNT, placeholder)
    run = project.recrawl(FACES, "Suspended")
    assert f"0 of {COUNT} new images show a face that could be aligned" in description(project, run)
    assert project.resume(run, "discard").state_name == "Discarded"
    assert project.files(FACES) == before
    assert project.images(FACES) == COUNT
    project.monitor("Completed")

    asked = project.galleries[FACES].site.asked[f"/{FACES}/"]
    again = project.recrawl(FACES, "Suspended")
    assert project.galleries[FACES].site.asked[f"/{FACES}/"] == asked + 1
    assert f"| new images | {COUNT} |" in project.artifact(f"recrawl-{FACES}"), "they are met anew"

    # Approved by hand, what the form says is no matter any more: the run takes in what lies there.
    project.server.run("pipeline", "quarantine", "approve", FACES)
    approved = project.files(FACES)
    assert approved != before
    assert project.resume(again, "discard").state_name == "Completed"
    assert project.files(FACES) == approved
    assert project.galleries[FACES].site.asked[f"/{FACES}/"] == asked + 1, "it is not crawled again"
    assert project.images(FACES) == 2 * COUNT


def test_new_html_that_the_selectors_do_not_fit_is_named(project: Project) -> None:
    gallery = project.galleries["flaky"]
    before = project.files("flaky")
    gallery.lay_out("article")
    run = project.recrawl("flaky", "Failed", site_down_retries_s=[1])
    assert tries(project, run, "crawl@flaky") == 1, "no second try cures it"
    words = project.artifact("recrawl-flaky")
    assert "item: 'figure' matches nothing on http://127.0.0.1:" in words
    assert "nearest there: <body>" in words or "nearest there: <article>" in words
    assert "Put right what the message names, then run this again" in words
    assert project.files("flaky") == before

    project.monitor("Failed")
    assert "'figure' matches nothing" in project.artifact("health")
    gallery.lay_out()
    project.recrawl("flaky")
    project.monitor("Completed")


def test_a_source_that_nobody_crawls_any_more_is_an_event_too(project: Project) -> None:
    began = datetime.now(UTC)
    long_ago = (began - timedelta(days=3)).isoformat(timespec="milliseconds")
    told = [
        project.workspace.folder / name for name in (".state/steady.history.jsonl", "logs/crawl/steady.json")
    ]
    before = {path: path.read_text() for path in told if path.exists()}
    for path, text in before.items():
        path.write_text(re.sub(r'"(at|finished)": "[^"]+"', rf'"\1": "{long_ago}"', text))
    project.workspace.set(schedules={"steady": "0 4 * * *"})
    project.monitor("Failed")
    assert "steady: was not crawled at" in project.artifact("health")
    assert "see whether the Prefect worker runs" in project.artifact("health")
    row = next(row for row in json.loads(project.artifact("sources")) if row["source"] == "steady")
    assert (row[""], row["schedule"]) == ("🔴", "0 4 * * *")
    assert "was not crawled at" in until(lambda: alarm(project, "steady", began), 60)

    project.workspace.set(schedules={})
    for path, text in before.items():
        path.write_text(text)
    project.monitor("Completed")


def alarm(project: Project, source: str, since: datetime) -> str:
    """Return what the last event about a source that is not well says; nothing where there is none."""
    wanted = EventFilter(
        event=EventNameFilter(name=["likeness.source.unwell"]),
        resource=EventResourceFilter(id=[f"likeness.source.{source}"]),
        occurred=EventOccurredFilter.model_validate({"since": since}),
    )
    with project.server.client as client:
        found = client.read_events(wanted, limit=1).events
    return "\n".join(found[0].payload["problems"]) if found else ""


def test_a_run_without_a_sign_of_life_is_marked_as_crashed(project: Project) -> None:
    with project.server.client as client:
        zombie = client.create_flow_run(monitor, name="silent", state=Running())
    time.sleep(4 * 30 + 5)  # four heartbeats that do not come
    project.monitor("Failed")
    assert "the run silent had lost its process and is marked as crashed" in project.artifact("health")
    state = project.server.state(zombie.id)
    assert (state.name, state.message) == (
        "Crashed",
        "Its process is gone. Finished work is kept: the next run goes on.",
    )
    project.monitor("Completed")
