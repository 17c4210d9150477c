"""Whether an operator is needed: a source is no longer crawled, a recrawl is in quarantine, the disk is full."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.crawl.lock import held_path
from pipeline.params import load_params
from pipeline.schedules import Schedules
from pipeline.stages.crawl import failure_path, state_path, summary_path
from pipeline.upkeep import quarantine
from pipeline.watch import history
from pipeline.watch.bands import band, judge, rejected_share
from pipeline.watch.history import Record

Health = dict[str, Any]
# A source is overdue when it has missed so many of its times.
_MISSED = 2
_LEAST_FREE_SHARE = 0.05
_LEAST_FREE_BYTES = 5_000_000_000


def health(now: datetime | None = None) -> Health:
    """Return how every source of params.yaml fares, and the disk; `now` is for a look at another time.

    For each source: `schedule`, its cron; `last_crawl` (ISO 8601); `overdue`: two times of its schedule have passed
    since; `rejected`: the share of new items that its last recrawl could not have, and `usual`: the band in which that
    share should lie, both null where that is unknown; `held`: why a recrawl is in quarantine. The disk is `low` below
    5% or 5 GB, whichever is more. Each problem is a sentence that says what to do.
    """
    now = now or datetime.now(UTC)
    params = load_params()
    disk = _disk()
    return {
        "sources": [_source(name, params.schedules, now) for name in params.sources],
        "disk": disk,
        "problems": [*_disk_problems(disk), *_quarantine_problems(params.sources)],
    }


def describe(found: Mapping[str, Any]) -> str:
    """Say how the sources and the disk fare, in lines for people."""
    lines = []
    for each in found["sources"]:
        lines.append(f"{each['source']}: last crawl {each['last_crawl'] or 'unknown'}{_say_rejected(each)}")
        lines += [f"  {problem}" for problem in each["problems"]]
    disk = found["disk"]
    lines.append(f"disk: {disk['free_bytes'] / 1e9:.1f} GB of {disk['total_bytes'] / 1e9:.1f} GB are free")
    return "\n".join([*lines, *found["problems"]])


def _source(name: str, schedules: Schedules, now: datetime) -> Health:
    records = history.load(name)
    last = _last_crawl(name, records)
    cron = schedules.crons.get(name)
    missed = _missed(cron, schedules.timezone, last, now) if cron and last else None
    held = quarantine.read(name)
    rejected, usual = _rejections(records)
    return {
        "source": name,
        "schedule": cron,
        "last_crawl": last.isoformat(timespec="seconds") if last else None,
        "overdue": missed is not None,
        "rejected": rejected,
        "usual": usual,
        "held": held.reason if held else None,
        "problems": [
            *([_say_held(held)] if held else []),
            *([_say_overdue(name, missed)] if missed and not held else []),
            *([_say_never(name)] if cron and not last else []),
            *_failure(name, last),
            *_unusual(name, records),
        ],
    }


def _last_crawl(name: str, records: list[Record]) -> datetime | None:
    """Return when the source was crawled last: as its history tells, its last crawl, or that crawl's memory."""
    concluded = [record.at for record in records if record.verdict != history.UNWATCHED]
    finished = [json.loads(path.read_text())["finished"] for path in [summary_path(name)] if path.exists()]
    if concluded or finished:
        return max(datetime.fromisoformat(time) for time in concluded[-1:] + finished)
    memory = state_path(name)
    return datetime.fromtimestamp(memory.stat().st_mtime, UTC) if memory.exists() else None


def _missed(cron: str, timezone: str, last: datetime, now: datetime) -> datetime | None:
    """Return the first of its times that a source has missed; None where it is not overdue."""
    from cronsim import CronSim

    times = CronSim(cron, last.astimezone(ZoneInfo(timezone)))
    first, *_, latest = (next(times) for _ in range(_MISSED))
    return first if now > latest else None


def _rejections(records: list[Record]) -> tuple[float | None, tuple[float, float] | None]:
    """Return the last recrawl's share of rejections, and the band of those before it."""
    shares = [
        share for record in records if record.accepted and (share := rejected_share(record)) and share.of
    ]
    if not shares:
        return None, None
    *before, last = shares
    return round(last.count / last.of, 4), band(before, last.of)


def _unusual(name: str, records: list[Record]) -> list[str]:
    """Return what is not as usual in the last recrawl, unless somebody has looked at it and decided."""
    if not records or records[-1].verdict != "accepted":
        return []
    return [f"its last recrawl: {outside.message}" for outside in judge(name, records[-1], records[:-1])]


def _failure(name: str, last: datetime | None) -> list[str]:
    """Return why the source's last crawl ended early, if none has come to its end since."""
    path = failure_path(name)
    if not path.exists():
        return []
    failure = json.loads(path.read_text(encoding="utf-8"))
    failed = datetime.fromisoformat(failure["finished"])
    if last and failed < last:
        return []
    advice = "the next recrawl tries again" if failure["passing"] else "put it right, then crawl again"
    return [f"its crawl of {failed:%Y-%m-%d %H:%M} failed: {failure['message']}; {advice}"]


def _say_held(held: quarantine.Held) -> str:
    return (
        f"a recrawl is in quarantine since {held.since}: {held.reason}; decide in the Prefect UI, or type "
        f"`python -m pipeline quarantine approve {held.source}` or `quarantine discard {held.source}`"
    )


def _say_overdue(name: str, missed: datetime) -> str:
    return (
        f"was not crawled at {missed:%Y-%m-%d %H:%M %Z} nor the time after; see whether the Prefect worker runs and "
        f"how the last runs of its recrawl ended, or type `python -m flows.recrawl {name}`"
    )


def _say_never(name: str) -> str:
    return f"has a schedule and was never crawled here; type `dvc repro colors@{name}`"


def _say_rejected(found: Health) -> str:
    if found["rejected"] is None:
        return ""
    usual = f", usual are {found['usual'][0]:.0%} to {found['usual'][1]:.0%}" if found["usual"] else ""
    return f", {found['rejected']:.0%} of what was new could not be had{usual}"


def _disk() -> Health:
    usage = shutil.disk_usage(Path())
    least = max(_LEAST_FREE_SHARE * usage.total, _LEAST_FREE_BYTES)
    return {"free_bytes": usage.free, "total_bytes": usage.total, "low": usage.free < least}


def _disk_problems(disk: Health) -> list[str]:
    if not disk["low"]:
        return []
    return [
        f"the disk has {disk['free_bytes'] / 1e9:.1f} GB left; `python -m pipeline cache prune` and "
        "`dvc gc --workspace` delete what is no longer in use (after a `dvc push`, and with nothing in quarantine)"
    ]


def _quarantine_problems(sources: Mapping[str, Any]) -> list[str]:
    """Return what is held of sources that params.yaml has no longer."""
    return [
        f"{held_path(state_path(held.source))}: a recrawl of {held.source}, which params.yaml has no longer, is in "
        f"quarantine; type `python -m pipeline quarantine discard {held.source}`"
        for held in quarantine.all_held()
        if held.source not in sources
    ]
