"""The pictures of catalogued faces, read from their parts: crops, thumbnails, and the original with what is known.

A row is one of the catalogue's, of a face or of an image without one. What is taken down is shown no more, although
its crop goes only with the next run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline import images, parts
from pipeline.reviews import Eyes
from pipeline.takedowns import Takedowns

Row = dict[str, Any]
# What a row must have so that its picture is found and may be shown.
COLUMNS = ("face_id", "image_id", "source", "part", "url", "subject", "box_xyxy", "kept", "reason", "phash")
THUMBNAIL_PX = 160
ORIGINAL_PX = 1024
_PAPER, _INK = (238, 238, 238), (90, 90, 90)
_BOX, _POINT, _EYE, _BY_HAND = (255, 60, 90), (70, 220, 255), (255, 210, 0), (60, 230, 90)


def is_taken_down(row: Row, takedowns: Takedowns) -> bool:
    """Say whether a row's image is listed in takedowns.csv."""
    return takedowns.covers(row["image_id"], row["url"], row.get("subject"))


def picture_of(row: Row) -> np.ndarray | None:
    """Return the picture (HxWx3 uint8 RGB) that a row is of; None where there is none, or none that can be decoded."""
    return _decoded(_row_of("raw", row, "image_id", ["bytes"]))


def crop_of(row: Row) -> np.ndarray | None:
    """Return the aligned crop of a face (SxSx3 uint8 RGB), None where it has none."""
    return _decoded(_row_of("aligned", row, "face_id", ["bytes"])) if row.get("face_id") else None


def boxes_of(row: Row) -> dict[str, Sequence[float]]:
    """Return the boxes of all faces of a row's image, in the order in which they were detected, by their ids."""
    if row["part"] is None:
        return {}
    path = parts.folder("detections", row["source"]) / row["part"]
    found = _rows_if_there(path, ["image_id", "face_id", "box_xyxy"])
    return {
        each["face_id"]: each["box_xyxy"]
        for each in found
        if each["image_id"] == row["image_id"] and each["face_id"] is not None
    }


def thumbnail(row: Row, takedowns: Takedowns) -> np.ndarray:
    """Return the small square by which a row is shown: its crop, else its picture with the box, else why neither."""
    if is_taken_down(row, takedowns):
        return _card("taken down")
    crop = crop_of(row) if row.get("phash") else None
    if crop is not None:
        return _fitted(crop)
    rgb = picture_of(row)
    if rgb is None:
        return _card(row["reason"] or "gone")
    small, scale = reduced(rgb, 2 * THUMBNAIL_PX)
    return _fitted(with_face(small, row, scale) if row.get("box_xyxy") else small)


def reduced(rgb: np.ndarray, long_side_px: int) -> tuple[np.ndarray, float]:
    """Return a picture that is no longer than so many pixels, and how many of its pixels one of `rgb` became."""
    scale = min(long_side_px / max(rgb.shape[:2]), 1.0)
    if scale == 1:
        return rgb, 1.0
    size = [max(round(side * scale), 1) for side in (rgb.shape[1], rgb.shape[0])]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), scale


def with_face(rgb: np.ndarray, row: Row, scale: float, clicked: Sequence[Sequence[float]] = ()) -> np.ndarray:
    """Return a copy of a reduced picture with the box, landmarks and eyes of a face, and points that were clicked.

    Box and points are in pixels of the picture, which `scale` makes pixels of `rgb`.
    """
    drawn = rgb.copy()
    width = max(round(max(rgb.shape[:2]) / 400), 1)
    if row.get("box_xyxy") is not None:
        left, top, right, bottom = (round(side * scale) for side in row["box_xyxy"])
        cv2.rectangle(drawn, (left, top), (right, bottom), _BOX, width)
    for point in _points(row.get("points_68"), scale):
        cv2.circle(drawn, point, width, _POINT, -1)
    for points, color in ((row.get("eyes"), _EYE), (clicked, _BY_HAND)):
        for point in _points(points, scale):
            cv2.drawMarker(drawn, point, color, cv2.MARKER_CROSS, 10 * width, width)
    return drawn


def as_eyes(points: Sequence[Sequence[float]]) -> Eyes:
    """Return two points as the left and the right eye as seen in the picture, whichever was clicked first."""
    (left_x, left_y), (right_x, right_y) = sorted((float(x), float(y)) for x, y in points)
    return (left_x, left_y), (right_x, right_y)


def _points(points: Sequence[Sequence[float]] | None, scale: float) -> list[tuple[int, int]]:
    return [(round(x * scale), round(y * scale)) for x, y in points or ()]


def _row_of(table: str, row: Row, key: str, columns: Sequence[str]) -> Row | None:
    """Return the row of a part with a row's id, None where there is none; a few rows are in memory."""
    if row["part"] is None:
        return None
    path = parts.folder(table, row["source"]) / row["part"]
    ids = [each[key] for each in _rows_if_there(path, [key])]
    if row[key] not in ids:
        return None
    group, place = divmod(ids.index(row[key]), parts.ROW_GROUP_SIZE)
    return parts.read_table(path, columns, row_group=group).slice(place, 1).to_pylist()[0]


def _rows_if_there(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return some columns of a part, none while it is not there: a run may be writing it anew."""
    try:
        return parts.read_rows(path, columns)
    except FileNotFoundError:
        return []


def _decoded(row: Row | None) -> np.ndarray | None:
    if row is None or row["bytes"] is None:
        return None
    try:
        return images.decode(row["bytes"])
    except images.ImageProblem:
        return None


def _fitted(rgb: np.ndarray) -> np.ndarray:
    """Return a picture in the middle of a square."""
    small, _ = reduced(rgb, THUMBNAIL_PX)
    square = np.full((THUMBNAIL_PX, THUMBNAIL_PX, 3), _PAPER, np.uint8)
    height, width = small.shape[:2]
    top, left = (THUMBNAIL_PX - height) // 2, (THUMBNAIL_PX - width) // 2
    square[top : top + height, left : left + width] = small
    return square


def _card(text: str) -> np.ndarray:
    """Return a square that says in words why it shows nothing."""
    card = Image.new("RGB", (THUMBNAIL_PX, THUMBNAIL_PX), _PAPER)
    words = text.replace("_", " ").replace(" by ", "\nby ")
    ImageDraw.Draw(card).multiline_text(
        (THUMBNAIL_PX / 2, THUMBNAIL_PX / 2), words, _INK, ImageFont.load_default(16), "mm", align="center"
    )
    return np.asarray(card)
