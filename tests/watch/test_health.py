"""What an operator is told: sources that are no longer crawled, unusual rejections, quarantine, the disk."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline import parts
from pipeline.crawl.lock import held_path
from pipeline.stages.crawl import failure_path, state_path, summary_path
from pipeline.watch import history
from pipeline.watch.health import describe, health
from pipeline.watch.history import Record, Verdict

NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
GB = 1_000_000_000
DEMO = {"kind": "demo", "style": "portrait", "count": 4, "seed": 0, "domain": "photo"}


def write_params(**schedules: str) -> None:
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    values |= {"sources": {"a": DEMO, "b": DEMO | {"seed": 1}}, "experiments": {}, "schedules": schedules}
    values["metrics"] = {"tagger": "none"}
    Path("params.yaml").write_text(yaml.safe_dump(values))


def conclude(days_ago: float, refused: int, images: int = 100, verdict: Verdict = "accepted") -> None:
    """Add a recrawl of source a to its history."""
    at = (NOW - timedelta(days=days_ago)).isoformat()
    record = Record(
        at,
        at,
        verdict,
        [],
        images + refused,
        refused,
        images,
        images,
        images,
        images,
        {"crawl": {"gone": refused}},
    )
    history.append("a", [record])


def write_held(source: str) -> None:
    values = {"since": "2026-02-09T04:00:00+00:00", "reason": "no faces", "step": "held"}
    parts.write_json(
        held_path(state_path(source)), values | {"stages": {}, "before": {}, "recrawl": {}, "found": None}
    )


def of(source: str) -> dict[str, Any]:
    return {each["source"]: each for each in health(NOW)["sources"]}[source]


@pytest.fixture(autouse=True)
def roomy(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace on a disk with room, crawled every night."""
    set_disk(monkeypatch, 100 * GB, 50 * GB)
    write_params(a="0 4 * * *")


def set_disk(monkeypatch: pytest.MonkeyPatch, total: int, free: int) -> None:
    usage = SimpleNamespace(total=total, used=total - free, free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def test_where_all_is_well_nothing_is_said(in_folder: Path) -> None:
    for days_ago in (3.3, 2.3, 1.3, 0.3):
        conclude(days_ago, refused=5)
    found = health(NOW)
    assert found["problems"] == []
    a, b = found["sources"]
    low, high = a["usual"]
    assert low < a["rejected"] < high
    assert a == {
        "source": "a",
        "schedule": "0 4 * * *",
        "last_crawl": "2026-02-10T04:48:00+00:00",
        "overdue": False,
        "rejected": round(5 / 105, 4),
        "usual": (low, high),
        "held": None,
        "problems": [],
    }
    assert (b["schedule"], b["last_crawl"], b["rejected"], b["usual"], b["problems"]) == (
        None,
        None,
        None,
        None,
        [],
    )
    assert (
        describe(found)
        .splitlines()[0]
        .startswith("a: last crawl 2026-02-10T04:48:00+00:00, 5% of what was new")
    )
    assert json.loads(json.dumps(found))["sources"][0]["usual"] == [low, high]


@pytest.mark.parametrize(
    ("days_ago", "overdue"), [(0.1, False), (1.0, False), (1.3, False), (1.4, True), (30, True)]
)
def test_a_source_is_overdue_when_two_of_its_times_have_passed(
    in_folder: Path, days_ago: float, overdue: bool
) -> None:
    conclude(days_ago, refused=0)
    found = of("a")
    assert found["overdue"] is overdue
    assert any("see whether the Prefect worker runs" in problem for problem in found["problems"]) is overdue


def test_times_are_those_of_the_time_zone(in_folder: Path) -> None:
    write_params(a="0 4 * * *", timezone="America/New_York")
    conclude(1.4, refused=0)  # at 21:24 there; four o'clock was seven hours before noon in UTC minus two
    assert of("a")["overdue"]
    write_params(a="0 8 * * *", timezone="America/New_York")  # 13:00 in UTC: today's is still to come
    assert not of("a")["overdue"]


def test_without_a_schedule_nothing_is_overdue(in_folder: Path) -> None:
    write_params()
    conclude(300, refused=0)
    assert (of("a")["overdue"], of("a")["problems"]) == (False, [])


def test_without_a_history_the_last_crawl_tells_or_its_memory(in_folder: Path) -> None:
    assert of("a")["problems"] == ["has a schedule and was never crawled here; type `dvc repro colors@a`"]
    state_path("a").parent.mkdir()
    state_path("a").touch()
    long_ago = NOW - timedelta(days=9)
    os.utime(state_path("a"), (long_ago.timestamp(), long_ago.timestamp()))
    assert (of("a")["last_crawl"], of("a")["overdue"]) == ("2026-02-01T12:00:00+00:00", True)
    parts.write_json(summary_path("a"), {"finished": "2026-02-10T04:10:00.123+00:00"})
    assert (of("a")["last_crawl"], of("a")["overdue"]) == ("2026-02-10T04:10:00+00:00", False)


def test_a_share_of_rejections_beyond_the_usual_is_said_until_somebody_has_decided(in_folder: Path) -> None:
    for days_ago in (3.3, 2.3, 1.3):
        conclude(days_ago, refused=5)
    conclude(0.3, refused=80)
    found = of("a")
    assert found["rejected"] > found["usual"][1]
    assert any(
        "80 of 180 new items" in problem and "source check a" in problem for problem in found["problems"]
    )
    conclude(0.2, refused=80, verdict="approved")
    assert of("a")["problems"] == []


def test_a_crawl_that_failed_is_said_until_one_succeeds(in_folder: Path) -> None:
    conclude(1.0, refused=0)
    failure = {
        "finished": "2026-02-10T04:00:10.000+00:00",
        "message": "https://a: answers 500",
        "passing": True,
    }
    parts.write_json(failure_path("a"), failure)
    assert of("a")["problems"] == [
        "its crawl of 2026-02-10 04:00 failed: https://a: answers 500; the next recrawl tries again"
    ]
    conclude(0.1, refused=0)
    assert of("a")["problems"] == []


def test_a_recrawl_in_quarantine_asks_for_a_decision(in_folder: Path) -> None:
    conclude(30, refused=0)
    write_held("a")
    found = of("a")
    assert (found["held"], found["overdue"]) == ("no faces", True)
    (problem,) = found["problems"]
    assert "in quarantine since 2026-02-09T04:00:00+00:00: no faces;" in problem
    assert "`python -m pipeline quarantine approve a` or `quarantine discard a`" in problem


def test_what_is_held_of_a_removed_source_is_not_forgotten(in_folder: Path) -> None:
    write_held("gone")
    (problem,) = health(NOW)["problems"]
    assert "a recrawl of gone, which params.yaml has no longer" in problem


@pytest.mark.parametrize(
    ("total_gb", "free_gb", "low"), [(1000, 51, False), (1000, 49, True), (20, 5.1, False), (20, 4.9, True)]
)
def test_the_disk_is_low_below_a_share_and_below_a_size(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, total_gb: float, free_gb: float, low: bool
) -> None:
    set_disk(monkeypatch, int(total_gb * GB), int(free_gb * GB))
    found = health(NOW)
    assert found["disk"] == {"free_bytes": int(free_gb * GB), "total_bytes": int(total_gb * GB), "low": low}
    assert [
        f"{free_gb:.1f} GB left; `python -m pipeline cache prune`" in each for each in found["problems"]
    ] == [True] * low
