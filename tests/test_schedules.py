"""The section `schedules`: crons by source, no two of them at the same minute."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline.errors import UserError
from pipeline.params import Params, load_params


def params_with(folder: Path, **schedules: object) -> Path:
    """Write the shipped params.yaml with other schedules of its sources `demo-portraits` and `demo-cartoons`."""
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    values["schedules"] = {name.replace("demo_", "demo-"): value for name, value in schedules.items()}
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def message(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load_params(path)
    return str(error.value)


def test_the_shipped_schedules_recrawl_every_source_in_turn() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    assert params.schedules.crons == {"demo-portraits": "0 4 * * *", "demo-cartoons": "30 4 * * *"}
    assert (params.schedules.timezone, params.schedules.retrain_when_grown) == ("UTC", 0.1)


def test_without_the_section_nothing_is_done_unattended(tmp_path: Path) -> None:
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    del values["schedules"]
    params = Params.model_validate(values)
    assert params.schedules.crons == {}
    assert params.schedules.timezone == "UTC"


@pytest.mark.parametrize(
    ("schedules", "words"),
    [
        (
            {"demo_portraits": "at noon"},
            ["schedules.demo-portraits: 'at noon'", "five fields", "'0 4 * * *'"],
        ),
        ({"demo_portraits": "0 25 * * *"}, ["schedules.demo-portraits: '0 25 * * *'", "bad hour"]),
        ({"demo_portraits": "0 4 31 2 *"}, ["schedules.demo-portraits", "bad day-of-month"]),
        ({"demo_portraits": "0 4 L * *"}, ["schedules.demo-portraits", "L and W"]),
        ({"demo_portraits": "*/5 * * * * *"}, ["schedules.demo-portraits", "five fields"]),
        ({"demo_portraits": 4}, ["schedules.demo-portraits: Input should be a valid string, got 4"]),
        (
            {"elsewhere": "0 4 * * *"},
            ["schedules.elsewhere: is not one of the sources: demo-portraits", "remove this"],
        ),
        (
            {"timezone": "Mars/Olympus"},
            ["schedules.timezone: 'Mars/Olympus' is no time zone", "Europe/Berlin"],
        ),
        ({"timezone": "../etc"}, ["schedules.timezone"]),
        ({"retrain_when_grown": 0}, ["schedules.retrain_when_grown: Input should be greater than 0, got 0"]),
    ],
)
def test_an_error_names_the_key_and_the_fix(
    tmp_path: Path, schedules: dict[str, object], words: list[str]
) -> None:
    said = message(params_with(tmp_path, **schedules))
    for word in ("params.yaml: ", *words):
        assert word in said


def test_no_source_bears_the_name_of_a_setting(tmp_path: Path) -> None:
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    values["sources"]["timezone"] = values["sources"]["demo-portraits"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    assert "sources.timezone: is a setting of `schedules`; give the source another name" in message(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 4 * * *", "0 4 * * *"),
        ("0 4 * * *", "0 4 * * 1"),
        ("*/15 * * * *", "30 4 * * *"),
        ("0 4 * * 0", "0 4 * * 7"),  # both are Sunday
        ("0 4 * * SUN", "0 4 29 2 *"),  # some 29 February is a Sunday
        ("0 4 1 * 1", "0 4 15 * MON-FRI"),  # where both are limited, either is enough
    ],
)
def test_two_sources_at_the_same_minute_are_an_error(tmp_path: Path, one: str, other: str) -> None:
    said = message(params_with(tmp_path, demo_portraits=one, demo_cartoons=other))
    assert f"demo-portraits ({one!r}) and demo-cartoons ({other!r}) come at the same minute" in said
    assert "only one recrawl runs at a time in a workspace, the second would be cancelled" in said
    assert "give demo-cartoons a minute of its own" in said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 4 * * *", "30 4 * * *"),
        ("0 4 * * *", "0 5 * * *"),
        ("0 4 * * 1", "0 4 * * 2"),
        ("0 4 1 * *", "0 4 2 * *"),
        ("0 4 * 1 *", "0 4 * 2 *"),
        ("*/15 * * * *", "7 * * * *"),
        ("0 4 31 * *", "0 4 * 2,4,6,9,11 *"),  # these months have no 31st
    ],
)
def test_minutes_of_their_own_are_fine(tmp_path: Path, one: str, other: str) -> None:
    params = load_params(params_with(tmp_path, demo_portraits=one, demo_cartoons=other))
    assert params.schedules.crons == {"demo-portraits": one, "demo-cartoons": other}
