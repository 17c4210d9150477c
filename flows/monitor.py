"""Whether all is well: fresh sources with the usual share of rejections, room on the disk, no runs of dead processes.

`python -m flows.monitor`
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import typer
from prefect import flow, get_run_logger, task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.events import emit_event
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.settings import get_current_settings
from prefect.states import Crashed

from flows import bridge
from flows.explained import explained, run_here
from flows.showing import show_table, show_words

_HEARTBEATS_MISSED = 4
_HEARTBEAT = "prefect.flow-run.heartbeat"


class NotWell(RuntimeError):
    """Something needs an operator; the message has a line for each problem."""


@flow(name="monitor", flow_run_name="monitor", persist_result=False)
def monitor() -> None:
    """Look at sources, disk and runs; a run that is red says what to do, and an event says it to automations."""
    with explained("monitor"):
        problems = look_at_sources_and_disk() + crash_zombies()
        crash_tasks_of_ended_runs()
    if problems:
        show_words("health", "🔴 Needs an operator", [f"- {problem}" for problem in problems])
        raise NotWell("\n".join(problems))
    show_words("health", "🟢 All is well", [])


@task(persist_result=False)
def look_at_sources_and_disk() -> list[str]:
    """Show the health of every source; send an event for each that is not well; return all problems."""
    health = bridge.ask("watch", "health")
    show_table(
        "sources", "Sources: freshness and rejections", [source_row(each) for each in health["sources"]]
    )
    for source in health["sources"]:
        if source["problems"]:
            send_alarm(source["source"], source["problems"])
    of_sources = [
        f"{each['source']}: {problem}" for each in health["sources"] for problem in each["problems"]
    ]
    return of_sources + list(health["problems"])


def source_row(health: dict[str, Any]) -> dict[str, Any]:
    """Return a source's row of the table."""
    low, high = health["usual"] or (None, None)
    return {
        "": "🔴" if health["problems"] else "🟢",
        "source": health["source"],
        "schedule": health["schedule"],
        "last recrawl": health["last_crawl"],
        "rejected": health["rejected"],
        "usually": None if low is None else f"{low:.0%} to {high:.0%}",
        "problems": "; ".join(health["problems"]),
    }


def send_alarm(source: str, problems: list[str]) -> None:
    """Send the event that an automation can turn into a message to somebody."""
    emit_event(
        "likeness.source.unwell",
        resource={"prefect.resource.id": f"likeness.source.{source}", "prefect.resource.name": source},
        payload={"problems": problems},
    )


@task(persist_result=False)
def crash_zombies() -> list[str]:
    """Mark the runs as crashed whose process has not been heard of for some heartbeats; return a line for each.

    The automation of `python -m flows.deploy` does the same sooner; this finds what it missed.
    """
    with get_client(sync_client=True) as client:
        running = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(
                    type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING])
                )
            )
        )
        zombies = [run for run in running if is_silent(client, run)]
        for run in zombies:
            get_run_logger().warning("%s is not heard of any more", run.name)
            message = "Its process is gone. Finished work is kept: the next run goes on."
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
    return [f"the run {run.name} had lost its process and is marked as crashed" for run in zombies]


@task(persist_result=False)
def crash_tasks_of_ended_runs() -> None:
    """Mark the tasks as crashed that would look at work for ever: their run was killed, and ended without them."""
    frequency = get_current_settings().flows.heartbeat_frequency or 0
    before = datetime.now(UTC) - timedelta(seconds=_HEARTBEATS_MISSED * frequency)
    ended = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
        end_time=FlowRunFilterEndTime.model_validate({"before_": before}),
    )
    at_work = TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.RUNNING]))
    with get_client(sync_client=True) as client:
        for left in client.read_task_runs(
            flow_run_filter=ended, task_run_filter=TaskRunFilter(state=at_work)
        ):
            get_run_logger().info("%s was left behind by its run, which has ended", left.name)
            client.set_task_run_state(left.id, Crashed(message="Its run ended without it."), force=True)


def is_silent(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Say whether a run that should have sent several heartbeats by now has sent none of late."""
    frequency = get_current_settings().flows.heartbeat_frequency
    if frequency is None:
        return False
    since = datetime.now(UTC) - timedelta(seconds=_HEARTBEATS_MISSED * frequency)
    return run.start_time is not None and run.start_time < since and not _heard_of(client, run.id, since)


def _heard_of(client: SyncPrefectClient, run_id: UUID, since: datetime) -> bool:
    heartbeats = EventFilter(
        event=EventNameFilter(name=[_HEARTBEAT]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run_id}"]),
        occurred=EventOccurredFilter.model_validate({"since": since}),
    )
    return bool(client.read_events(heartbeats, limit=1).events)


def main() -> None:
    """Look whether all is well, now, in this process."""
    run_here(lambda: monitor())


if __name__ == "__main__":
    typer.run(main)
