"""Runs that died without a word: Prefect's server ends them, so that they hold no slot and look like no work.

A flow sends a sign of life every PREFECT_FLOWS_HEARTBEAT_FREQUENCY seconds. After three that did not come the run is
set to Crashed: by then its worker and itself are gone, or the worker would have said so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.settings import get_current_settings

_MISSED = 3
_HEARTBEAT = "prefect.flow-run.heartbeat"
# A process of a run starts within seconds; its place among the deployment's runs is kept for just as long.
_TO_BEGIN_S = 300
# States without a process: the run is over, or it waits for an operator or for another try. Events carry their names.
_WITHOUT_PROCESS = (
    "Completed",
    "Discarded",  # flows/recrawl.py: completed, with nothing taken in
    "Failed",
    "TimedOut",
    "Cancelled",
    "Crashed",
    "Paused",
    "Suspended",
    "Scheduled",
    "AwaitingRetry",
    "AwaitingConcurrencySlot",
)


def watch_for_zombies(client: SyncPrefectClient) -> Iterable[str]:
    """Have the server crash runs that show no sign of life; return what was done, for people.

    An automation that an operator switched off stays off.
    """
    for wanted in _automations():
        standing = client.read_automations_by_name(wanted.name)
        if standing:
            wanted.enabled = standing[0].enabled
            client.update_automation(standing[0].id, wanted)
        else:
            client.create_automation(wanted)
        yield f"{wanted.name}: {wanted.description}" + ("" if wanted.enabled else " (switched off)")


def _automations() -> Iterable[AutomationCore]:
    frequency_s = get_current_settings().flows.heartbeat_frequency
    assert frequency_s, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY is not set"
    yield _crash_unless(
        expected={_HEARTBEAT, *_events(*_WITHOUT_PROCESS)},
        after={_HEARTBEAT},
        within_s=_MISSED * frequency_s,
        name="Crash zombie flows",
        message="No sign of life: its process was killed, or its machine went down. The next run goes on from there.",
    )
    yield _crash_unless(
        expected=_events("Running", *_WITHOUT_PROCESS),
        after=_events("Pending"),
        within_s=_TO_BEGIN_S,
        name="Crash flows that never began",
        message="It was taken by a worker and never began: the worker was killed, or its machine went down.",
    )


def _events(*states: str) -> set[str]:
    return {f"prefect.flow-run.{state}" for state in states}


def _crash_unless(
    expected: set[str], after: set[str], within_s: int, name: str, message: str
) -> AutomationCore:
    return AutomationCore(
        name=name,
        description=f"after {within_s} s without a word",
        trigger=EventTrigger(
            after=after,
            expect=expected,
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=within_s),
        ),
        actions=[ChangeFlowRunState(name=None, state=StateType.CRASHED, message=message, force=False)],
    )
