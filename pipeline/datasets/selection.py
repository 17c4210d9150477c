"""Which faces of the catalogue an experiment learns from, and why the others are left out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow.compute as pc

from pipeline import parts
from pipeline.datasets.arrays import ROWS

Row = dict[str, Any]
FACES = parts.DATA / "catalogue" / "faces.parquet"
# Beside what a dataset's rows say: where the crop lies, and where the landmarks lie in it.
_PLACE = ["source", "part", "cluster", "points_68", "matrix", "size_px"]


def select(domain: str, needs_landmarks: bool) -> tuple[list[Row], dict[str, int]]:
    """Return the kept faces of a domain by id, and how many are left out for which reason.

    A near-duplicate of a face that is held out for validation or test is no training face: a model that
    memorised it would look good.
    """
    wanted = (pc.field("domain") == domain) & pc.field("kept")
    found = parts.read_table(FACES, [*ROWS.names, *_PLACE], wanted).to_pylist()
    faces = sorted(found, key=lambda row: row["face_id"])
    held_out = {face["cluster"] for face in faces if face["split"] != "train"}
    selected: list[Row] = []
    left_out: Counter[str] = Counter()
    for face in faces:
        if needs_landmarks and face["points_68"] is None:
            left_out["no_landmarks"] += 1
        elif face["split"] == "train" and face["cluster"] in held_out:
            left_out["near_duplicate_of_held_out"] += 1
        else:
            selected.append(face)
    return selected, dict(sorted(left_out.items()))
