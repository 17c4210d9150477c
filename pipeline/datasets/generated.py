"""Faces that a translation made, as further training faces of a dataset's domain."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.datasets.arrays import DomainArrays, image_file, write_faces
from pipeline.datasets.crops import reduce
from pipeline.parts import read_table


def generated_id(face_id: str, generator: str) -> str:
    """Return the id of what an experiment made of a face: `0a1b…-0@nir-a-aligned`."""
    return f"{face_id}@{generator}"


def append_generated(
    folder: Path,
    domain: str,
    images: Iterable[np.ndarray],
    rows: pa.Table,
    points: np.ndarray,
    sizes_px: tuple[int, int],
    generator: str,
) -> None:
    """Add training faces that `generator` made to what a dataset's folder has of `domain`, after the real ones.

    `images` yields one uint8 SxSx3 RGB image for each of `rows`, the faces that they were made of, whose labels, tags,
    page and licence they keep; `points` are those faces' landmarks, Nx68x2 px. `sizes_px` are the experiment's size and
    the larger one. Raises `ValueError` where a row is not for training: what is tested is never generated.
    """
    if set(rows["split"].to_pylist()) - {"train"}:
        raise ValueError(f"{folder}: only training faces are translated into further training faces")
    size_px, large_px = sizes_px
    real = _arrays(folder, domain)
    count, large = len(real.images) + rows.num_rows, real.large
    with image_file(folder / f"{domain}.images.npy", count, size_px) as put:
        for index, image in enumerate(_with(real.images, images)):
            put(index, image)
    if large is not None:
        made = np.load(folder / f"{domain}.images.npy", mmap_mode="r")[len(real.images) :]
        with image_file(folder / f"{domain}.large.npy", len(large) + len(made), large_px) as put:
            for index, image in enumerate(_with(large, made)):
                put(index, image if image.shape[0] == large_px else reduce(image, large_px))
    ids = [generated_id(face_id, generator) for face_id in rows["face_id"].to_pylist()]
    named = rows.set_column(rows.schema.get_field_index("face_id"), "face_id", pa.array(ids, pa.string()))
    write_faces(
        folder,
        domain,
        np.concatenate([real.points, points]),
        pa.concat_tables([real.rows, named.select(real.rows.column_names).cast(real.rows.schema)]),
    )


def _with(real: np.ndarray, made: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    yield from (np.array(image) for image in real)
    yield from (np.array(image) for image in made)


def _arrays(folder: Path, domain: str) -> DomainArrays:
    large = folder / f"{domain}.large.npy"
    return DomainArrays(
        images=np.load(folder / f"{domain}.images.npy", mmap_mode="r"),
        points=np.load(folder / f"{domain}.points.npy"),
        rows=read_table(folder / f"{domain}.rows.parquet"),
        large=np.load(large, mmap_mode="r") if large.exists() else None,
    )
