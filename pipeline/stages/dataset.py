"""dataset@<experiment>: the faces an experiment learns from, as arrays at its size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline import images, parts
from pipeline.datasets.arrays import DATASETS, EXPERIMENT_NAME, ROWS, write_domain
from pipeline.datasets.selection import Row, select
from pipeline.errors import UserError
from pipeline.faces.alignment import transform
from pipeline.params import load_params
from pipeline.progress import follow


def run(experiment: str) -> None:
    """Write the experiment's arrays, and what it is with every option resolved."""
    resolved = load_params().experiment(experiment).model_dump(mode="json")
    folder, size_px = DATASETS / experiment, resolved["size_px"]
    counts = {}
    for domain in resolved["domains"]:
        faces, left_out = select(domain, needs_landmarks=resolved["method"] == "pix2pix")
        if not any(face["split"] == "train" for face in faces):
            raise UserError(
                f"experiments.{experiment}.domains: {domain} has no face to train on; "
                "is a source of that domain enabled, and what does its funnel say?"
            )
        counts[domain] = {"faces": len(faces), "left_out": left_out}
        crops = (
            reduce(crop, size_px) for crop in _crops(follow(f"dataset@{experiment} {domain}", faces, "face"))
        )
        points = np.array([_points(face, size_px) for face in faces])
        rows = [{name: face[name] for name in ROWS.names} for face in faces]
        write_domain(folder, domain, crops, len(faces), size_px, points, rows)
    parts.write_json(folder / EXPERIMENT_NAME, {"name": experiment, **resolved, "counts": counts})


def reduce(crop: np.ndarray, size_px: int) -> np.ndarray:
    """Return a square crop at the experiment's size, averaged where it shrinks."""
    if crop.shape[0] == size_px:
        return crop
    shrinks = crop.shape[0] > size_px
    return cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _crops(faces: Iterator[Row]) -> Iterator[np.ndarray]:
    """Yield each face's aligned crop; the part that was read last is kept at hand."""
    at_hand: tuple[Path | None, dict[str, bytes]] = (None, {})
    for face in faces:
        path = parts.folder("aligned", face["source"]) / face["part"]
        if at_hand[0] != path:
            table = parts.read_table(path, ["face_id", "bytes"])
            at_hand = path, dict(zip(table["face_id"].to_pylist(), table["bytes"].to_pylist(), strict=True))
        yield images.decode(at_hand[1][face["face_id"]])


def _points(face: Row, size_px: int) -> np.ndarray:
    """Return the landmarks in pixels of the reduced crop; NaN where they are unknown."""
    if face["points_68"] is None:
        return np.full((68, 2), np.nan)
    in_crop = transform(np.array(face["points_68"]), np.array(face["matrix"]).reshape(2, 3))
    return in_crop * (size_px / face["size_px"])
