"""crawl@<source>: fetches what is new at a source into new parts.

What it met is left in logs/crawl/<source>.json, for those who watch over the source (pipeline.watch).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from pipeline import parts
from pipeline.crawl.failures import FetchProblem
from pipeline.crawl.references import Source
from pipeline.crawl.retries import DAY_S
from pipeline.crawl.run import Settings, Summary, crawl
from pipeline.crawl.screening import build_screen
from pipeline.crawl.session import Budget, Caps, Session
from pipeline.errors import UserError
from pipeline.params import Params, SourceEntry, load_params
from pipeline.project import errors_in
from pipeline.sources import build
from pipeline.takedowns import load_takedowns

STATE = Path(".state")
LOGS = Path("logs/crawl")


def run(name: str) -> None:
    """Crawl one source and say what was met."""
    import_module("pandas")  # pyarrow loads it with the first part: better now than while answers wait
    params = load_params()
    source = build(name, params.source(name))
    with open_session(params, params.source(name), source) as session:
        settings = settings_of(params, name)
        with _failure_noted(name):
            summary = crawl(name, source, session, parts.folder("raw", name), state_path(name), settings)
    counts = {**vars(summary), "refused": dict(sorted(summary.refused.items()))}
    parts.write_json(summary_path(name), {"finished": _now(), **counts})
    print(f"{name}: {describe(summary)}")


def state_path(name: str) -> Path:
    """Return where a source's crawls are remembered."""
    return STATE / f"{name}.sqlite"


def summary_path(name: str) -> Path:
    """Return where the `Summary` of a source's last finished crawl lies, with the time when it `finished`."""
    return LOGS / f"{name}.json"


def failure_path(name: str) -> Path:
    """Return where a source's last crawl said why it ended early; `passing` where it may go better the next time."""
    return LOGS / f"{name}.failed.json"


def open_session(params: Params, entry: SourceEntry, source: Source) -> Session:
    """Return the session that an entry asks for, no faster than the site's own terms allow."""
    pace = min(entry.requests_per_s or params.crawl.requests_per_s, source.max_requests_per_s or float("inf"))
    caps = replace(
        Caps(),
        requests_per_s=pace,
        connections_per_host=entry.connections_per_host or params.crawl.connections_per_host,
    )
    budget = Budget(**entry.limit.model_dump())
    return Session(params.crawl.contact, budget, caps=caps, networks=entry.allow_networks)


def settings_of(params: Params, name: str) -> Settings:
    """Return how a crawl of a source works."""
    entry = params.source(name)
    with errors_in(f"sources.{name}"):
        screen = build_screen(entry.screen)
    return Settings(
        part_size=params.crawl.part_size,
        threads=params.crawl.threads,
        processes=params.engine.worker_count,
        revalidate_s=params.crawl.revalidate_days * DAY_S,
        entry=_name_of_entry(entry),
        takedowns=load_takedowns(),
        screen=screen,
    )


def describe(summary: Summary) -> str:
    """Say in one line what a crawl met and what it cost."""
    refused = ", ".join(f"{reason} {count}" for reason, count in sorted(summary.refused.items())) or "none"
    ended = f"; stopped: the limit of {summary.spent} is reached" if summary.spent else ""
    return (
        f"{summary.new} new, {summary.known} known ({summary.unchanged} asked again), "
        f"{summary.stored} stored in all, refused: {refused}; "
        f"{summary.requests} requests, {summary.bytes / 1e6:.1f} MB{ended}"
    )


@contextmanager
def _failure_noted(name: str) -> Iterator[None]:
    failure_path(name).unlink(missing_ok=True)
    try:
        yield
    except UserError as error:
        failure = {"finished": _now(), "message": str(error), "passing": _is_passing(error)}
        parts.write_json(failure_path(name), failure)
        raise


def _is_passing(error: BaseException | None) -> bool:
    """Say whether an error was raised because the site, or its robots.txt, had no answer but an error of its own."""
    while error and not isinstance(error, FetchProblem):
        error = error.__context__
    while isinstance(error, FetchProblem):
        if error.transient or error.retry_after_s is not None:
            return True
        error = error.__cause__
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _name_of_entry(entry: SourceEntry) -> str:
    """Name what an entry shows: its kind, its options, and how many list pages are turned."""
    shown = {"kind": entry.kind, "options": entry.options, "pages": entry.limit.pages}
    return hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()[:16]
