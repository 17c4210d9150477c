"""Many pictures at once: a folder or a zip in, a folder of PNGs and a table out, picture by picture.

Every face of every picture is a row of the table, and so is a picture without one: nothing is lost. A run that was
ended anywhere goes on where it was.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
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
from pipeline.serve.given import MAX_BYTES, pictures_in, safe_path, shown
from pipeline.serve.journal import Journal, Row, journal
from pipeline.serve.looking import Face, Ways, look, ways_of
from pipeline.serve.marks import marked_png
from pipeline.serve.pasting import paste
from pipeline.serve.zoo import WEIGHTS, Answer, Zoo
from pipeline.sources.files import File
from pipeline.takedowns import Takedowns
from pipeline.training.reproducible import reproducible

TABLE = "translated.csv"
FACES, PASTED = "faces", "pasted"
COLUMNS = ("file", "face", "box_xyxy", "output", "pasted", "reason", "detail", "advice", "seconds")


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
    """The translation of one picture after another into a folder."""

    def __init__(
        self, wanted: Wanted, zoo: Zoo, way: Way, ways: Ways, takedowns: Takedowns, out: Path
    ) -> None:
        self._wanted = wanted
        self._zoo = zoo
        self._way = way
        self._ways = ways
        self._takedowns = takedowns
        self._out = out

    def rows_of(self, file: File) -> list[Row]:
        """Write what becomes of a picture; return a row for each of its faces, or one for the picture without any."""
        try:
            data = file.read(MAX_BYTES)
        except FetchProblem as problem:
            return [refused(file.path, problem.reason, problem.detail)]
        picture = look(data, self._ways, self._takedowns)
        if picture.rgb is None or picture.reason is not None:
            return [refused(file.path, picture.reason or "failed", picture.detail or "")]
        answers = {
            face.number: self._zoo.translate(self._wanted.experiment, face, self._way.of, self._way.to)
            for face in picture.faces
            if face.reason is None
        }
        made = {number: answer for number, answer in answers.items() if answer.image is not None}
        target = safe_path(file.path)
        pasted = (
            self._paste(picture.rgb, picture.faces, made, target) if self._wanted.pastes and made else None
        )
        return [self._row(file, face, answers.get(face.number), target, pasted) for face in picture.faces]

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
                rgb = paste(rgb, answer.image, face.matrix, face.row["size_px"], self._ways.search is None)
        output = Path(PASTED, f"{target}.png")
        self._write(output, rgb)
        return output.as_posix()

    def _write(self, relative: Path, rgb: np.ndarray) -> None:
        data = marked_png(rgb, self._wanted.experiment, self._wanted.visible_mark)
        try:
            with parts.atomic_path(self._out / relative) as path:
                path.write_bytes(data)
        except OSError as error:
            raise UserError(
                f"OUT: {self._out / relative} cannot be written ({error.strerror}); put that right and start again"
            ) from None


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

    Raises `UserError` for what is wrong with the settings; what is wrong with a picture is a row of the table.
    """
    if out.resolve().is_relative_to(given.resolve()):
        raise UserError(
            f"OUT: {out} lies in {given}, so results would be translated again; name another folder"
        )
    files, broken = pictures_in(given)
    zoo = Zoo(models, device)
    way = _way(zoo, wanted)
    ways = ways_of(params, way.of)
    batch = Batch(wanted, zoo, way, ways, takedowns, out)
    weights = models / wanted.experiment / WEIGHTS
    with journal(out, _task(wanted, given, way, ways, weights)) as notes, reproducible(device):
        for stale in out.rglob(".*.tmp"):
            stale.unlink()
        _translate_all(batch, notes, files, out)
        _remove_vanished(notes, files, out)
        return _write_table(out / TABLE, notes, files, broken)


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


def _task(wanted: Wanted, given: Path, way: Way, ways: Ways, weights: Path) -> dict[str, Any]:
    """Return what must be the same for a run to go on."""
    hashes = [f"{path.parent.name}/{path.name} {parts.content_hash(path)}" for path in _files(weights)]
    return {
        "experiment": wanted.experiment,
        "weights": _digest("\n".join(hashes)),
        "from": way.of,
        "to": way.to,
        "paste": wanted.pastes,
        "visible_mark": wanted.visible_mark,
        "faces": _digest(repr(asdict(ways))),
        "in": _digest(str(given.resolve())),
    }


def _files(weights: Path) -> list[Path]:
    return sorted(path for path in weights.rglob("*") if path.is_file())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _translate_all(batch: Batch, notes: Journal, files: Sequence[File], out: Path) -> None:
    left = [file for file in files if not notes.has(file.path, file.version)]
    with counter("translate", len(files), "picture", done=len(files) - len(left)) as progress:
        for file in left:
            _remove(notes.rows(file.path), out)
            try:
                rows = batch.rows_of(file)
            except UserError:
                raise  # what is missing is not the picture's fault
            except Exception as error:
                rows = [refused(file.path, "failed", f"{type(error).__name__}: {error}")]
            notes.add(file.path, file.version, rows)
            progress.update()


def _remove_vanished(notes: Journal, files: Sequence[File], out: Path) -> None:
    """Remove what was made of pictures that are there no more."""
    for path in set(notes.files()) - {file.path for file in files}:
        _remove(notes.rows(path), out)


def _remove(rows: Sequence[Row], out: Path) -> None:
    for row in rows:
        for name in ("output", "pasted"):
            if row.get(name):
                (out / row[name]).unlink(missing_ok=True)


def _write_table(path: Path, notes: Journal, files: Sequence[File], broken: Mapping[str, str]) -> Counts:
    """Write every row in the order of the pictures' paths, those of zips that cannot be read last."""
    reasons: Counter[str] = Counter()
    translated = 0
    with (
        parts.atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        unread = [[refused(name, "unreadable", detail)] for name, detail in broken.items()]
        for rows in chain((notes.rows(each.path) for each in files), unread):
            writer.writerows(rows)
            reasons.update(row["reason"] for row in rows if row.get("reason"))
            translated += sum(bool(row.get("output")) for row in rows)
    return Counts(len(files) + len(broken), translated, dict(reasons.most_common()))


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
