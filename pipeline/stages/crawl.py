"""crawl@<source>: fetches what is new at a source into new parts."""

from __future__ import annotations

from pathlib import Path

from pipeline import parts
from pipeline.crawl.run import crawl
from pipeline.crawl.session import Session
from pipeline.params import load_params
from pipeline.sources import build

STATE = Path(".state")


def run(source: str) -> None:
    """Crawl one source and say what was met."""
    params = load_params()
    entry = params.source(source)
    with Session(params.crawl.contact, entry.limit.pages) as session:
        summary = crawl(
            source,
            build(source, entry),
            session,
            parts.folder("raw", source),
            STATE / f"{source}.sqlite",
            params.crawl.part_size,
            entry.limit.images,
        )
    refused = ", ".join(f"{reason} {count}" for reason, count in sorted(summary.refused.items())) or "none"
    print(f"{source}: {summary.new} new, {summary.known} known, refused: {refused}")
