"""A look at what a source gives: some of its images through the real fetcher, or its references alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline import images, parts
from pipeline.crawl.failures import BudgetSpent
from pipeline.crawl.references import ImageRef, NothingKnown, Refusal, Source
from pipeline.crawl.run import Settings, Summary, crawl
from pipeline.crawl.session import Session
from pipeline.project import errors_in
from pipeline.reasons import REASONS

Row = dict[str, Any]


@dataclass(frozen=True)
class Findings:
    """What a trial crawl met: rows of `parts.RAW` in the order of discovery, and of `parts.REJECTED_REFS`."""

    summary: Summary
    stored: Sequence[Row]
    rejected: Sequence[Row]


def try_out(name: str, source: Source, session: Session, settings: Settings) -> Findings:
    """Crawl as far as the session's budget reaches, into a temporary folder that is gone afterwards."""
    with TemporaryDirectory(prefix="source-check-") as temporary:
        folder = Path(temporary) / "raw"
        summary = crawl(name, source, session, folder, Path(temporary) / "state.sqlite", settings)
        stored = [row for part in parts.list_parts(folder) for row in parts.read_rows(part)]
        return Findings(summary, stored, parts.read_rows(folder / parts.REJECTED_NAME))


def describe(findings: Findings, roles: Collection[str] = ()) -> str:
    """Say what was found as a table of a few lines; `roles` are those that every pair should have."""
    summary, stored = findings.summary, findings.stored
    lines = {
        "found": f"{len(stored) + len(findings.rejected)} images and items, by {summary.requests} requests",
        "fetched": f"{len(stored)} images",
        "rejected": _counts(row["reason"] for row in findings.rejected) or "none",
        "licences": _counts(row["licence"] or "none said" for row in stored),
        "sizes": _range([(row["width_px"], row["height_px"]) for row in stored]),
        "formats": _counts(row["format"] for row in stored),
        "broken": _broken(stored),
        "bytes": _bytes([len(row["bytes"]) for row in stored]),
        "pairs": _pairs(stored, roles),
        "groups": _counts(row["group"] for row in stored if row["group"]),
        "subjects": _counts(row["subject"] for row in stored if row["subject"]),
        "stopped": f"the limit of {summary.spent} is reached" if summary.spent else "",
    }
    table = [f"{name:<10}{value}" for name, value in lines.items() if value]
    return "\n".join(table + [""] * bool(findings.rejected) + [_refused(row) for row in findings.rejected])


def preview(name: str, source: Source, session: Session, count: int) -> Iterator[str]:
    """Yield a line for each of the first references and refusals; no image is fetched.

    Raises `UserError` as a crawl does.
    """
    found = source.discover(session, NothingKnown())
    try:
        with errors_in(f"sources.{name}"):
            for number, item in enumerate(found, 1):
                yield _reference(item) if isinstance(item, ImageRef) else _refusal(item)
                if number >= count:
                    break
    except BudgetSpent as spent:
        yield f"stopped: the limit of {spent.budget} is reached"


def _reference(ref: ImageRef) -> str:
    pair = " ".join(filter(None, (ref.pair_id, ref.role)))
    said = {
        "page": ref.page_url,
        "title": ref.title,
        "author": ref.author,
        "licence": ref.licence or "none said",
        "tags": ", ".join(ref.tags),
        "subject": ref.subject,
        "pair": pair,
        "group": ref.group,
    }
    return printable(" | ".join([ref.url, *(f"{name} {value}" for name, value in said.items() if value)]))


def _refusal(refusal: Refusal) -> str:
    return printable(
        f"refused: {refusal.url} | {refusal.reason}: {refusal.detail or REASONS[refusal.reason]}"
    )


def _refused(row: Row) -> str:
    return printable(f"{row['url']} | {row['reason']}: {row['detail'] or REASONS[row['reason']]}")


def printable(text: str) -> str:
    """Return a site's words for a terminal: on one line, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def _counts(values: Iterator[str]) -> str:
    return printable(", ".join(f"{value} {count}" for value, count in Counter(values).most_common()))


def _range(sizes: Sequence[tuple[int, int]]) -> str:
    if not sizes:
        return ""
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    smallest, largest = (f"{width}x{height}" for width, height in (ordered[0], ordered[-1]))
    return f"{smallest} px" if smallest == largest else f"{smallest} to {largest} px"


def _bytes(sizes: Sequence[int]) -> str:
    if not sizes:
        return ""
    return f"{sum(sizes) / 1000:.0f} kB, {min(sizes) / 1000:.1f} to {max(sizes) / 1000:.1f} kB each"


def _broken(stored: Sequence[Row]) -> str:
    reasons = []
    for row in stored:
        try:
            images.decode(row["bytes"])
        except images.ImageProblem as problem:
            reasons.append(problem.reason)
    return _counts(iter(reasons))


def _pairs(stored: Sequence[Row], roles: Collection[str]) -> str:
    pairs: dict[str, set[str]] = defaultdict(set)
    for row in stored:
        if row["pair_id"]:
            pairs[row["pair_id"]].add(row["role"])
    wanted = set(roles) or set().union(*pairs.values())
    lacking = Counter(role for found in pairs.values() for role in wanted - found)
    complete = sum(wanted <= found for found in pairs.values())
    without = "".join(f", {count} without {role}" for role, count in sorted(lacking.items()))
    return f"{complete} complete, {len(pairs) - complete} incomplete{without}" if pairs else ""
