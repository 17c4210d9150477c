"""Training on this machine's GPU: datasets, networks, measurements, one experiment after the other.

`python -m flows.train [EXPERIMENT …]`
"""

from contextlib import AbstractContextManager
from typing import Annotated

import typer
from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows import bridge, workspace
from flows.explained import explained, run_here
from flows.results import show_results
from flows.stages import experiments_of, train_and_evaluate

# A full rerun may train for days; whoever waits longer than this for its end is told so.
_WAIT_FOR_TURN_S = 24 * 3600


@flow(name="train", flow_run_name="train", persist_result=False)
def train(experiments: list[str] | None = None) -> None:
    """Bring experiments up to date, from dataset to metrics; all of params.yaml without a list.

    One that fails keeps none of the others back. Cancelled, a training leaves a whole checkpoint, and goes on from
    there the next time.
    """
    with explained("train"):
        known = experiments_of(bridge.stage_names())
        if unknown := set(experiments or ()) - set(known):
            raise ValueError(f"no such experiments: {', '.join(sorted(unknown))}; params.yaml has {known}")
        try:
            train_and_evaluate(experiments or known, turn_among_data_flows)
        finally:
            show_results()


def turn_among_data_flows() -> AbstractContextManager[None]:
    """Return a turn in the workspace, waiting for a recrawl or a rerun that is at work."""
    return workspace.taken("train", str(flow_run.name), wait_s=_WAIT_FOR_TURN_S, log=get_run_logger().info)


def main(experiments: Annotated[list[str] | None, typer.Argument(metavar="[EXPERIMENT]…")] = None) -> None:
    """Train experiments now, in this process."""
    run_here(lambda: train(experiments or None))


if __name__ == "__main__":
    typer.run(main)
