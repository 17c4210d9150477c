"""What sources there are, and what kinds of them: the tables of `python -m pipeline source list`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import parts, sources
from pipeline.errors import UserError
from pipeline.workbench.entries import first_line

HEADER = ["source", "kind", "domain", "limit of a crawl", "schedule", "images", "last crawl"]
NOT_SAID = "-"


@dataclass(frozen=True)
class KindInfo:
    """A kind of source: its name, who adds it, what it is, under which terms; or why it cannot be had."""

    name: str
    distribution: str | None
    about: str
    terms: str


def kinds() -> list[KindInfo]:
    """Return every kind, those that other distributions add included."""
    return [_kind(name, distribution) for name, distribution in sources.kinds()]


def entries(params: Mapping[str, Any], state: Path) -> list[list[str]]:
    """Return a row for each source, with the columns of `HEADER`.

    `params` are the values of params.yaml, which need not be valid; `state` is the folder of the crawls' memory.
    """
    section = params.get("schedules")
    schedules = section if isinstance(section, dict) else {}
    rows = []
    for name, entry in (params.get("sources") or {}).items():
        said = _entry(entry if isinstance(entry, dict) else {})
        rows.append([name, *said, str(schedules.get(name, NOT_SAID)), *_crawled(name, state)])
    return rows


def _kind(name: str, distribution: str | None) -> KindInfo:
    try:
        kind = sources.kind_named(name)
    except UserError as error:
        return KindInfo(name, distribution, f"cannot be loaded: {error}", "")
    return KindInfo(name, distribution, first_line(kind), kind.terms)


def _entry(entry: Mapping[str, Any]) -> list[str]:
    domain = entry.get("domain", NOT_SAID)
    named = (
        ", ".join(f"{role}: {name}" for role, name in domain.items()) if isinstance(domain, dict) else domain
    )
    limit = entry.get("limit") or {}
    return [
        str(entry.get("kind", NOT_SAID)),
        str(named),
        ", ".join(f"{count} {budget}" for budget, count in limit.items()) or NOT_SAID,
    ]


def _crawled(name: str, state: Path) -> list[str]:
    stored = sum(parts.count_rows(part) for part in parts.list_parts(parts.folder("raw", name)))
    memory = state / f"{name}.sqlite"
    if not memory.exists():
        return [str(stored), NOT_SAID]
    return [str(stored), datetime.fromtimestamp(memory.stat().st_mtime).strftime("%Y-%m-%d %H:%M")]
