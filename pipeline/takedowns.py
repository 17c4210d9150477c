"""What was taken down: images, subjects and URLs that are neither fetched nor used again."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.parts import atomic_path

TAKEDOWNS_FILE = Path("takedowns.csv")
COLUMNS = ("what", "value", "reason", "date")
# What a value must look like, so that a slip of the pen takes down neither nothing nor everything.
_VALUES = {
    "image": (re.compile(r"[0-9a-f]{64}"), "an image's id has 64 hexadecimal digits"),
    "subject": (re.compile(r".*\S.*"), "a subject is not empty"),
    "url": (
        re.compile(r"https?://[^/\s]+\S*|file:\S+"),
        "a URL begins with http://HOST, https://HOST or file:",
    ),
}


@dataclass(frozen=True)
class Takedowns:
    """What is listed in takedowns.csv: ids of images, subjects, and beginnings of URLs."""

    images: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    url_prefixes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is listed."""
        return bool(self.images or self.subjects or self.url_prefixes)

    def covers(self, image_id: str | None = None, url: str | None = None, subject: str | None = None) -> bool:
        """Say whether an image is taken down, by whatever is known of it."""
        return (
            image_id in self.images
            or subject in self.subjects
            or (url is not None and url.startswith(self.url_prefixes))
        )


@dataclass(frozen=True)
class Takedown:
    """A line of takedowns.csv: `what` is `image`, `subject` or `url`, `date` is YYYY-MM-DD."""

    what: str
    value: str
    reason: str
    date: str

    def problem(self) -> str | None:
        """Say what is wrong with it, nothing where it is as it must be."""
        if self.what not in _VALUES:
            return f"{self.what!r} is not one of {', '.join(_VALUES)}"
        pattern, rule = _VALUES[self.what]
        return None if pattern.fullmatch(self.value) else f"{rule}, not {self.value!r}"


def load_takedowns(path: Path = TAKEDOWNS_FILE) -> Takedowns:
    """Read takedowns.csv; nothing is taken down where there is none. Raises `UserError` as `read_lines`."""
    listed: dict[str, list[str]] = {what: [] for what in _VALUES}
    for line in read_lines(path):
        listed[line.what].append(line.value)
    return Takedowns(frozenset(listed["image"]), frozenset(listed["subject"]), tuple(listed["url"]))


def read_lines(path: Path = TAKEDOWNS_FILE) -> list[Takedown]:
    """Return the lines of takedowns.csv in order; raise `UserError` with the number of a line that is wrong."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if tuple(next(rows, ())) != COLUMNS:
            raise UserError(f"{path}: line 1 must be {','.join(COLUMNS)}")
        lines = []
        for row in filter(None, rows):
            if len(row) != len(COLUMNS):
                raise UserError(
                    f"{path}: line {rows.line_num}: has {len(row)} columns instead of {len(COLUMNS)}"
                )
            line = Takedown(*row)
            if problem := line.problem():
                raise UserError(f"{path}: line {rows.line_num}: {problem}")
            lines.append(line)
    return lines


def add_lines(lines: Iterable[Takedown], path: Path = TAKEDOWNS_FILE) -> list[Takedown]:
    """Add what is not listed yet to takedowns.csv, atomically; return what was added.

    Raises `UserError` for a line that is wrong.
    """
    before = read_lines(path)
    listed = {(line.what, line.value) for line in before}
    added = []
    for line in lines:
        if problem := line.problem():
            raise UserError(problem)
        if (line.what, line.value) not in listed:
            listed.add((line.what, line.value))
            added.append(line)
    if added:
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(astuple(line) for line in (*before, *added))
    return added
