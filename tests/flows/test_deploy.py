"""Deployments: prefect.yaml and the schedules of params.yaml, brought to a server again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.utilities.importtools import import_object

from benchmarks.real_pictures import REPOSITORY
from flows.deploy import with_schedules
from tests.flows.server import Server, running, workspace_with

NIGHTLY = {"slug": "nightly", "cron": "0 1 * * *", "timezone": "UTC", "active": False}
FLOWS = """
from prefect import flow

@flow
def recrawl(source: str): ...

@flow
def repro(): ...
"""
DEPLOYMENTS: list[dict[str, Any]] = [
    {"name": "recrawl", "entrypoint": "toy_flows.recrawl", "work_pool": {"name": "local"}},
    {
        "name": "repro",
        "entrypoint": "toy_flows.repro",
        "work_pool": {"name": "gpu"},
        "schedules": [NIGHTLY],
    },
]


def shipped() -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())


def schedules_of(wanted: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return next(entry["schedules"] for entry in wanted["deployments"] if entry["name"] == name)


def test_each_entry_of_schedules_is_a_recrawl_of_that_source(tmp_path: Path) -> None:
    schedules = {
        "timezone": "Europe/Berlin",
        "retrain_when_grown": 0.1,
        "faces": "0 4 * * *",
        "toons": "30 4 * * 1",
    }
    wanted = with_schedules({"deployments": DEPLOYMENTS}, schedules, tmp_path)
    assert schedules_of(wanted, "recrawl") == [
        {
            "slug": "faces",
            "cron": "0 4 * * *",
            "timezone": "Europe/Berlin",
            "parameters": {"source": "faces"},
        },
        {
            "slug": "toons",
            "cron": "30 4 * * 1",
            "timezone": "Europe/Berlin",
            "parameters": {"source": "toons"},
        },
    ]
    assert schedules_of(wanted, "repro") == [NIGHTLY]


def test_runs_take_place_in_this_checkout(tmp_path: Path) -> None:
    (step,) = with_schedules({"deployments": DEPLOYMENTS}, {}, tmp_path)["pull"]
    assert step == {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}


def test_without_a_time_zone_times_are_utc(tmp_path: Path) -> None:
    wanted = with_schedules({"deployments": DEPLOYMENTS}, {"faces": "0 4 * * *"}, tmp_path)
    assert [each["timezone"] for each in schedules_of(wanted, "recrawl")] == ["UTC"]


def test_without_schedules_nothing_recrawls(tmp_path: Path) -> None:
    assert schedules_of(with_schedules(shipped(), {}, tmp_path), "recrawl") == []


@pytest.mark.parametrize("entry", shipped()["deployments"], ids=lambda entry: entry["name"])
def test_a_shipped_deployment_is_a_flow_of_this_project_in_a_pool_that_has_a_worker(
    entry: dict[str, Any],
) -> None:
    flow = import_object(entry["entrypoint"])
    assert isinstance(flow, Flow)
    assert flow.name == entry["name"]
    assert entry["work_pool"]["name"] in ("local", "gpu")
    assert all({"slug", "cron", "timezone"} <= set(schedule) for schedule in entry.get("schedules", []))


def test_the_shipped_file_names_no_folder_of_a_machine() -> None:
    assert str(REPOSITORY) not in (REPOSITORY / "prefect.yaml").read_text()
    assert shipped()["pull"] == [{"prefect.deployments.steps.set_working_directory": {"directory": "."}}]


def test_of_two_recrawls_at_once_the_second_is_cancelled() -> None:
    recrawl = next(entry for entry in shipped()["deployments"] if entry["name"] == "recrawl")
    assert recrawl["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("deploy") / "workspace"
    with running(workspace_with(folder, FLOWS, DEPLOYMENTS, **{"demo-portraits": "0 4 * * *"})) as server:
        yield server


def deployment(server: Server, name: str) -> DeploymentResponse:
    with server.client as client:
        return next(found for found in client.read_deployments() if found.name == name)


def schedule(server: Server, name: str, cron: str) -> None:
    path = server.workspace / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["sources"][name] = params["sources"]["demo-portraits"]
    params["schedules"][name] = cron
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def unschedule(server: Server, name: str) -> None:
    path = server.workspace / "params.yaml"
    params = yaml.safe_load(path.read_text())
    del params["schedules"][name]
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def times(server: Server, name: str) -> dict[str | None, str]:
    schedules = deployment(server, name).schedules
    return {
        found.slug: found.schedule.cron for found in schedules if isinstance(found.schedule, CronSchedule)
    }


@pytest.mark.long
def test_deploying_again_changes_nothing(server: Server) -> None:
    before = deployment(server, "recrawl")
    printed = server.run("flows.deploy")
    after = deployment(server, "recrawl")
    assert "demo-portraits 0 4 * * * UTC" in printed
    assert (after.id, [found.id for found in after.schedules]) == (
        before.id,
        [found.id for found in before.schedules],
    )
    with server.client as client:
        automations = [found.name for found in client.read_automations()]
        assert sorted(automations) == ["Crash flows that never began", "Crash zombie flows"]
        assert [found.name for found in client.read_work_pools()] == ["gpu", "local"]


@pytest.mark.long
def test_schedules_follow_params_yaml(server: Server) -> None:
    schedule(server, "more-faces", "0 5 * * *")
    server.run("flows.deploy")
    assert times(server, "recrawl") == {"demo-portraits": "0 4 * * *", "more-faces": "0 5 * * *"}

    schedule(server, "more-faces", "0 6 * * *")
    server.run("flows.deploy")
    assert times(server, "recrawl")["more-faces"] == "0 6 * * *"

    unschedule(server, "more-faces")
    assert "removed the schedule recrawl: more-faces" in server.run("flows.deploy")
    assert times(server, "recrawl") == {"demo-portraits": "0 4 * * *"}


@pytest.mark.long
def test_what_an_operator_paused_stays_paused_and_what_was_started_goes_on(server: Server) -> None:
    recrawl, repro = deployment(server, "recrawl"), deployment(server, "repro")
    assert [found.active for found in repro.schedules] == [False]
    with server.client as client:
        client.update_deployment_schedule(recrawl.id, recrawl.schedules[0].id, active=False)
        client.update_deployment_schedule(repro.id, repro.schedules[0].id, active=True)
        client.pause_deployment(repro.id)
        client.pause_automation(client.read_automations_by_name("Crash zombie flows")[0].id)

    printed = server.run("flows.deploy")
    assert "(paused)" in printed
    assert [found.active for found in deployment(server, "recrawl").schedules] == [False]
    assert [found.active for found in deployment(server, "repro").schedules] == [True]
    assert deployment(server, "repro").paused
    with server.client as client:
        enabled = {found.name: found.enabled for found in client.read_automations()}
    assert enabled == {"Crash zombie flows": False, "Crash flows that never began": True}


@pytest.mark.long
def test_a_schedule_made_in_the_ui_goes_and_takes_no_other_with_it(server: Server) -> None:
    recrawl = deployment(server, "recrawl")
    with server.client as client:
        client.update_deployment_schedule(recrawl.id, recrawl.schedules[0].id, active=False)
        client.create_deployment_schedules(recrawl.id, [(CronSchedule(cron="0 7 * * *"), True)])
    assert "removed the schedule recrawl: cron='0 7 * * *'" in server.run("flows.deploy")
    assert [(found.slug, found.active) for found in deployment(server, "recrawl").schedules] == [
        ("demo-portraits", False)
    ]


@pytest.mark.long
def test_a_mistake_in_params_yaml_is_told_and_changes_nothing(server: Server) -> None:
    kept = (server.workspace / "params.yaml").read_text()
    before = times(server, "recrawl")
    schedule(server, "demo-portraits", "often")
    assert "schedules" in server.run("flows.deploy", exit_code=2)
    assert times(server, "recrawl") == before
    (server.workspace / "params.yaml").write_text(kept)


@pytest.mark.long
def test_a_limit_that_an_operator_set_for_the_gpu_stays(server: Server) -> None:
    with server.client as client:
        (limit,) = client.read_global_concurrency_limits(limit=10, offset=0)
    assert limit.limit == 1
    assert limit.name.startswith("tag:gpu-")
    with server.client as client:
        client.create_concurrency_limit(tag=limit.name.removeprefix("tag:"), concurrency_limit=2)
    assert "2 task(s)" in server.run("flows.deploy")
