"""Many pictures at once: a folder or a zip in, a folder of PNGs and a table out, picture by picture.

Every face of every picture is a row of the table, and so is a picture without one: nothing is lost. A run that was
ended anywhere goes on where it was.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import parts
from pipeline.crawl.failures import FetchProblem
from pipeline.errors import UserError
from pipeline.methods.base import Way
from pipeline.params import Params
from pipeline.progress import counter
from pipeline.serve.advice import ADVICE
from pipeline.serve.given import MAX_BYTES, Refused, is_zip_in_zip, pictures_in, places_of, safe_path, shown
from pipeline.serve.journal import Journal, Row, journal, written
from pipeline.serve.looking import Face, look, ways_of
from pipeline.serve.marks import marked_png
from pipeline.serve.pasting import paste
from pipeline.serve.zoo import WEIGHTS, Answer, Zoo
from pipeline.sources.files import File
from pipeline.takedowns import Takedowns
from pipeline.training.interruption import leave, noted_signals
from pipeline.training.reproducible import reproducible

TABLE = "translated.csv"
FACES, PASTED = "faces", "pasted"
COLUMNS = ("file", "face", "box_xyxy", "output", "pasted", "reason", "detail", "advice", "seconds")
_MOST_STARTS = 2


@dataclass(frozen=True)
class Wanted:
    """What is made of each picture: by which experiment, of faces of which domain (None: of its first way's).

    `pastes`: the photograph with its faces translated, too; `visible_mark`: every picture says on itself that it is
    generated.
    """

    experiment: str
    of: str | None = None
    pastes: bool = False
    visible_mark: bool = False


@dataclass(frozen=True)
class Counts:
    """How many pictures came in, and what became of their faces and of the pictures without any."""

    pictures: int
    translated: int
    rejected: Mapping[str, int]


class Batch:
    """The translation of one picture after another into the folder `out`.

    Raises `UserError` where the experiment is not trained, or not for what the pictures show.
    """

    def __init__(self, wanted: Wanted, zoo: Zoo, params: Params, takedowns: Takedowns, out: Path) -> None:
        self.wanted = wanted
        self.out = out
        self.way = _way(zoo, wanted)
        self.ways = ways_of(params, self.way.of)
        self.written_bytes = 0
        self._zoo = zoo
        self._takedowns = takedowns

    def go_on(self, files: Sequence[File], notes: Journal) -> Iterator[int]:
        """Translate what is not done yet; yield how many pictures are, first before anything is begun.

        A picture during which the process ended is begun once more, after all others; one that ended it twice is
        a row that says so. Leaving at a `yield`, or by an exception, is not held against any picture.
        """
        places = places_of(files)
        versions = {file.path: _version(file, places[file.path]) for file in files}
        left = [file for file in files if not notes.has(file.path, versions[file.path])]
        left.sort(key=lambda file: notes.begun(file.path, versions[file.path]))
        done = len(files) - len(left)
        yield done
        for file in left:
            self._do(file, versions[file.path], places[file.path], notes)
            done += 1
            yield done

    def remove(self, rows: Iterable[Row]) -> None:
        """Remove what was made of a picture."""
        for row in rows:
            for name in ("output", "pasted"):
                if row.get(name):
                    (self.out / row[name]).unlink(missing_ok=True)

    def _do(self, file: File, version: str, place: Path, notes: Journal) -> None:
        if notes.begun(file.path, version) >= _MOST_STARTS:
            detail = f"the process ended {_MOST_STARTS} times while it worked on this picture"
            notes.add(file.path, version, [refused(file.path, "worker_crashed", detail)])
            return
        notes.start(file.path, version)
        try:
            self.remove(notes.rows(file.path))
            rows = self._rows_of(file, place)
        except Exception as error:
            if isinstance(error, UserError):  # what is missing is not the picture's fault
                notes.leave(file.path, version)
                raise
            rows = [refused(file.path, "failed", f"{type(error).__name__}: {error}")]
        except BaseException:
            notes.leave(file.path, version)
            raise
        notes.add(file.path, version, rows)

    def _rows_of(self, file: File, place: Path) -> list[Row]:
        """Write what becomes of a picture; return a row for each of its faces, or one for the picture without any."""
        if is_zip_in_zip(file):
            return [refused(file.path, "not_an_image", "zips in zips are not looked into; give it by itself")]
        try:
            data = file.read(MAX_BYTES)
        except FetchProblem as problem:
            return [refused(file.path, problem.reason, problem.detail)]
        picture = look(data, self.ways, self._takedowns)
        if picture.rgb is None or picture.reason is not None:
            return [refused(file.path, picture.reason or "failed", picture.detail or "")]
        answers = {
            face.number: self._zoo.translate(self.wanted.experiment, face, self.way.of, self.way.to)
            for face in picture.faces
            if face.reason is None
        }
        made = {number: answer for number, answer in answers.items() if answer.image is not None}
        pastes = self.wanted.pastes and made
        pasted = self._paste(picture.rgb, picture.faces, made, place) if pastes else None
        return [self._row(file, face, answers.get(face.number), place, pasted) for face in picture.faces]

    def _row(self, file: File, face: Face, answer: Answer | None, target: Path, pasted: str | None) -> Row:
        row = {"file": shown(file.path), "face": face.number, "box_xyxy": _numbers(face.box_xyxy)}
        if answer is None:
            return row | {"reason": face.reason, "detail": face.detail, "advice": face.advice}
        if answer.image is None:
            return row | {"reason": "failed", "detail": answer.problem, "advice": ADVICE["failed"]}
        output = Path(FACES, f"{target}-{face.number}.png")
        self._write(output, answer.image)
        return row | {
            "output": output.as_posix(),
            "pasted": pasted,
            "seconds": round(answer.seconds, 3),
        }

    def _paste(self, rgb: np.ndarray, faces: Sequence[Face], made: Mapping[int, Answer], target: Path) -> str:
        """Write the photograph with its translated faces in their places, the likeliest on top; return where to."""
        for face in reversed(faces):
            answer = made.get(face.number)
            if answer is not None and answer.image is not None:
                rgb = paste(rgb, answer.image, face.matrix, face.row["size_px"], self.ways.search is None)
        output = Path(PASTED, f"{target}.png")
        self._write(output, rgb)
        return output.as_posix()

    def _write(self, relative: Path, rgb: np.ndarray) -> None:
        data = marked_png(rgb, self.wanted.experiment, self.wanted.visible_mark)
        with written(self.out / relative), parts.atomic_path(self.out / relative) as path:
            path.write_bytes(data)
        self.written_bytes += len(data)


def translate_pictures(
    wanted: Wanted,
    given: Path,
    out: Path,
    params: Params,
    takedowns: Takedowns,
    models: Path,
    device: torch.device,
) -> Counts:
    """Translate every face of the given pictures into the folder `out`, from where an earlier run was ended.

    The first SIGINT or SIGTERM ends it after the picture at hand, the second at once. Raises `UserError` for what is
    wrong with the settings; what is wrong with a picture is a row of the table.
    """
    if out.resolve().is_relative_to(given.resolve()):
        raise UserError(
            f"OUT: {out} lies in {given}, so results would be translated again; name another folder"
        )
    files, unread = pictures_in(given)
    batch = Batch(wanted, Zoo(models, device), params, takedowns, out)
    task = _task(batch, given, models / wanted.experiment / WEIGHTS)
    with journal(out, task) as notes, reproducible(device), noted_signals() as signals:
        for stale in out.rglob(".*.tmp"):
            stale.unlink()
        _remove_vanished(batch, notes, files)
        going = batch.go_on(files, notes)
        with counter("translate", len(files), "picture", done=next(going)) as progress:
            for _ in going:
                progress.update()
                if signals:
                    leave(signals[0])
        return write_table(out / TABLE, notes, files, unread)


def refused(path: str, reason: str, detail: str) -> Row:
    """Return the row of a picture of which no face is found."""
    return {"file": shown(path), "reason": reason, "detail": detail, "advice": ADVICE[reason]}


def _way(zoo: Zoo, wanted: Wanted) -> Way:
    """Return the first way of an experiment, or its first from a domain."""
    ways = zoo.ways(wanted.experiment)
    for way in ways:
        if wanted.of in (None, way.of):
            return way
    known = ", ".join(dict.fromkeys(way.of for way in ways))
    raise UserError(f"--from {wanted.of}: {wanted.experiment} translates from {known}")


def _version(file: File, place: Path) -> str:
    """Return what changes where a picture must be done again: its bytes, or the place of its results."""
    return file.version if place == safe_path(file.path) else f"{file.version} {place.name}"


def _task(batch: Batch, given: Path, weights: Path) -> dict[str, Any]:
    """Return what must be the same for a run to go on."""
    hashes = [f"{path.parent.name}/{path.name} {parts.content_hash(path)}" for path in _files(weights)]
    return {
        "experiment": batch.wanted.experiment,
        "weights": _digest("\n".join(hashes)),
        "from": batch.way.of,
        "to": batch.way.to,
        "paste": batch.wanted.pastes,
        "visible_mark": batch.wanted.visible_mark,
        "faces": _digest(repr(asdict(batch.ways))),
        "in": _digest(str(given.resolve())),
    }


def _files(weights: Path) -> list[Path]:
    return sorted(path for path in weights.rglob("*") if path.is_file())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _remove_vanished(batch: Batch, notes: Journal, files: Sequence[File]) -> None:
    """Remove what was made of pictures that are there no more."""
    for path in set(notes.files()) - {file.path for file in files}:
        batch.remove(notes.rows(path))
        notes.forget(path)


def write_table(path: Path, notes: Journal, files: Sequence[File], unread: Sequence[Refused]) -> Counts:
    """Write every row in the order of the pictures' paths, what cannot be looked into last; count them."""
    reasons: Counter[str] = Counter()
    translated = 0
    with (
        written(path),
        parts.atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for rows in _all_rows(notes, files, unread):
            writer.writerows(rows)
            reasons.update(row["reason"] for row in rows if row.get("reason"))
            translated += sum(bool(row.get("output")) for row in rows)
    return Counts(len(files) + len(unread), translated, dict(reasons.most_common()))


def _all_rows(notes: Journal, files: Sequence[File], unread: Sequence[Refused]) -> Iterator[list[Row]]:
    yield from (notes.rows(file.path) for file in files)
    yield from ([refused(each.path, each.reason, each.detail)] for each in unread)


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
