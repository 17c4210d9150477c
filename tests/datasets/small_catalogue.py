"""A small catalogue with its aligned crops, as the face stages would leave them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline import images, parts
from pipeline.datasets.selection import FACES

CROP_PX = 48
Row = dict[str, Any]


def face(number: int, domain: str, **known: Any) -> Row:
    """Return a kept face of an image of its own; even images are `part-00000`, odd ones `part-00001`."""
    image_id = f"{number:064x}"
    row = dict.fromkeys(parts.FACES.names) | {
        "face_id": f"{image_id}-0",
        "image_id": image_id,
        "source": f"{domain}s",
        "part": parts.part_name(number % 2),
        "domain": domain,
        "url": f"https://example.org/{number}.jpg",
        "licence": "CC0 1.0",
        "author": "Ada",
        "score": 0.9,
        "points_68": points(number).tolist(),
        "matrix": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "size_px": CROP_PX,
        "eye_distance_px": 40.0,
        "yaw_deg": 0.0,
        "pitch_deg": 0.0,
        "roll_deg": 0.0,
        "cluster": f"{image_id}-0",
        "split": "train",
        "kept": True,
    }
    return row | known


def points(number: int) -> np.ndarray:
    """Return 68 points of a crop."""
    return np.random.default_rng(number).uniform(4, CROP_PX - 4, (68, 2)).round(2)


def crop(number: int) -> np.ndarray:
    """Return a crop whose colour tells the face's number."""
    pixels = np.full((CROP_PX, CROP_PX, 3), number % 256, np.uint8)
    pixels[:, :, 1] = np.linspace(0, 255, CROP_PX, dtype=np.uint8)
    return pixels


def table(faces: Iterable[Row]) -> pa.Table:
    """Return faces in the catalogue's columns."""
    return pa.Table.from_pylist(list(faces), parts.FACES)


def write_catalogue(faces: list[Row]) -> None:
    """Write the catalogue and the aligned parts of these faces into the working folder."""
    parts.write_table(FACES, table(faces))
    for source, part in sorted({(row["source"], row["part"]) for row in faces}):
        own = [row for row in faces if (row["source"], row["part"]) == (source, part)]
        rows = [
            {
                "image_id": row["image_id"],
                "face_id": row["face_id"],
                "bytes": images.encode(crop(int(row["image_id"], 16)), "png"),
            }
            for row in own
        ]
        parts.write_rows(parts.folder("aligned", source) / part, rows, parts.ALIGNED)


def write_params(**experiments: Row) -> None:
    """Write params.yaml with these experiments, cyclegan on photo and anime unless they say otherwise."""
    common = {"method": "cyclegan", "domains": ["photo", "anime"], "size_px": 32, "steps": 10}
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text()) | {"metrics": {"tagger": "none"}}
    Path("params.yaml").write_text(
        yaml.safe_dump(
            values | {"experiments": {name: common | own for name, own in experiments.items()}},
            sort_keys=False,
        )
    )
