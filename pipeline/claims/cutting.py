"""Faces cut out, put in splits, and laid down as the arrays of a dataset."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.claims.lab import Lab
from pipeline.claims.rendered import Faces
from pipeline.datasets.arrays import write_domain, write_pairs
from pipeline.datasets.crops import reduce
from pipeline.faces.alignment import eye_similarity, transform
from pipeline.faces.ibug import eye_centers
from pipeline.faces.warping import warp

# As params.yaml has them.
_EYE_Y, _EYE_DISTANCE = 0.45, 0.30


def aligned(faces: Faces, size_px: int) -> Faces:
    """Return faces cut out with their eyes at the places where the stage `align` puts them."""
    crops, points = [], []
    for image, own in zip(faces.images, faces.points, strict=True):
        matrix = eye_similarity(eye_centers(own), size_px, _EYE_Y, _EYE_DISTANCE)
        crops.append(warp(np.asarray(image), matrix, size_px))
        points.append(transform(own, matrix))
    return Faces(np.stack(crops), np.stack(points).astype(np.float32), faces.rows)


def whole(faces: Faces, size_px: int) -> Faces:
    """Return whole pictures at a size, in which faces stay as large and where they are."""
    scale = size_px / faces.images.shape[1]
    crops = np.stack([reduce(np.asarray(image), size_px) for image in faces.images])
    return Faces(crops, ((faces.points + 0.5) * scale - 0.5).astype(np.float32), faces.rows)


def in_splits(faces: Faces, test: float, parts: int = 1) -> list[Faces]:
    """Return `parts` disjoint sets of faces, each with its rows' `split`: that share is `test`, the rest `train`.

    Faces come in turn, so that each set and split is as varied as all.
    """
    every = round(1 / test)
    sets = [faces.take(np.arange(part, len(faces), parts)) for part in range(parts)]
    return [
        own.with_rows(split=["test" if place % every == every - 1 else "train" for place in range(len(own))])
        for own in sets
    ]


def dataset(lab: Lab, name: str, *, paired: bool = False, **domains: Faces) -> Path:
    """Return the folder of a dataset of these domains, written once; `name` says how they were made.

    Where they are `paired`, the faces at one place of the first two belong together.
    """
    hashes = {key: _hash(faces) for key, faces in domains.items()}
    what = {"name": name, **({"paired": True} if paired else {}), **hashes}
    place = lab.once("arrays", what, (), lambda folder: _write(folder / "arrays", domains, paired))
    return place / "arrays"


def _write(folder: Path, domains: dict[str, Faces], paired: bool) -> dict[str, int]:
    for name, faces in domains.items():
        write_domain(folder, name, faces.images, len(faces), faces.images.shape[1], faces.points, faces.rows)
    if paired:
        rows = next(iter(domains.values())).rows
        places = range(len(rows))
        splits = [row["split"] for row in rows]
        pairs = {"source": places, "target": places, "split": splits, "distance": [None] * len(rows)}
        write_pairs(folder, pa.table(pairs))
    return {name: len(faces) for name, faces in domains.items()}


def _hash(faces: Faces) -> str:
    told = json.dumps(faces.rows, sort_keys=True).encode()
    return hashlib.sha256(faces.images.tobytes() + faces.points.tobytes() + told).hexdigest()
