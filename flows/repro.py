"""The full rerun: every DVC stage as a task, each after those it depends on.

`python -m flows.repro [STAGE …]`
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, State

from flows import bridge, versioning, workspace
from flows.explained import explained, run_here
from flows.results import show_funnel, show_results
from flows.stages import refuse, reproduce_or_train


@flow(name="repro", flow_run_name="repro", persist_result=False)
def repro(targets: list[str] | None = None) -> State[Any] | None:
    """Bring all stages up to date, or `targets` and those that they depend on.

    A stage that fails keeps back those that need it, and no others.
    """
    with explained("repro"):
        try:
            log = get_run_logger().info
            with workspace.taken("repro", str(flow_run.name), log=log):
                versioning.mend_lock(log)
                bring_up_to_date(targets)
        except workspace.Taken as taken:
            return Cancelled(message=str(taken))
    return None


def bring_up_to_date(targets: Sequence[str] | None) -> None:
    """Run the stages in the order of their graph; raise `StagesFailed` at the end if some failed."""
    graph = bridge.stage_graph()
    failed: dict[str, str] = {}
    for stage in wanted(graph, targets):
        if missing := [name for name in graph[stage] if name in failed]:
            failed[stage] = f"needs {', '.join(missing)}"
            continue
        try:
            reproduce_or_train(stage)
        except (bridge.DvcFailed, workspace.Taken) as error:
            failed[stage] = str(error)
    if "catalogue" in graph and "catalogue" not in failed:
        show_funnel()
        show_results()
    refuse(failed)


def wanted(graph: Mapping[str, Sequence[str]], targets: Sequence[str] | None) -> list[str]:
    """Return the stages of `targets` and all that they depend on, in the graph's order; all without targets.

    Raises `ValueError` for a target that is no stage.
    """
    if targets is None:
        return list(graph)
    if unknown := [name for name in targets if name not in graph]:
        raise ValueError(f"no such stages: {', '.join(unknown)}; `dvc stage list` names all")
    found: set[str] = set()
    open_ = list(targets)
    while open_:
        stage = open_.pop()
        if stage not in found:
            found.add(stage)
            open_ += graph[stage]
    return [stage for stage in graph if stage in found]


def main(targets: Annotated[list[str] | None, typer.Argument(metavar="[STAGE]…")] = None) -> None:
    """Bring the stages up to date now, in this process."""
    run_here(lambda: repro(targets or None))


if __name__ == "__main__":
    typer.run(main)
