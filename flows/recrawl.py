"""The recrawl of one source: what is new is fetched, looked at, and taken into the catalogue or held back.

`python -m flows.recrawl SOURCE`
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer
from prefect import flow, get_run_logger, suspend_flow_run, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.events import emit_event
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Completed, State

from flows import bridge, versioning, workspace
from flows.explained import explained, run_here
from flows.results import show_funnel, show_results
from flows.showing import counted, markdown_table, picture_of, show_words
from flows.stages import STAGES_OF_SOURCE, reproduce, run_stage, train_and_evaluate

Until = Literal["catalogue", "report"]
# A run that was approved waits so long for one that is at work.
_WAIT_FOR_TURN_S = 3600
# What a site needs to come back: asked again after a minute, ten, and fifty.
_SITE_DOWN_RETRIES_S: list[float] = [60, 600, 3000]


class SiteDown(RuntimeError):
    """The site answered with nothing but errors."""


class Quarantined(RuntimeError):
    """A recrawl was held back, and nobody can be asked: the run has no deployment."""


class Decision(RunInput):
    """What an operator says about a recrawl that was held back."""

    decision: Literal["approve", "discard"]


@flow(name="recrawl", flow_run_name="recrawl {source}", persist_result=False)
def recrawl(
    source: str,
    until: Until = "catalogue",
    push: bool = False,
    commit: bool = False,
    site_down_retries_s: list[float] = _SITE_DOWN_RETRIES_S,  # Prefect shows it as the default
) -> State[Any] | None:
    """Crawl a source for what is new, and bring up to date what depends on it.

    `until`: the catalogue, or the report with those experiments trained again whose data have grown enough.
    `push`: DVC's remote gets what is new. `commit`: Git gets the new dvc.lock; refused where files have changes that
    nobody committed. Where the recrawl looks unlike those before it, it is held back until an operator approves it.
    """
    with explained(f"recrawl-{source}"):
        if commit:
            versioning.refuse_dirty_tree()
        resumed = was_suspended()
        try:
            with turn(_WAIT_FOR_TURN_S if resumed else 0):
                versioning.mend_lock(get_run_logger().info)
                bridge.pipeline("quarantine", "settle", log=get_run_logger().info)
                held = held_because(source)
                if held is None and not resumed:
                    held = crawl_and_judge(source, site_down_retries_s)
                if held is None:
                    take_in(source, until, push, commit)
                    return None
        except workspace.Taken as taken:
            return Cancelled(message=str(taken))
        if waiting := other_run_that_asks(source):
            return Cancelled(
                message=f"{source} is in quarantine ({held}); the run {waiting} waits for a decision"
            )
        decision = ask_operator(source, held)
        with turn(_WAIT_FOR_TURN_S):
            bridge.pipeline("quarantine", decision, source, log=get_run_logger().info)
            if decision == "discard":
                return Completed(name="Discarded", message=f"{source} is as it was before the recrawl")
            take_in(source, until, push, commit)
            return None


def turn(wait_s: float) -> AbstractContextManager[None]:
    """Return this run's turn in the workspace."""
    return workspace.taken("recrawl", str(flow_run.name), wait_s, log=get_run_logger().info)


def was_suspended() -> bool:
    """Say whether this run has asked an operator before, and was resumed: it has crawled already."""
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(UUID(str(flow_run.id)))
    return any(state.type is StateType.PAUSED for state in states)


def held_because(source: str) -> str | None:
    """Return why a recrawl of the source is in quarantine; None where none is."""
    held = {each["source"]: each["reason"] for each in bridge.ask("quarantine", "list")}
    return held.get(source)


def crawl_and_judge(source: str, site_down_retries_s: list[float]) -> str | None:
    """Fetch what is new and find its faces; return why it was held back, None where it looks as always."""
    bridge.pipeline("watch", "begin", source, log=get_run_logger().info)
    fetch = crawl.with_options(retries=len(site_down_retries_s), retry_delay_seconds=site_down_retries_s)
    fetch(source)
    for stage in STAGES_OF_SOURCE:
        reproduce(f"{stage}@{source}")
    return judge(source)


@task(
    task_run_name="crawl@{source}",
    retry_condition_fn=lambda _task, _run, state: isinstance(state.result(raise_on_failure=False), SiteDown),
    persist_result=False,
)
def crawl(source: str) -> None:
    """Ask the site for what is new; what was met before it went down is kept."""
    try:
        run_stage(f"crawl@{source}", "--force")
    except bridge.StageRefused as refused:
        raise (SiteDown(reason) if (reason := site_error(source)) else refused) from None
    if reason := site_error(source):
        raise SiteDown(reason)


def site_error(source: str) -> str | None:
    """Return what a site that answers with nothing but errors said; None where the crawl ended for another reason."""
    try:
        error = bridge.ask("watch", "recrawl", source)["down"]
    except bridge.PipelineFailed:
        return None
    return error and f"{error}. What was there before is unharmed; the next recrawl asks again."


@task(task_run_name="judge {source}", persist_result=False)
def judge(source: str) -> str | None:
    """Show what the recrawl brought; hold it back where it lies outside of the band of its history."""
    log = get_run_logger()
    brought = bridge.ask("watch", "recrawl", source)
    show_recrawl(source, brought)
    outside = [each["message"] for each in brought["outside"]]
    if not outside:
        bridge.pipeline("watch", "conclude", source, "accepted", log=log.info)
        return None
    reason = "; ".join(outside)
    bridge.pipeline("quarantine", "hold", source, "--reason", reason, log=log.info)
    emit_event(
        "likeness.recrawl.quarantined",
        resource={"prefect.resource.id": f"likeness.source.{source}", "prefect.resource.name": source},
        payload={"reasons": outside},
    )
    return reason


def show_recrawl(source: str, brought: dict[str, Any]) -> None:
    """Leave what a recrawl met, what it kept and why it refused the rest, with pictures of what is new."""
    rejected = [(f"rejected, {stage}", counted(reasons)) for stage, reasons in brought["rejected"].items()]
    rows: list[tuple[str, object]] = [
        ("new images", brought["new"]),
        ("known", brought["known"]),
        ("with a face", f"{brought['with_faces']} of {brought['images']} new ones"),
        ("aligned faces", brought["faces"]),
        *rejected,
        ("licences", counted(brought["licences"])),
        ("requests made", f"{brought['requests']}, {brought['bytes'] / 1e6:.1f} MB"),
        ("images in all", brought["stored"]),
    ]
    alarms = [f"🔴 {each['message']}" for each in brought["outside"]]
    verdict = alarms or ["🟢 as the recrawls before it"]
    pictures = [picture_of("new images", Path(brought["sheet"]))] if brought["sheet"] else []
    show_words(f"recrawl-{source}", f"Recrawl of {source}", [*verdict, markdown_table(rows), *pictures])


def other_run_that_asks(source: str) -> str | None:
    """Return the name of another run that is suspended until an operator decides about this source."""
    with get_client(sync_client=True) as client:
        suspended = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["recrawl"])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
            ),
        )
    asking = (run for run in suspended if run.parameters.get("source") == source)
    return next((f"{run.name} ({run.id})" for run in asking if str(run.id) != flow_run.id), None)


def ask_operator(source: str, reason: str | None) -> str:
    """Leave the run suspended, without a process, until somebody decides in the UI; return the decision."""
    if deployment.id is None:
        raise Quarantined(
            f"the recrawl of {source} is in quarantine: {reason}. Look at report/recrawls/{source}.png, then type "
            f"`python -m pipeline quarantine approve {source}` and `dvc repro`, or `quarantine discard {source}`."
        )
    answer = suspend_flow_run(
        wait_for_input=Decision.with_initial_data(description=request(source, reason)), key="quarantine"
    )
    return answer.decision


def request(source: str, reason: str | None) -> str:
    """Return what the operator reads above the form, with the contact sheet."""
    sheet = Path(f"report/recrawls/{source}.png")
    pictures = [picture_of("new images", sheet)] if sheet.exists() else []
    return "\n\n".join(
        [
            f"**The recrawl of {source} is unlike those before it: {reason}.**",
            *pictures,
            "`approve` takes its images into the catalogue. `discard` forgets them: the next recrawl meets them again.",
        ]
    )


def take_in(source: str, until: Until, push: bool, commit: bool) -> None:
    """Bring the catalogue up to date, or all that follows too, and give it to the remote and to Git."""
    log = get_run_logger()
    reproduce("catalogue")
    show_funnel()
    if until == "report":
        due = [name for name, growth in bridge.ask("watch", "growth").items() if growth["due"]]
        try:
            train_and_evaluate(due)
        finally:
            reproduce("report")
            show_results()
    if push:
        versioning.push(log.info)
    if commit and (name := versioning.commit(f"Recrawl of {source}")):
        log.info("committed as %s", name)


def main(
    source: Annotated[str, typer.Argument(help="A source of params.yaml.")],
    until: Annotated[Until, typer.Option(help="How far to go.")] = "catalogue",
    push: Annotated[bool, typer.Option("--push", help="Push to DVC's remote.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Commit dvc.lock to Git.")] = False,
) -> None:
    """Recrawl a source now, in this process."""
    run_here(lambda: recrawl(source, until, push, commit))


if __name__ == "__main__":
    typer.run(main)
