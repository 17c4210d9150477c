"""colors@<source>: estimates the colours of skin, hair and eyes of every aligned face."""

from __future__ import annotations

import numpy as np

from pipeline import images, parts
from pipeline.faces.alignment import transform
from pipeline.faces.colors import estimate_colors
from pipeline.params import load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row


def colors(options: None, aligned: Row, landmarks: list[Row]) -> list[Row]:
    """Return the colours of one aligned face; none are known without the 68 landmarks."""
    row = {"image_id": aligned["image_id"], "face_id": aligned["face_id"]}
    points = next(face["points_68"] for face in landmarks if face["face_id"] == aligned["face_id"])
    if points is None:
        return [row]
    matrix = np.array(aligned["matrix"]).reshape(2, 3)
    found = estimate_colors(images.decode(aligned["bytes"]), transform(np.array(points), matrix))
    for part, color in found.items():
        if color is not None:
            row |= {
                f"{part}_rgb": list(color.rgb),
                f"{part}_confidence": color.confidence,
                f"{part}_name": color.name,
            }
    return [row]


STAGE = partwise.PartStage("colors", ("aligned", "landmarks"), "colors", parts.COLORS, colors)


def run(source: str) -> None:
    """Estimate the colours of one source's faces."""
    partwise.run(STAGE, source, None, (), load_params().engine.worker_count)
