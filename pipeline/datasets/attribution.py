"""Who made the images of a dataset, and under which licence: the file that lies beside it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.parts import atomic_path

ATTRIBUTION_NAME = "attribution.csv"
_OF_IMAGE = ("url", "page_url", "title", "author", "licence", "licence_url")


def write_attribution(folder: Path, tables: Sequence[pa.Table]) -> None:
    """Write a line for each image that a face of the tables comes from; faces of one image are named together."""
    faces: dict[str, list[str]] = {}
    about: dict[str, list[str]] = {}
    for table in tables:
        for row in table.select(["image_id", "face_id", *_OF_IMAGE]).to_pylist():
            faces.setdefault(row["image_id"], []).append(row["face_id"])
            about[row["image_id"]] = [row[name] or "" for name in _OF_IMAGE]
    with (
        atomic_path(folder / ATTRIBUTION_NAME) as path,
        path.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image_id", "face_ids", *_OF_IMAGE])
        for image_id in sorted(about):
            writer.writerow([image_id, " ".join(sorted(faces[image_id])), *about[image_id]])
