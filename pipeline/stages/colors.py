"""colors@<source>: estimates the colours of skin, hair and eyes of every aligned face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import images, parts
from pipeline.faces.alignment import transform
from pipeline.faces.colors import estimate_colors
from pipeline.params import load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row


@dataclass(frozen=True)
class Options:
    """What the stage reads of params.yaml: nothing."""


def colors(options: Options, aligned: Row, landmarks: list[Row], detections: list[Row]) -> list[Row]:
    """Return the colours of one aligned face; none without the 68 landmarks, nor of equalised colours."""
    row = {"image_id": aligned["image_id"], "face_id": aligned["face_id"]}
    marked, detected = (_of_face(row["face_id"], rows) for rows in (landmarks, detections))
    if marked.get("points_68") is None or aligned["equalized"] != "none":
        return [row]
    matrix = np.array(aligned["matrix"]).reshape(2, 3)
    found = estimate_colors(
        images.decode(aligned["bytes"]),
        transform(np.array(marked["points_68"]), matrix),
        transform(np.array(marked["eyes"]), matrix),
        aligned["faces"] == "cartoon",
        {color["name"]: tuple(color["rgb"]) for color in detected["colors"]},
        scale=float(np.hypot(matrix[0, 0], matrix[1, 0])),
    )
    for part, color in found.items():
        if color is not None:
            row |= {
                f"{part}_rgb": list(color.rgb),
                f"{part}_confidence": color.confidence,
                f"{part}_name": color.name,
            }
    return [row]


def _of_face(face_id: str, rows: list[Row]) -> Row:
    return next(row for row in rows if row["face_id"] == face_id)


STAGE = partwise.PartStage("colors", ("aligned", "landmarks", "detections"), "colors", parts.COLORS, colors)


def run(source: str) -> None:
    """Estimate the colours of one source's faces."""
    partwise.run(STAGE, source, Options(), (), load_params().engine)
