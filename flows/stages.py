"""DVC's stages as Prefect tasks: each a child process, retried where that can help."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prefect import get_run_logger, task
from prefect.client.schemas.objects import TaskRun
from prefect.runtime import flow_run
from prefect.states import State

from flows import bridge, versioning, workspace
from flows.progress import TrainingBoard

STAGES_OF_SOURCE = ("detect", "landmarks", "align", "colors")
# One training at a time on each machine: flows/deploy.py puts a limit of one on the second tag.
GPU_TAGS = ("gpu", f"gpu-{socket.gethostname()}")
_RETRIES_AFTER_S: list[float] = [30, 300]


class SiteDown(RuntimeError):
    """A source's site answered with nothing but errors."""


class Quarantined(RuntimeError):
    """A recrawl was held back, and nobody can be asked: its run has no deployment."""


class StagesFailed(RuntimeError):
    """Some stages failed or could not be run; the message says which and why."""


def is_worth_retrying(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """Say whether another try may soon help: not where the stage or the site said what is wrong."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, (SiteDown, bridge.StageRefused, bridge.Busy, workspace.Taken))


# How every task that runs a stage is tried again; what it made is DVC's to keep, not Prefect's.
OF_A_STAGE: dict[str, Any] = {
    "retries": len(_RETRIES_AFTER_S),
    "retry_delay_seconds": _RETRIES_AFTER_S,
    "retry_condition_fn": is_worth_retrying,
    "persist_result": False,
}


@task(task_run_name="{stage}", **OF_A_STAGE)
def reproduce(stage: str) -> None:
    """Run one stage if something that it depends on has changed."""
    run_stage(stage)


@task(task_run_name="train@{experiment}", tags=GPU_TAGS, **OF_A_STAGE)
def train(experiment: str) -> None:
    """Train an experiment from its last checkpoint on; cancelled or killed, it goes on there the next time."""
    with workspace.training(experiment, str(flow_run.name), log=get_run_logger().info):
        board = TrainingBoard(experiment)
        run_stage(f"train@{experiment}", watch=board.update)
        board.finish()


def run_stage(stage: str, *options: str, watch: Callable[[], object] | None = None) -> None:
    """Have DVC run a stage, in the task that calls this."""
    bridge.dvc("repro", *options, "--single-item", stage, log=get_run_logger().info, watch=watch)
    versioning.keep_lock()


def reproduce_or_train(stage: str) -> None:
    """Run a stage by its name in dvc.yaml, as the task that fits it."""
    if stage.startswith("train@"):
        train(stage.removeprefix("train@"))
    else:
        reproduce(stage)


def train_and_evaluate(
    experiments: Iterable[str], turn: Callable[[], AbstractContextManager[None]] = nullcontext
) -> None:
    """Bring experiments up to date from dataset to evaluation; one that fails keeps none of the others back.

    `turn` is what short stages are run in: a training may go on beside a recrawl, and waits for none. Raises
    `StagesFailed` at the end.
    """
    failed = {}
    for experiment in experiments:
        try:
            with turn():
                reproduce(f"dataset@{experiment}")
            train(experiment)
            with turn():
                reproduce(f"evaluate@{experiment}")
        except (bridge.DvcFailed, workspace.Taken) as error:
            failed[experiment] = str(error)
    refuse(failed)


def refuse(failed: dict[str, str]) -> None:
    """Raise `StagesFailed` where something failed."""
    if failed:
        raise StagesFailed("\n".join(f"{name}: {reason}" for name, reason in failed.items()))


def experiments_of(stages: Iterable[str]) -> list[str]:
    """Return the experiments among the names of all stages."""
    return [stage.removeprefix("train@") for stage in stages if stage.startswith("train@")]
