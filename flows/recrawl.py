"""The recrawl of one source: what is new is fetched, looked at, and taken into the catalogue or held back.

`python -m flows.recrawl SOURCE`
"""

import re
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
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
from prefect.exceptions import Pause
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import AwaitingRetry, Cancelled, Completed, State
from prefect.utilities.engine import propose_state_sync

from flows import bridge, versioning, workspace
from flows.explained import explained, run_here
from flows.results import show_funnel, show_results
from flows.showing import counted, markdown_table, picture_of, show_words
from flows.stages import (
    OF_A_STAGE,
    STAGES_OF_SOURCE,
    Quarantined,
    SiteDown,
    reproduce,
    run_stage,
    train_and_evaluate,
)

Until = Literal["catalogue", "report"]
# A run that was approved waits so long for one that is at work.
_WAIT_FOR_TURN_S = 3600
# What a site needs to come back: asked again after a minute, ten, and fifty.
_SITE_DOWN_RETRIES_S: list[float] = [60, 600, 3000]
_COMING_BACK = "AwaitingRetry"


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
    `site_down_retries_s`: after how many seconds each a site that is down is asked again, by a run of a deployment.
    """
    with explained(f"recrawl-{source}"):
        before = states_so_far()
        if commit and not any(state.type is StateType.RUNNING for state in before[:-1]):
            versioning.refuse_dirty_tree()
        resumed = any(state.type is StateType.PAUSED for state in before)
        try:
            with turn(_WAIT_FOR_TURN_S if resumed else 0):
                versioning.mend_lock(get_run_logger().info)
                bridge.pipeline("quarantine", "settle", log=get_run_logger().info)
                held = in_quarantine(source)
                if held is None and not resumed and crawl_and_judge(source):
                    held = in_quarantine(source)
                if held is None:
                    take_in(source, until, push, commit)
                    return None
        except workspace.Taken as taken:
            return Cancelled(message=str(taken))
        except SiteDown as down:
            come_back_later(source, down, site_down_retries_s)
            raise
        if waiting := other_run_that_asks(source):
            return Cancelled(
                message=f"{source} is in quarantine ({held['reason']}); the run {waiting} waits for a decision"
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


def states_so_far() -> list[State[Any]]:
    """Return the states that this run has been in: it may have begun before, and asked an operator or waited."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run_states(UUID(str(flow_run.id)))


def come_back_later(source: str, down: SiteDown, after_s: list[float]) -> None:
    """Leave the run waiting, without a process, for its next try; return where there is none.

    Meanwhile other sources have their turn, which a retry inside of the run would keep from them for an hour.
    """
    tried = sum(state.name == _COMING_BACK for state in states_so_far())
    if deployment.id is None or tried >= len(after_s):
        return
    then = datetime.now(UTC) + timedelta(seconds=after_s[tried])
    words = f"Asked again at {then:%H:%M} UTC, by this same run: try {tried + 2} of {len(after_s) + 1}."
    show_words(f"recrawl-{source}", f"🟡 {source} does not answer", [f"```\n{down}\n```", words])
    waiting: State[Any] = AwaitingRetry(scheduled_time=then, message=words)
    with get_client(sync_client=True) as client:
        raise Pause(state=propose_state_sync(client, waiting, flow_run_id=UUID(str(flow_run.id))))


def in_quarantine(source: str) -> dict[str, Any] | None:
    """Return since when and why a recrawl of the source is in quarantine; None where none is."""
    return next((held for held in bridge.ask("quarantine", "list") if held["source"] == source), None)


def crawl_and_judge(source: str) -> bool:
    """Fetch what is new and find its faces; return whether it was held back."""
    bridge.pipeline("watch", "begin", source, log=get_run_logger().info)
    crawl(source)
    for stage in STAGES_OF_SOURCE:
        reproduce(f"{stage}@{source}")
    return judge(source)


@task(task_run_name="crawl@{source}", **OF_A_STAGE)
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
def judge(source: str) -> bool:
    """Show what the recrawl brought; hold it back, and say so, where it lies outside of the band of its history."""
    log = get_run_logger()
    brought = bridge.ask("watch", "recrawl", source)
    show_recrawl(source, brought)
    outside = [each["message"] for each in brought["outside"]]
    if not outside:
        bridge.pipeline("watch", "conclude", source, "accepted", log=log.info)
        return False
    bridge.pipeline("quarantine", "hold", source, "--reason", "; ".join(outside), log=log.info)
    emit_event(
        "likeness.recrawl.quarantined",
        resource={"prefect.resource.id": f"likeness.source.{source}", "prefect.resource.name": source},
        payload={"reasons": outside},
    )
    return True


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


def ask_operator(source: str, held: dict[str, Any]) -> str:
    """Leave the run suspended, without a process, until somebody decides in the UI; return the decision.

    It is about this recrawl: where another one is held by now, the run asks anew.
    """
    if deployment.id is None:
        raise Quarantined(
            f"the recrawl of {source} is in quarantine: {held['reason']}. Look at report/recrawls/{source}.png, then "
            f"type `python -m pipeline quarantine approve {source}` and `dvc repro`, or `quarantine discard {source}`."
        )
    form = Decision.with_initial_data(description=request(source, held["reason"]))
    answer = suspend_flow_run(wait_for_input=form, key="quarantine-" + re.sub(r"\D", "", held["since"]))
    return answer.decision


def request(source: str, reason: str) -> str:
    """Return what the operator reads above the form, with the contact sheet."""
    sheet = Path(f"report/recrawls/{source}.png")
    pictures = [picture_of("new images", sheet)] if sheet.exists() else []
    return "\n\n".join(
        [
            f"**The recrawl of {source} is unlike those before it: {reason}.**",
            "`approve` takes its images into the catalogue. `discard` forgets them: the next recrawl meets them again.",
            *pictures,
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
