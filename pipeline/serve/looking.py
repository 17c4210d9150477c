"""The way of one picture to its aligned faces: the stages' own functions, one after the other, as for a crawl.

Rows go through the stages' schemas in between, as they do in the pipeline, so that every number is the same.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline import images, parts
from pipeline.datasets.catalogue import MEASURED, verdicts
from pipeline.errors import UserError
from pipeline.faces.detection import Search
from pipeline.names import unknown_name
from pipeline.params import Domain, Params
from pipeline.project import PARAMS_FILE
from pipeline.reviews import Eyes, faces_with_eyes
from pipeline.serve.advice import ADVICE
from pipeline.stages import align, colors, detect, landmarks, partwise
from pipeline.takedowns import Takedowns

Row = dict[str, Any]
Square = tuple[int, int, int]
# Detectors and landmark models are loaded once for all threads, and each looks at one picture at a time.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Face:
    """One face of a picture: what each stage says of it, in the columns of its table, in pixels of the picture.

    `reason` says why the pipeline would leave it out; the crop is there all the same where only the catalogue would.
    """

    row: Row
    reason: str | None
    detail: str | None
    crop: np.ndarray | None

    @property
    def number(self) -> int:
        """Its place among the faces of the picture, from 0, the likeliest first."""
        return int(self.row["face_id"].rsplit("-", 1)[1])

    @property
    def advice(self) -> str | None:
        """What to change so that the pipeline takes it."""
        return None if self.reason is None else ADVICE[self.reason]

    @property
    def box_xyxy(self) -> tuple[float, float, float, float]:
        """The box that the detector gave."""
        left, top, right, bottom = self.row["box_xyxy"]
        return left, top, right, bottom

    @property
    def points_68(self) -> np.ndarray | None:
        """The 68 landmarks (68x2 px), where they are known."""
        points = self.row.get("points_68")
        return None if points is None else np.array(points)

    @property
    def matrix(self) -> np.ndarray:
        """The similarity (2x3) from the picture to the crop; only where there is a crop."""
        return np.array(self.row["matrix"]).reshape(2, 3)


@dataclass(frozen=True)
class Picture:
    """A picture's pixels (HxWx3 uint8 RGB) and faces; without any, the reason why there are none."""

    image_id: str
    rgb: np.ndarray | None
    faces: tuple[Face, ...] = ()
    reason: str | None = None
    detail: str | None = None

    @property
    def advice(self) -> str | None:
        """What to change so that a face is found."""
        return None if self.reason is None else ADVICE[self.reason]


@dataclass(frozen=True)
class Ways:
    """How the pictures of one domain go through the stages, and which faces the catalogue keeps."""

    search: Search | None
    marking: landmarks.Marking
    cut: align.Cut
    limits: dict[str, float]


def ways_of(params: Params, domain: str) -> Ways:
    """Return how params.yaml treats a domain; `UserError` where it names no such one."""
    if domain not in params.domains:
        raise unknown_name(f"{PARAMS_FILE}: domains", domain, "domains", params.domains)
    settings: Domain = params.domains[domain]
    return Ways(
        detect.search_of(settings, params.detect),
        landmarks.marking_of(settings, params.landmarks),
        align.cut_of(settings, params.align),
        settings.limits(params.quality),
    )


def look(
    data: bytes,
    ways: Ways,
    takedowns: Takedowns,
    square: Square | None = None,
    corrected: Mapping[str, Sequence[Eyes]] | None = None,
) -> Picture:
    """Return the faces of an encoded picture, each with its crop or the reason why there is none.

    `square` (left, top, side in pixels) is where a user sees the face, for domains whose pictures are the face: it
    alone is looked at, and boxes and matrices lead from the whole picture. `corrected` are eyes that people have shown,
    by image (`pipeline.reviews.eyes_by_image`). Raises `UserError` for a square that does
    not lie in the picture or is not asked for, and where weights are missing.
    """
    image_id = hashlib.sha256(data).hexdigest()
    if takedowns.covers(image_id):
        return Picture(image_id, None, (), "taken_down", "")
    try:
        rgb = images.decode(data)
    except images.ImageProblem as problem:
        return Picture(image_id, None, (), problem.reason, problem.detail)
    with _ONE_AT_A_TIME:
        return _look_at(rgb, image_id, ways, square, (corrected or {}).get(image_id, ()))


def _look_at(
    rgb: np.ndarray, image_id: str, ways: Ways, square: Square | None, corrected: Sequence[Eyes]
) -> Picture:
    seen = rgb if square is None else _within(rgb, ways, square)
    found = _guarded("detect", {"image_id": image_id}, lambda: detect.faces_of(ways.search, image_id, seen))
    rows = [_as_stored(row, parts.DETECTIONS) for row in found]
    if rows[0]["reason"] is not None:
        return Picture(image_id, rgb, (), rows[0]["reason"], rows[0]["detail"])
    by_hand = faces_with_eyes(corrected, [row["box_xyxy"] for row in rows])
    faces = [_face(seen, row, ways, by_hand.get(number)) for number, row in enumerate(rows)]
    if square is not None:
        faces = [_moved(face, square[:2]) for face in faces]
    return Picture(image_id, rgb, tuple(faces))


def _face(rgb: np.ndarray, detected: Row, ways: Ways, by_hand: Eyes | None) -> Face:
    """Return one detected face after every stage that it comes through."""
    marked = _stage(
        "landmarks", detected, parts.LANDMARKS, lambda: _marked(ways.marking, rgb, detected, by_hand)
    )
    row = detected | marked
    if marked["reason"] is not None:
        return _face_of(row, None)
    aligned = _stage("align", marked, parts.ALIGNED, lambda: align.align_face(ways.cut, rgb, marked))
    data = aligned.pop("bytes")
    row |= aligned
    if data is None:
        return _face_of(row, None)
    cut = aligned | {"bytes": data}
    colored = _stage(
        "colors", cut, parts.COLORS, lambda: colors.colors(colors.Options(), cut, [marked], [detected])[0]
    )
    row |= colored
    if row["reason"] is None:
        row |= _verdict(row, ways.limits)
    return _face_of(row, images.decode(data))


def _marked(marking: landmarks.Marking, rgb: np.ndarray, detected: Row, by_hand: Eyes | None) -> Row:
    if marking.faces == "whole":
        return {name: detected[name] for name in ("image_id", "face_id")}
    return landmarks.landmarks_of(marking, rgb, detected, by_hand)


def _face_of(row: Row, crop: np.ndarray | None) -> Face:
    return Face(row, row["reason"], row["detail"], crop)


def _stage(stage: str, row: Row, schema: pa.Schema, run: Callable[[], Row]) -> Row:
    return _as_stored(_guarded(stage, row, lambda: [run()])[0], schema)


def _guarded(stage: str, row: Row, run: Callable[[], list[Row]]) -> list[Row]:
    """Return a stage's rows; what raises becomes a rejection, as in the pipeline."""
    try:
        return run()
    except UserError:
        raise  # what is missing is not the picture's fault
    except Exception as error:
        return [partwise.rejection(stage, row, "failed", f"{type(error).__name__}: {error}")]


def _as_stored(row: Row, schema: pa.Schema) -> Row:
    """Return a row as the next stage reads it: with every column, and numbers as short as they are kept."""
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names}], schema).to_pylist()[0]


def _verdict(row: Row, limits: dict[str, float]) -> Row:
    """Return the catalogue's reason to leave a face out, the first that holds; nothing where it keeps the face."""
    frame = pd.DataFrame([{"domain": "", **{name: row[name] for name in MEASURED}}])
    frame = frame.astype(dict.fromkeys(MEASURED, "float64"))
    for reason, failing, detail in verdicts(frame, {"": limits}):
        if failing[0]:
            return {"stage": "catalogue", "reason": reason, "detail": detail[0]}
    return {}


def _within(rgb: np.ndarray, ways: Ways, square: Square) -> np.ndarray:
    """Return what a square shows."""
    left, top, side = square
    height, width = rgb.shape[:2]
    if ways.search is not None:
        raise UserError("square: faces of this domain are found by a detector; leave it out")
    if min(left, top) < 0 or side < images.MIN_SIDE_PX or left + side > width or top + side > height:
        raise UserError(
            f"square: {side} px at ({left}, {top}) must lie in the picture of {width}x{height} px "
            f"and be at least {images.MIN_SIDE_PX} px wide"
        )
    return rgb[top : top + side, left : left + side]


def _moved(face: Face, by: tuple[int, int]) -> Face:
    """Return a face of a part of the picture in pixels of the picture; `by` is where the part's corner lies."""
    left, top, right, bottom = face.box_xyxy
    row = face.row | {"box_xyxy": [left + by[0], top + by[1], right + by[0], bottom + by[1]]}
    if face.crop is not None:
        matrix = face.matrix
        matrix[:, 2] -= matrix[:, :2] @ np.array(by)
        row["matrix"] = matrix.ravel().tolist()
    return replace(face, row=row)
