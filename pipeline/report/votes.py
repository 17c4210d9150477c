"""The votes of a blind comparison: as the page writes them, and as ratings.csv keeps them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import parts
from pipeline.errors import UserError

RATINGS = Path("ratings.csv")
CHOICES = {"left": 1.0, "tie": 0.5, "right": 0.0}
_LONGEST = 200


@dataclass(frozen=True)
class Rating:
    """Who found which of two experiments' outputs better for a test face of a way; `choice`: left, right or tie."""

    rater: str
    face_id: str
    way: str
    left: str
    right: str
    choice: str
    time: str

    @property
    def question(self) -> tuple[str, str, str, frozenset[str]]:
        """What was asked of whom: which side an experiment stood on does not matter."""
        return self.rater, self.face_id, self.way, frozenset((self.left, self.right))


COLUMNS = tuple(field.name for field in fields(Rating))


def read_ratings(path: Path = RATINGS) -> list[Rating]:
    """Return what a file of votes holds, none where it is not there. Raises `UserError` with the line and the fix."""
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 text: {error}; give the CSV that the rating page offers"
        ) from None
    lines = csv.DictReader(io.StringIO(text), strict=True)
    try:
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise UserError(
                f"{path}: its first line must be {','.join(COLUMNS)}; give the CSV that the rating page offers"
            )
        return [_rating(row, f"{path}: line {lines.line_num}") for row in lines]
    except csv.Error as error:
        raise UserError(f"{path}: line {lines.line_num}: no CSV: {error}") from None


def _rating(row: Mapping[str | None, Any], where: str) -> Rating:
    if None in row or None in row.values():
        raise UserError(f"{where}: must have {len(COLUMNS)} values, one for each of {', '.join(COLUMNS)}")
    values = {name: row[name].strip() for name in COLUMNS}
    for name, value in values.items():
        if not value or len(value) > _LONGEST or not value.isprintable():
            raise UserError(f"{where}: {name} must be 1 to {_LONGEST} printable characters, got {value!r}")
    if values["choice"] not in CHOICES:
        raise UserError(f"{where}: choice must be {', '.join(CHOICES)}, got {values['choice']!r}")
    if values["left"] == values["right"]:
        raise UserError(f"{where}: left and right must differ, both are {values['left']!r}")
    try:
        datetime.fromisoformat(values["time"])
    except ValueError:
        raise UserError(f"{where}: time must be as 2026-01-31T12:00:00Z, got {values['time']!r}") from None
    return Rating(**values)


def read_names(path: Path) -> dict[str, dict[str, str]]:
    """Return for each way the experiment behind each opaque id of a rating page. Raises `UserError`."""
    try:
        ways = json.loads(path.read_text(encoding="utf-8"))["experiments"]
        return {str(way): {str(key): str(name) for key, name in of.items()} for way, of in ways.items()}
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; --names must be the JSON file that was written beside the rating page"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not written by `rating page`: {error!r}") from None


def named(votes: Sequence[Rating], names: Mapping[str, Mapping[str, str]], path: Path) -> list[Rating]:
    """Return votes with the experiments' names in place of the page's ids; `path` is where the votes are from.

    Raises `UserError` for a way or an id that the page did not have.
    """
    found = []
    for vote in votes:
        where = f"{path}: the vote of {vote.rater} on face {vote.face_id}"
        known = names.get(vote.way)
        if known is None:
            raise UserError(f"{where}: way {vote.way!r} is not one of the page's: {', '.join(names)}")
        for side, of in (("left", vote.left), ("right", vote.right)):
            if of not in known:
                raise UserError(
                    f"{where}: {side}: {of!r} is no id of the page; "
                    "give --names the JSON file that was written beside the page these votes are of"
                )
        found.append(Rating(**asdict(vote) | {"left": known[vote.left], "right": known[vote.right]}))
    return found


def merge(votes: Sequence[Rating], path: Path = RATINGS) -> int:
    """Add votes to the file, whole or not at all, and return how many were new.

    A question that its rater has answered before keeps its first answer.
    """
    kept = read_ratings(path)
    asked = {vote.question for vote in kept}
    fresh = []
    for vote in votes:
        if vote.question not in asked:
            asked.add(vote.question)
            fresh.append(vote)
    if fresh:
        _write(path, [*kept, *fresh])
    return len(fresh)


def _write(path: Path, ratings: Sequence[Rating]) -> None:
    with parts.atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, ratings))
