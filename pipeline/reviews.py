"""What people say of faces that they looked at: which are bad, and where the eyes of others really are.

Both lists are files that an editor can fill too. They name a face by points in its picture, which stay true when the
faces are detected and numbered anew.
"""

from __future__ import annotations

import csv
import fcntl
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import UserError
from pipeline.parts import atomic_path

BAD_FACES_FILE = Path("bad_faces.csv")
CORRECTED_EYES_FILE = Path("corrected_eyes.csv")
_LOCK = Path(".state/reviews.lock")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

Point = tuple[float, float]
Eyes = tuple[Point, Point]
Box = Sequence[float]


@dataclass(frozen=True)
class BadFace:
    """A line of bad_faces.csv: the face at (x, y), pixels of the picture, is not to be used; `date` is YYYY-MM-DD."""

    image_id: str
    x: float
    y: float
    reason: str
    date: str

    def __str__(self) -> str:
        """Say which face is meant."""
        return f"image {self.image_id}, the face at ({self.x:g}, {self.y:g})"

    def face_among(self, boxes: Sequence[Box]) -> int | None:
        """Return which of a picture's boxes (left, top, right, bottom) is the face that it means."""
        return _box_at((self.x, self.y), boxes)

    def problem(self) -> str | None:
        """Say what is wrong with it, nothing where it is as it must be."""
        if not self.reason.strip():
            return "reason: is empty; say in a few words what is bad about the face"
        return _problem(self.image_id, self.date, x=self.x, y=self.y)


@dataclass(frozen=True)
class CorrectedEyes:
    """A line of corrected_eyes.csv: where the eyes of a face are, pixels of the picture; `date` is YYYY-MM-DD.

    Left and right are meant as seen in the picture.
    """

    image_id: str
    left_x: float
    left_y: float
    right_x: float
    right_y: float
    date: str

    @property
    def eyes(self) -> Eyes:
        """The left and the right eye."""
        return (self.left_x, self.left_y), (self.right_x, self.right_y)

    def __str__(self) -> str:
        """Say which face is meant."""
        (left, top), (right, bottom) = self.eyes
        return f"image {self.image_id}, the eyes at ({left:g}, {top:g}) and ({right:g}, {bottom:g})"

    def face_among(self, boxes: Sequence[Box]) -> int | None:
        """Return which of a picture's boxes (left, top, right, bottom) is the face that it means."""
        return face_of_eyes(self.eyes, boxes)

    def problem(self) -> str | None:
        """Say what is wrong with it, nothing where it is as it must be."""
        (left, top), (right, bottom) = self.eyes
        if problem := _problem(
            self.image_id, self.date, left_x=left, left_y=top, right_x=right, right_y=bottom
        ):
            return problem
        if right - left < 1:
            return f"left_x: {left} must be at least 1 px left of right_x {right}, as seen in the picture"
        return None

    def is_of_the_face_of(self, other: CorrectedEyes) -> bool:
        """Say whether both are plainly of one face: their middles are nearer than the eyes of either."""
        apart = math.dist(_middle(self.eyes), _middle(other.eyes))
        return self.image_id == other.image_id and apart < min(
            math.dist(*line.eyes) for line in (self, other)
        )


Line = TypeVar("Line", bound=BadFace | CorrectedEyes)


def read_bad_faces(path: Path = BAD_FACES_FILE) -> list[BadFace]:
    """Return the lines of bad_faces.csv in order, none where there is no file.

    Raises `UserError` with the number of a line that is wrong.
    """
    return _read(BadFace, path)


def read_corrected_eyes(path: Path = CORRECTED_EYES_FILE) -> list[CorrectedEyes]:
    """Return the lines of corrected_eyes.csv in order, none where there is no file; of one face the last one counts.

    Raises `UserError` with the number of a line that is wrong.
    """
    return _read(CorrectedEyes, path)


def add_bad_face(
    image_id: str, point_xy: Sequence[float], reason: str, date: str, path: Path = BAD_FACES_FILE
) -> bool:
    """Add a line to bad_faces.csv, atomically; say whether that point was not listed yet.

    `point_xy` lies in the face's box, in pixels of the picture; `date` is YYYY-MM-DD. Raises `UserError` for a line
    that is wrong.
    """
    x, y = _rounded(point_xy)
    line = BadFace(image_id, x, y, " ".join(reason.split()), date)
    same = replace(line, reason="", date="")
    return _add(line, path, lambda other: replace(other, reason="", date="") == same, replaces=False)


def add_corrected_eyes(
    image_id: str, eyes: Sequence[Sequence[float]], date: str, path: Path = CORRECTED_EYES_FILE
) -> bool:
    """Add a line to corrected_eyes.csv, atomically, for that of the same face; say whether it was not there yet.

    `eyes` are two points in pixels of the picture, in either order; `date` is YYYY-MM-DD. Raises `UserError` for a
    line that is wrong.
    """
    left, right = sorted(_rounded(eye) for eye in eyes)
    line = CorrectedEyes(image_id, *left, *right, date)
    return _add(line, path, line.is_of_the_face_of, replaces=True)


def remove_lines(lines: Iterable[Line], path: Path) -> int:
    """Take lines out of a list, atomically, and return how many were there; raise `UserError` as reading does."""
    gone = set(lines)
    if not gone:
        return 0
    kind = type(next(iter(gone)))
    with _alone():
        before = _read(kind, path)
        left = [line for line in before if line not in gone]
        if left != before:
            _write(kind, path, left)
    return len(before) - len(left)


def face_of_eyes(eyes: Eyes, boxes: Sequence[Box]) -> int | None:
    """Return which box (left, top, right, bottom) is of the face that has these eyes.

    It holds their middle, or else its centre is at most its longer side away: a box may miss half of a face.
    """
    middle = _middle(eyes)
    held = _box_at(middle, boxes)
    if held is not None:
        return held
    away = {number: math.dist(_center(box), middle) for number, box in enumerate(boxes)}
    near = [number for number, box in enumerate(boxes) if away[number] <= _side(box)]
    return min(near, key=away.__getitem__, default=None)


def eyes_by_image(lines: Iterable[CorrectedEyes]) -> dict[str, list[Eyes]]:
    """Return the corrected eyes of each image, in the order of the lines."""
    found: dict[str, list[Eyes]] = defaultdict(list)
    for line in lines:
        found[line.image_id].append(line.eyes)
    return dict(found)


def faces_with_eyes(corrections: Iterable[Eyes], boxes: Sequence[Box]) -> dict[int, Eyes]:
    """Return the corrected eyes of the boxes that have such; of one face, the last."""
    found = {}
    for eyes in corrections:
        number = face_of_eyes(eyes, boxes)
        if number is not None:
            found[number] = eyes
    return found


def _box_at(point: Point, boxes: Sequence[Box]) -> int | None:
    """Return which box holds a point; of several, the one whose centre is nearest."""
    holding = [number for number, box in enumerate(boxes) if _holds(box, point)]
    return min(holding, key=lambda number: math.dist(_center(boxes[number]), point), default=None)


def _holds(box: Box, point: Point) -> bool:
    left, top, right, bottom = box
    return left <= point[0] <= right and top <= point[1] <= bottom


def _center(box: Box) -> Point:
    left, top, right, bottom = box
    return (left + right) / 2, (top + bottom) / 2


def _side(box: Box) -> float:
    left, top, right, bottom = box
    return max(right - left, bottom - top)


def _middle(eyes: Eyes) -> Point:
    (left_x, left_y), (right_x, right_y) = eyes
    return (left_x + right_x) / 2, (left_y + right_y) / 2


def _add(line: Line, path: Path, is_the_same: Callable[[Line], bool], replaces: bool) -> bool:
    """Add a line unless one that is the same is there, or in the place of those that are, where it replaces them.

    A line that differs in nothing but its date replaces none.
    """
    if problem := line.problem():
        raise UserError(f"{path}: {problem}")
    with _alone():
        before = _read(type(line), path)
        same = [other for other in before if is_the_same(other)]
        if any(not replaces or replace(other, date=line.date) == line for other in same):
            return False
        _write(type(line), path, [*(other for other in before if other not in same), line])
        return True


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other threads and processes of the workspace from changing the lists while the block works."""
    _LOCK.parent.mkdir(exist_ok=True)
    with _LOCK.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(kind: type[Line], path: Path) -> list[Line]:
    if not path.exists():
        return []
    columns = _columns(kind)
    lines = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets put a mark before the text
            rows = csv.reader(file, strict=True)
            if tuple(next(rows, ())) != columns:
                raise UserError(f"{path}: line 1 must be {','.join(columns)}")
            for row in filter(None, rows):
                lines.append(_parsed(kind, row, f"{path}: line {rows.line_num}"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save it as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path}: line {rows.line_num}: is not CSV: {error}") from None
    return lines


def _parsed(kind: type[Line], row: list[str], where: str) -> Line:
    columns = _columns(kind)
    if len(row) != len(columns):
        raise UserError(f"{where}: has {len(row)} columns instead of {len(columns)}")
    values: dict[str, Any] = dict(zip(columns, row, strict=True))
    for field in fields(kind):
        if field.type == "float":
            try:
                values[field.name] = float(values[field.name])
            except ValueError:
                raise UserError(f"{where}: {field.name}: {values[field.name]!r} is not a number") from None
    line = kind(**values)
    if problem := line.problem():
        raise UserError(f"{where}: {problem}")
    return line


def _write(kind: type[Line], path: Path, lines: Sequence[Line]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_columns(kind))
        writer.writerows([getattr(line, name) for name in _columns(kind)] for line in lines)


def _columns(kind: type[Line]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _rounded(point: Sequence[float]) -> Point:
    x, y = point
    return round(float(x), 2), round(float(y), 2)


def _problem(image_id: str, date: str, **coordinates: float) -> str | None:
    if not _IMAGE_ID.fullmatch(image_id):
        return f"image_id: an image's id has 64 hexadecimal digits, not {image_id!r}"
    for name, value in coordinates.items():
        if not (math.isfinite(value) and value >= 0):
            return f"{name}: {value} is not a place in a picture; its pixels are counted from 0"
    if not _is_day(date):
        return f"date: {date!r} is not a day as YYYY-MM-DD"
    return None


def _is_day(text: str) -> bool:
    with suppress(ValueError):
        return bool(_DATE.fullmatch(text) and datetime.strptime(text, "%Y-%m-%d"))
    return False
