"""One recrawl from its beginning to its conclusion: where it starts from, what it brought, what was made of it.

`begin` leaves `.state/<source>.recrawl.json`, and beside it what the crawls before had refused; `conclude` removes
both. What lies between may be killed and begun again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import parts
from pipeline.crawl.lock import held_path
from pipeline.crawl.retries import PASSING
from pipeline.errors import UserError
from pipeline.params import load_params
from pipeline.stages.crawl import STATE, failure_path, state_path, summary_path
from pipeline.upkeep.quarantine import lock_entries, note_path
from pipeline.watch import history
from pipeline.watch.bands import drift, faces_share, judge, recent_faces, rejected_share
from pipeline.watch.history import UNWATCHED, WANTED_REFUSALS, Record, Verdict
from pipeline.watch.pictures import write_sheet
from pipeline.watch.tallies import Tally, complete, tally

Found = dict[str, Any]


@dataclass(frozen=True)
class _Note:
    """What `begin` left: when it was (ISO 8601, UTC), and the parts that were there."""

    at: str
    parts: list[str]


def begin(source: str) -> str:
    """Note where a recrawl starts from, and return a line about it; what was noted for a killed one stays.

    Raises `UserError` for an unknown source and for one whose last recrawl is in quarantine.
    """
    load_params().source(source)
    held = held_path(state_path(source))
    if held.exists():
        raise UserError(
            f"{held}: the last recrawl of {source} is in quarantine; type `python -m pipeline quarantine approve "
            f"{source}` or `python -m pipeline quarantine discard {source}` first"
        )
    if (note := _read_note(source)) and not _is_concluded(source, note):
        return f"{source}: its recrawl of {note.at} was not concluded; it goes on from there"
    _keep_refusals(source)
    names = [path.name for path in parts.list_parts(parts.folder("raw", source))]
    note = _Note(datetime.now(UTC).isoformat(timespec="milliseconds"), names)
    parts.write_json(note_path(source), {**asdict(note), "stages": lock_entries(source)})
    return f"{source}: its recrawl begins with {len(names)} parts"


def recrawl(source: str) -> Found:
    """Return what the recrawl brought and how it compares with those before; draw what is new.

    Faces are counted and judged when the stages up to the colours have run. `down` says why nothing could be had
    where the site answered with nothing but errors. Raises `UserError` where no recrawl is under way, or where its
    crawl has not run.
    """
    note = _read_note(source)
    if note is None:
        raise UserError(
            f"{note_path(source)}: no such file: no recrawl of {source} is under way; type "
            f"`python -m pipeline watch begin {source}` and crawl it"
        )
    summary, down = _crawled(source, note)
    new = [path.name for path in parts.list_parts(parts.folder("raw", source)) if path.name not in note.parts]
    measured = complete(source, new) == new
    counted = tally(source, new) if measured else Tally(images=_count_images(source, new))
    refused = _new_refusals(source)
    record = _record(note, "", new, counted, _met(summary), refused)
    before = _watched(source, note)
    return {
        "source": source,
        **{name: summary[name] for name in ("discovered", "new", "known", "refused", "requests", "bytes")},
        **{name: summary[name] for name in ("stored", "spent")},
        "met": record.met,
        "down": down or _only_errors(summary, counted),
        "parts": new,
        **{name: getattr(counted, name) for name in ("images", "with_faces", "aligned", "faces", "licences")},
        "rejected": record.rejected,
        "measures": _measures(record, before),
        "outside": [asdict(each) for each in judge(source, record, before)] if measured and not down else [],
        "sheet": _sheet(source, new) if measured else None,
        "record": asdict(record),
    }


def conclude(source: str, verdict: Verdict, found: Found | None = None) -> str:
    """Add the recrawl to the source's history and forget where it started from; return a line about it.

    `found` is what `recrawl` said, where its parts may be here no longer. Without a recrawl nothing is done. Raises
    `UserError` where a recrawl that is accepted has not gone through all stages.
    """
    note = _read_note(source)
    if note is None:
        return f"{source}: no recrawl is under way; nothing to conclude"
    if not _is_concluded(source, note):
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        values = (found or _checked(source, verdict))["record"]
        record = Record.of({**values, "at": at, "verdict": verdict})
        known = history.load(source)
        history.append(source, [*_watched(source, note)[len(known) :], record])
    note_path(source).unlink()
    _refusals_path(source).unlink(missing_ok=True)
    return f"{source}: its recrawl is {verdict}"


def sheet_path(source: str) -> Path:
    """Return where the contact sheet of a source's last recrawl lies."""
    return Path("report/recrawls") / f"{source}.png"


def _read_note(source: str) -> _Note | None:
    path = note_path(source)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return _Note(values["at"], values["parts"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: is not what `watch begin` wrote; delete it and begin the recrawl again"
        ) from None


def _is_concluded(source: str, note: _Note) -> bool:
    """Say whether the recrawl is in the history already, and only its note was left behind by a kill."""
    return any(record.began == note.at and record.verdict != UNWATCHED for record in history.load(source))


def _checked(source: str, verdict: Verdict) -> Found:
    found = recrawl(source)
    if verdict != "discarded":
        tally(source, found["parts"])
    return found


def _refusals_path(source: str) -> Path:
    return STATE / f"{source}.refused.parquet"


def _keep_refusals(source: str) -> None:
    rejected = parts.folder("raw", source) / parts.REJECTED_NAME
    if rejected.exists():
        parts.link(rejected, _refusals_path(source))
    else:
        _refusals_path(source).unlink(missing_ok=True)


def _refusals(path: Path) -> dict[str, str]:
    """Return the reasons of what was refused, by URL."""
    if not path.exists():
        return {}
    return {row["url"]: row["reason"] for row in parts.read_rows(path, ["url", "reason"])}


def _new_refusals(source: str) -> dict[str, int]:
    """Count by reason what this recrawl refused and those before it had not; each later one meets it again."""
    before = _refusals(_refusals_path(source))
    now = _refusals(parts.folder("raw", source) / parts.REJECTED_NAME)
    return _sorted(Counter(reason for url, reason in now.items() if url not in before))


def _sorted(counted: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counted.items()))


def _not_wanted(refused: Mapping[str, int]) -> int:
    return sum(count for reason, count in refused.items() if reason not in WANTED_REFUSALS)


def _crawled(source: str, note: _Note) -> tuple[Found, str | None]:
    """Return what the recrawl's last crawl met, and what it said if it could not even begin for a passing reason."""
    failure, summary = _read(failure_path(source)), _read(summary_path(source))
    if failure and failure["finished"] >= note.at and failure["passing"]:
        return _NOTHING | (summary or {}) | _NOTHING_MET, str(failure["message"])
    if summary is None or summary["finished"] < note.at:
        raise UserError(
            f"{summary_path(source)}: the crawl that the recrawl of {source} begins with has not come to its end; "
            f"type `dvc repro --force --single-item crawl@{source}`"
        )
    return summary, None


_NOTHING_MET: Found = {"discovered": 0, "new": 0, "known": 0, "unchanged": 0, "refused": {}, "passed": 0}
_NOTHING: Found = {**_NOTHING_MET, "requests": 0, "bytes": 0, "stored": 0, "spent": None}


def _read(path: Path) -> Found | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def _met(summary: Found) -> int:
    """Return how much the source showed: images, and pages of items that need not be read again."""
    return int(summary["discovered"]) + int(summary.get("passed", 0))


def _only_errors(summary: Found, counted: Tally) -> str | None:
    """Say what failed where nothing was met but what may well be there at the next attempt."""
    refused = summary["refused"]
    if counted.images or summary["known"] or not refused or set(refused) - PASSING:
        return None
    named = ", ".join(f"{reason} {count}" for reason, count in sorted(refused.items()))
    return f"none of {sum(refused.values())} items could be had: {named}"


def _count_images(source: str, names: Sequence[str]) -> int:
    return sum(parts.count_rows(parts.folder("raw", source) / name) for name in names)


def _record(
    note: _Note,
    verdict: str,
    names: list[str],
    counted: Tally,
    met: int | None,
    refused: Mapping[str, int] | None,
) -> Record:
    return Record(
        began=note.at,
        at=note.at,
        verdict=verdict,
        parts=names,
        met=met,
        refused=None if refused is None else _not_wanted(refused),
        images=counted.images,
        with_faces=counted.with_faces,
        aligned=counted.aligned,
        faces=counted.faces,
        rejected={**({"crawl": dict(refused)} if refused else {}), **counted.rejected},
        spreads=counted.spreads,
    )


def _watched(source: str, note: _Note) -> list[Record]:
    """Return the source's history, and what is there from before and no recrawl brought, as if it were one."""
    known = history.load(source)
    mine = {name for record in known if record.accepted for name in record.parts}
    others = complete(source, [name for name in note.parts if name not in mine])
    if not others:
        return known
    # What was refused until now is known in all: of these parts alone only where there is nothing else.
    refused = None if known else _sorted(Counter(_refusals(_refusals_path(source)).values()))
    record = _record(note, UNWATCHED, others, tally(source, others), None, refused)
    return [*known, record]


def _measures(record: Record, before: Sequence[Record]) -> dict[str, Any]:
    shares = {"rejected": rejected_share(record), "faces": faces_share(record)}
    moved = drift(record, recent_faces(before))
    return {
        "met": record.met,
        **{
            name: round(share.count / share.of, 4) if share and share.of else None
            for name, share in shares.items()
        },
        "drift": round(moved.distance, 3) if moved else None,
        "drifted": moved.quantity if moved else None,
    }


def _sheet(source: str, names: Sequence[str]) -> str | None:
    path = sheet_path(source)
    if not write_sheet(source, names, path):
        path.unlink(missing_ok=True)
        return None
    return str(path)
