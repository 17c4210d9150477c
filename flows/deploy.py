"""Bring this checkout's deployments to the Prefect server: prefect.yaml, and the schedules of params.yaml.

`python -m flows.deploy`; again after a change. What an operator paused in the UI stays paused.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from flows.processes import HOME, POOLS
from flows.stages import GPU_TAGS
from flows.zombies import watch_for_zombies

Section = dict[str, Any]

_POINTED_AT = "prefect.deployments.steps.set_working_directory"
_SETTINGS = ("timezone", "retrain_when_grown")  # what the section `schedules` has beside the sources


def deploy() -> None:
    """Make the work pools, the deployments, the limit of this machine's GPU, and the watch for zombies."""
    _check_params()
    wanted = with_schedules(_read("prefect.yaml"), _read("params.yaml").get("schedules") or {}, Path.cwd())
    with get_client(sync_client=True) as client:
        _make_pools(client)
        standing = _standing(client, wanted["deployments"])
        for gone in _remove_schedules(client, wanted["deployments"], standing):
            typer.echo(f"removed the schedule {gone}: no file has it any more")
        _apply(as_operator_left_it(wanted, standing))
        for line in _schedules(_standing(client, wanted["deployments"]).values()):
            typer.echo(line)
        typer.echo(f"GPU of this machine: {_limit_gpu(client)}")
        for line in watch_for_zombies(client):
            typer.echo(line)


def with_schedules(blueprint: Section, schedules: Section, folder: Path) -> Section:
    """Return prefect.yaml with a schedule of `recrawl` for each source of `schedules`, to be run in `folder`."""
    zone = schedules.get("timezone", "UTC")
    declared = [
        {"slug": source, "cron": cron, "timezone": zone, "parameters": {"source": source}}
        for source, cron in schedules.items()
        if source not in _SETTINGS
    ]
    deployments = [
        {
            **entry,
            "schedules": [*entry.get("schedules", []), *(declared if entry["name"] == "recrawl" else [])],
        }
        for entry in blueprint["deployments"]
    ]
    pull = [{_POINTED_AT: {"directory": str(folder.absolute())}}]
    return {**blueprint, "pull": pull, "deployments": deployments}


def as_operator_left_it(wanted: Section, standing: dict[str, DeploymentResponse]) -> Section:
    """Return `wanted` without what would undo a pause, or the end of one, that was set in the UI.

    Prefect leaves `active` of a schedule alone where it is not given, but sets `paused` of a deployment to false.
    """
    return {
        **wanted,
        "deployments": [_left(entry, standing.get(entry["name"])) for entry in wanted["deployments"]],
    }


def _left(entry: Section, deployment: DeploymentResponse | None) -> Section:
    if deployment is None:
        return entry
    known = {schedule.slug for schedule in deployment.schedules}
    schedules = [
        {key: value for key, value in schedule.items() if key != "active" or schedule["slug"] not in known}
        for schedule in entry["schedules"]
    ]
    return {**entry, "schedules": schedules, "paused": deployment.paused}


def _check_params() -> None:
    checked = subprocess.run([sys.executable, "-m", "pipeline", "check"])
    if checked.returncode:
        raise typer.Exit(checked.returncode)


def _read(path: str) -> Section:
    return dict(yaml.safe_load(Path(path).read_text(encoding="utf-8")))


def _make_pools(client: SyncPrefectClient) -> None:
    for name in POOLS:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
            typer.echo(f"made the work pool {name}")


def _standing(client: SyncPrefectClient, entries: Iterable[Section]) -> dict[str, DeploymentResponse]:
    """Return the deployments of these entries that the server has, by name."""
    names = {entry["name"] for entry in entries}
    return {
        deployment.name: deployment for deployment in client.read_deployments() if deployment.name in names
    }


def _remove_schedules(
    client: SyncPrefectClient, entries: Iterable[Section], standing: dict[str, DeploymentResponse]
) -> Iterable[str]:
    """Remove the schedules that the files do not have, and name them.

    Prefect would leave them, and one that was made in the UI, without a slug, would have it replace all others.
    """
    for entry in entries:
        declared = {schedule["slug"] for schedule in entry["schedules"]}
        if (deployment := standing.get(entry["name"])) is None:
            continue
        for schedule in deployment.schedules:
            if schedule.slug not in declared:
                client.delete_deployment_schedule(deployment.id, schedule.id)
                yield f"{entry['name']}: {schedule.slug or schedule.schedule}"


def _apply(wanted: Section) -> None:
    """Hand the deployments to `prefect deploy`."""
    path = HOME.absolute() / "deployments.yaml"
    path.write_text(yaml.safe_dump(wanted, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        typer.echo(done.stdout, err=True)
        raise typer.Exit(done.returncode)


def _schedules(deployments: Iterable[DeploymentResponse]) -> Iterable[str]:
    """Return a line for each deployment: when it runs."""
    for deployment in deployments:
        times = [
            f"{schedule.slug} {schedule.schedule.cron} {schedule.schedule.timezone}"  # type: ignore[union-attr]
            + ("" if schedule.active else " (paused)")
            for schedule in deployment.schedules
        ]
        paused = " (paused)" if deployment.paused else ""
        yield f"deployed {deployment.name}{paused}: {'; '.join(times) or 'no schedule'}"


def _limit_gpu(client: SyncPrefectClient) -> str:
    """Let one task at a time use this machine's GPU, unless an operator set another limit."""
    tag = GPU_TAGS[1]
    try:
        limit = client.read_concurrency_limit_by_tag(tag).concurrency_limit
    except ObjectNotFound:
        limit = 1
        client.create_concurrency_limit(tag=tag, concurrency_limit=limit)
    return f"{limit} task(s) with the tag {tag} at a time"


if __name__ == "__main__":
    typer.run(deploy)
