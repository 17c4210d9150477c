"""What whoever looks through the dataset says of a face: that it is bad, where its eyes are, that it must go.

Marks and eyes are lines of bad_faces.csv and corrected_eyes.csv, which the next run honours; until then they can be
withdrawn. Taking down is at once and for good: it is what `python -m pipeline takedown add` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from pipeline import images
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.reviews import (
    BAD_FACES_FILE,
    CORRECTED_EYES_FILE,
    BadFace,
    CorrectedEyes,
    Eyes,
    Line,
    add_bad_face,
    add_corrected_eyes,
    read_bad_faces,
    read_corrected_eyes,
    remove_lines,
)
from pipeline.serve.catalogued import as_eyes, boxes_of
from pipeline.stages import align
from pipeline.takedowns import Takedown
from pipeline.turns import turn
from pipeline.upkeep.removal import take_down

Row = dict[str, Any]
What = Literal["image", "subject"]


@dataclass(frozen=True)
class Marks:
    """The lines that are of one face."""

    bad: tuple[BadFace, ...] = ()
    eyes: tuple[CorrectedEyes, ...] = ()

    def by_hand(self) -> Eyes | None:
        """Return where its eyes were shown; of several lines the last one counts."""
        return self.eyes[-1].eyes if self.eyes else None


class Reviews:
    """The lines of both files as they are now."""

    def __init__(self) -> None:
        self._bad = read_bad_faces()
        self._eyes = read_corrected_eyes()

    def images(self) -> frozenset[str]:
        """Return the images that have a line."""
        bad, eyes = {line.image_id for line in self._bad}, {line.image_id for line in self._eyes}
        return frozenset(bad | eyes)

    def of(self, row: Row) -> Marks:
        """Return the lines that are of the catalogue's face."""
        bad = [line for line in self._bad if line.image_id == row["image_id"]]
        eyes = [line for line in self._eyes if line.image_id == row["image_id"]]
        if not (bad or eyes) or not row.get("face_id"):
            return Marks()
        boxes = boxes_of(row) or {row["face_id"]: row["box_xyxy"]}
        return Marks(tuple(_of_face(bad, row, boxes)), tuple(_of_face(eyes, row, boxes)))


def mark_bad(row: Row, reason: str) -> None:
    """List a face in bad_faces.csv; `UserError` where no reason is given, or it is listed already."""
    if Reviews().of(row).bad:
        raise UserError("this face is marked as bad already")
    left, top, right, bottom = row["box_xyxy"]
    # Where the box leaves the picture, a point of it that is in the picture.
    middle = max((left + right) / 2, 0), max((top + bottom) / 2, 0)
    add_bad_face(row["image_id"], middle, reason, _today())


def unmark(row: Row) -> int:
    """Take a face's lines out of bad_faces.csv; return how many there were."""
    return remove_lines(Reviews().of(row).bad, BAD_FACES_FILE)


def correct_eyes(row: Row, points: Sequence[Sequence[float]]) -> Eyes:
    """List a face's eyes, two points in pixels of its picture in either order, in corrected_eyes.csv; return them.

    Raises `UserError` where they are not plainly two, or would be taken for another face's.
    """
    eyes = as_eyes(points)
    line = CorrectedEyes(row["image_id"], *eyes[0], *eyes[1], _today())
    if problem := line.problem():
        raise UserError(problem)
    if not _of_face([line], row, boxes_of(row) or {row["face_id"]: row["box_xyxy"]}):
        raise UserError(
            "these eyes lie away from the face's box, or in that of another face; click them again"
        )
    add_corrected_eyes(row["image_id"], eyes, _today())
    return eyes


def withdraw_eyes(row: Row) -> int:
    """Take a face's lines out of corrected_eyes.csv; return how many there were."""
    return remove_lines(Reviews().of(row).eyes, CORRECTED_EYES_FILE)


def has_eyes(row: Row, params: Params) -> bool:
    """Say whether a face's eyes can be corrected: not where the picture is the face, which has none."""
    domain = params.domains.get(row.get("domain") or "")
    return bool(row.get("face_id")) and domain is not None and domain.faces != "whole"


def preview(row: Row, rgb: np.ndarray, points: Sequence[Sequence[float]], params: Params) -> np.ndarray:
    """Return the crop (SxSx3 uint8 RGB) that the stage `align` cuts out of a picture with these eyes.

    Raises `UserError` where it would cut none, or where the domain's crops follow the landmarks, which only the next
    run finds anew.
    """
    cut = align.cut_of(params.domains[row["domain"]], params.align)
    if cut.method != "eyes":
        raise UserError(
            f"crops of {row['domain']} are cut by {cut.method}; the next run shows what comes of it"
        )
    face = {
        "image_id": row["image_id"],
        "face_id": row["face_id"],
        "eyes": as_eyes(points),
        "points_68": None,
    }
    aligned = align.align_face(cut, rgb, face)
    if aligned.get("reason"):
        raise UserError(f"{aligned['reason']}: {aligned['detail']}; click the eyes again")
    return images.decode(aligned["bytes"])


def remove_for_good(row: Row, what: What, reason: str) -> str:
    """Take a row's image down, or all of its subject; say what was done.

    Raises `UserError` where no reason is given, and at once where a stage, a flow or a crawl is at work.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise UserError("say why; the reason is written down in takedowns.csv")
    value = row["image_id"] if what == "image" else row.get("subject")
    if not value:
        raise UserError("the source names no subject of this picture; take the picture itself down")
    with turn(alone=True):
        done = take_down(Takedown(what, value, reason, _today()))
    removed = sum(done.rewritten.values())
    return (
        f"lines added to takedowns.csv: {len(done.listed)}; images removed from the raw parts: {removed}; "
        f"cached results and pictures deleted: {len(done.deleted)}"
    )


def _of_face(lines: Sequence[Line], row: Row, boxes: dict[str, Sequence[float]]) -> list[Line]:
    ids, places = list(boxes), [tuple(box) for box in boxes.values()]
    return [
        line
        for line in lines
        if (number := line.face_among(places)) is not None and ids[number] == row["face_id"]
    ]


def _today() -> str:
    return datetime.now().date().isoformat()
