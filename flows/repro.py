"""The full rerun: every DVC stage as a task, in order, and the funnel as an artifact.

`python -m flows.repro [STAGE …]`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact

from flows import bridge

FUNNEL = Path("data/catalogue/funnel.json")


@flow(name="repro")
def repro(targets: list[str] | None = None) -> None:
    """Bring all stages up to date, or only `targets`."""
    for stage in targets or bridge.stage_names():
        reproduce(stage)
    publish_funnel()


@task(task_run_name="{stage}")
def reproduce(stage: str) -> None:
    """Run one stage if something that it depends on has changed."""
    bridge.dvc("repro", "--single-item", stage, log=get_run_logger().info)


@task
def publish_funnel() -> None:
    """Show what became of every source's images."""
    create_table_artifact(
        key="funnel", table=funnel_table(), description="Images and faces through each stage"
    )


def funnel_table() -> list[dict[str, object]]:
    """Return a row for each source; the reasons of its rejections in one cell."""
    funnel = json.loads(FUNNEL.read_text(encoding="utf-8"))
    return [
        {"source": source, **counts, "rejected": json.dumps(counts["rejected"])}
        for source, counts in funnel.items()
    ]


if __name__ == "__main__":
    repro(sys.argv[1:] or None)
