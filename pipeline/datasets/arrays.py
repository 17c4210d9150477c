"""A dataset as it lies on the disk: per domain an array of images, one of landmarks, and a table of rows.

`data/datasets/<experiment>/` holds `experiment.json`, the experiment with every option resolved, and for each
domain `<domain>.images.npy` (uint8 NxSxSx3 RGB), `<domain>.points.npy` (float32 Nx68x2 in pixels of those
images, NaN where unknown) and `<domain>.rows.parquet`, all in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from pipeline.errors import UserError
from pipeline.parts import DATA, atomic_path, read_table, write_rows

DATASETS = DATA / "datasets"
EXPERIMENT_NAME = "experiment.json"
SPLITS = ("train", "val", "test")

_RGB = pa.list_(pa.uint8(), 3)
ROWS = pa.schema(
    [
        *[(name, pa.string()) for name in ("face_id", "image_id", "split")],
        *[(name, pa.string()) for name in ("url", "page_url", "licence", "author")],
        *[(name, _RGB) for name in ("skin_rgb", "hair_rgb", "left_eye_rgb", "right_eye_rgb")],
    ]
)


@dataclass(frozen=True)
class DomainArrays:
    """One domain: `images` uint8 NxSxSx3 RGB on the disk, `points` float32 Nx68x2 px, `rows` a table of N."""

    images: np.ndarray
    points: np.ndarray
    rows: pa.Table

    def indices(self, split: str) -> np.ndarray:
        """Return where the faces of a split (`train`, `val` or `test`) lie, in order."""
        return np.flatnonzero(self.rows["split"].to_numpy(zero_copy_only=False) == split)

    def has_points(self) -> np.ndarray:
        """Return for each of the N faces whether all its landmarks are known."""
        return np.isfinite(self.points).all(axis=(1, 2))


@dataclass(frozen=True)
class Dataset:
    """What an experiment learns from: its resolved options and its domains by name."""

    experiment: dict[str, Any]
    domains: dict[str, DomainArrays]


def load_dataset(folder: Path) -> Dataset:
    """Open a dataset's folder; the images stay on the disk and are read as they are used."""
    path = folder / EXPERIMENT_NAME
    if not path.exists():
        raise UserError(f"{folder} is no dataset: it has no {EXPERIMENT_NAME}; run the stage `dataset` first")
    experiment = json.loads(path.read_text())
    return Dataset(experiment, {name: _load_domain(folder, name) for name in experiment["domains"]})


def _load_domain(folder: Path, domain: str) -> DomainArrays:
    arrays = DomainArrays(
        images=np.load(folder / f"{domain}.images.npy", mmap_mode="r"),
        points=np.load(folder / f"{domain}.points.npy"),
        rows=read_table(folder / f"{domain}.rows.parquet"),
    )
    if not len(arrays.images) == len(arrays.points) == arrays.rows.num_rows:
        raise UserError(f"{folder}: the files of {domain} have different lengths; run `dataset` again")
    return arrays


def write_domain(
    folder: Path,
    domain: str,
    images: Iterable[np.ndarray],
    count: int,
    size_px: int,
    points: np.ndarray,
    rows: Sequence[dict[str, Any]],
) -> None:
    """Write one domain's three files, each atomically; the same faces give the same bytes.

    `images` yields `count` arrays uint8 SxSx3 RGB and is read one by one, so it may be larger than memory.
    """
    if not len(points) == len(rows) == count:
        raise ValueError(f"{domain}: {count} images, {len(points)} sets of points and {len(rows)} rows")
    with atomic_path(folder / f"{domain}.images.npy") as path, path.open("wb") as file:
        _write_images(file, domain, images, (count, size_px, size_px, 3))
    with atomic_path(folder / f"{domain}.points.npy") as path, path.open("wb") as file:
        _write_header(file, (count, 68, 2), np.dtype(np.float32))
        file.write(np.ascontiguousarray(points, dtype=np.float32).reshape(count, 68, 2).tobytes())
    write_rows(folder / f"{domain}.rows.parquet", rows, ROWS)


def _write_images(
    file: BinaryIO, domain: str, images: Iterable[np.ndarray], shape: tuple[int, int, int, int]
) -> None:
    _write_header(file, shape, np.dtype(np.uint8))
    written = 0
    for image in images:
        if image.shape != shape[1:] or image.dtype != np.uint8:
            raise ValueError(f"{domain}: image {written} is {image.dtype} {image.shape}, not {shape[1:]}")
        file.write(np.ascontiguousarray(image).tobytes())
        written += 1
    if written != shape[0]:
        raise ValueError(f"{domain}: {written} images came, {shape[0]} were announced")


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
