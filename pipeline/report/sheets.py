"""Sheets of what a model makes: of test faces, and of those outputs that are nearest to a training image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from pipeline import images
from pipeline.report import pictures
from pipeline.report.figures import plain
from pipeline.report.origins import Faces, origin

SHOWN = 12
SHOWN_PX = 96
_MISTAKES = {"imagined": "lacks it", "missed": "has it"}
_PICTURES = ("input", "output", "truth", "nearest")

Row = Mapping[str, Any]
Item = TypeVar("Item")


def samples(rows: Sequence[Row], faces: Faces, share: float) -> list[dict[str, Any]]:
    """Return the pictures of a few test faces, evenly over all, and where each is from.

    `share`: this part of so many as fit a page that is not too large.
    """
    return [
        {
            "pictures": [
                (_caption(name, row.get("nearest_distance")), picture(row[name]))
                for name in _PICTURES
                if _is_shown(row, name)
            ],
            "origins": _origins(row, faces),
        }
        for row in spread(rows, math.ceil(SHOWN * share))
    ]


def copies(rows: Sequence[Row], faces: Faces, share: float) -> list[dict[str, Any]]:
    """Return the outputs that are most like a training image, the most suspicious first, each beside that image."""
    return [
        {
            "pictures": [("output", picture(row["output"])), ("training image", picture(row["training"]))],
            "judged": [
                _judged(row, measure)
                for measure in ("features", "pixels")
                if row.get(f"{measure}_closeness") is not None
            ],
            "suspected": any(row.get(f"{measure}_suspected") for measure in ("features", "pixels")),
            "origins": [
                ("output of", origin(row["face_id"], faces)),
                ("training image", origin(row["training_face_id"], faces, row)),
            ],
        }
        for row in rows[: math.ceil(len(rows) * share)]
    ]


def _judged(row: Row, measure: str) -> str:
    of = (row.get("features") or measure).replace("_", " ") if measure == "features" else measure
    verdict = ", suspected" if row[f"{measure}_suspected"] else ""
    return f"{of}: {plain(row[f'{measure}_distance'])} away, closeness {plain(row[f'{measure}_closeness'])}{verdict}"


def mistakes(rows: Sequence[Row], share: float) -> list[dict[str, Any]]:
    """Return the faces that a tagger was most wrong of, for its worst tags: rows of `TAGS`."""
    by_precision = sorted(
        rows, key=lambda row: (row["average_precision"] is None, row["average_precision"] or 0)
    )
    return [
        {
            "tag": row["tag"].replace("_", " "),
            "pictures": [
                (f"{words}, {row[what]['probability']:.0%} sure", picture(row[what]["image"]))
                for what, words in _MISTAKES.items()
                if row[what]
            ],
            "origins": [
                (words, origin(row[what]["face_id"], {}, row[what]))
                for what, words in _MISTAKES.items()
                if row[what]
            ],
        }
        for row in by_precision[: math.ceil(SHOWN * share)]
        if any(row[what] for what in _MISTAKES)
    ]


def spread(rows: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` rows, evenly over all."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [rows[place] for place in places]


def picture(data: bytes) -> str:
    """Return a stored picture as a small one in a data URI."""
    return pictures.data_uri(images.decode(data), SHOWN_PX)


def _is_shown(row: Row, name: str) -> bool:
    # A copy of the input teaches nothing: truth is shown where it is another picture.
    return row.get(name) is not None and not (name == "truth" and row["truth"] == row["input"])


def _caption(name: str, distance: float | None) -> str:
    away = f", {distance:.0f} away" if distance is not None and math.isfinite(distance) else ""
    return f"nearest training image{away}" if name == "nearest" else name


def _origins(row: Row, faces: Faces) -> list[tuple[str, dict[str, Any]]]:
    """Return where the input and the nearest training image are from."""
    found = [("input", origin(row["face_id"], faces, row))]
    if row.get("nearest_face_id"):
        found.append(("nearest", origin(row["nearest_face_id"], faces)))
    return found
