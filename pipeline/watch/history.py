"""What a source's recrawls brought, one after the other: `.state/<source>.history.jsonl`.

It is written whole each time, so that a kill leaves it as it was before or as it is afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline import parts
from pipeline.errors import UserError
from pipeline.stages.crawl import STATE

Verdict = Literal["accepted", "approved", "discarded"]
# What was crawled while nobody watched is in use all the same: it is what new faces are compared with.
UNWATCHED = "unwatched"
# Refusals that the entry or the operator asked for: they say nothing about how well the site works.
WANTED_REFUSALS = {"duplicate", "taken_down", "licence_excluded", "unsafe", "apparent_minor"}


@dataclass(frozen=True)
class Spread:
    """How something measured is distributed: over how many faces, and 20 quantiles, each in the middle of 1/20."""

    faces: int
    quantiles: list[float]


@dataclass(frozen=True)
class Record:
    """A recrawl: what it met at the source and what was new there.

    `began` and `at` are when it began and was concluded (ISO 8601, UTC), `parts` those that it added. `met` counts
    what the source showed, known or new; `refused` what was new and could not be had, `WANTED_REFUSALS` aside. None is
    unknown. Of the new `images`, `with_faces` show a face and `aligned` one that could be aligned; `faces` are all
    aligned faces, `spreads` what was measured on them. `rejected` counts by stage and reason.
    """

    began: str
    at: str
    verdict: str
    parts: list[str]
    met: int | None
    refused: int | None
    images: int
    with_faces: int
    aligned: int
    faces: int
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Record:
        """Return the record that `dataclasses.asdict` made these values of."""
        spreads = {name: Spread(**spread) for name, spread in values["spreads"].items()}
        return cls(**{**values, "spreads": spreads})

    @property
    def accepted(self) -> bool:
        """Whether what it brought is in use."""
        return self.verdict != "discarded"


def history_path(source: str) -> Path:
    """Return where a source's history lies."""
    return STATE / f"{source}.history.jsonl"


def load(source: str) -> list[Record]:
    """Return a source's records, the oldest first; raise `UserError` where a line is none."""
    path = history_path(source)
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_parse(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def append(source: str, added: Iterable[Record]) -> None:
    """Write records behind those that are there."""
    lines = [json.dumps(asdict(record)) for record in (*load(source), *added)]
    with parts.atomic_path(history_path(source)) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _parse(path: Path, number: int, line: str) -> Record:
    try:
        return Record.of(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path}: line {number} is no record of a recrawl; delete the line") from None
