"""A dataset as it lies on the disk: per domain an array of images, one of landmarks, and a table of rows.

`data/datasets/<experiment>/` holds `experiment.json`, the experiment with every option resolved, and for each
domain, all in the same order:

- `<domain>.images.npy`, uint8 NxSxSx3 RGB, and `<domain>.large.npy`, the training faces alone at the larger size that
  random crops are taken from, where there is one;
- `<domain>.points.npy`, float32 Nx68x2 in pixels of the images, NaN where unknown;
- `<domain>.embeddings.npy`, float32 NxE, what another network makes of each face, where an experiment learns of that;
- `<domain>.rows.parquet`, what is known of each face.

Where faces belong together, `pairs.parquet` names the row in the first and in the second domain. `attribution.csv`
says whose the images are, `domains.json` how alike the domains are, `initial/` holds the weights to start from, and
`tagger/` the backbone that a perceptual loss looks through, with its own `experiment.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from pipeline.errors import UserError
from pipeline.parts import DATA, atomic_path, read_table, write_table

DATASETS = DATA / "datasets"
EXPERIMENT_NAME = "experiment.json"
PAIRS_NAME = "pairs.parquet"
# The folder of the tagger that a perceptual loss looks through.
TAGGER = "tagger"
DOMAINS_NAME = "domains.json"

_RGB = pa.list_(pa.uint8(), 3)
# `weight`: how often the face is drawn, 1 on average; `labels`: 0 or 1 for each label of the experiment.
ROWS = pa.schema(
    [
        *[(name, pa.string()) for name in ("face_id", "image_id", "split")],
        *[(name, pa.string()) for name in ("url", "page_url", "title", "licence", "author")],
        *[(name, pa.string()) for name in ("subject", "pair_id", "cluster")],
        ("tags", pa.list_(pa.string())),
        *[(name, _RGB) for name in ("skin_rgb", "hair_rgb", "left_eye_rgb", "right_eye_rgb")],
        *[(name, pa.float32()) for name in ("yaw_deg", "pitch_deg", "roll_deg", "eye_distance_px")],
        ("weight", pa.float32()),
        ("labels", pa.list_(pa.uint8())),
    ]
)
# `distance`: how unlike the landmarks are (0 to 1), null where the source of the data says that two faces are a pair.
PAIRS = pa.schema(
    [("source", pa.int32()), ("target", pa.int32()), ("split", pa.string()), ("distance", pa.float32())]
)


@dataclass(frozen=True)
class DomainArrays:
    """One domain: `images` uint8 NxSxSx3 RGB on the disk, `points` float32 Nx68x2 px, `rows` a table of N.

    `large` uint8 MxLxLx3: the M training faces, in the order of `indices("train")`; None where `images` are used.
    `embeddings` float32 NxE, where the dataset has them.
    """

    images: np.ndarray
    points: np.ndarray
    rows: pa.Table
    large: np.ndarray | None = None
    embeddings: np.ndarray | None = None

    def indices(self, split: str) -> np.ndarray:
        """Return where the faces of a split (`train`, `val` or `test`) lie, in order."""
        return np.flatnonzero(self.rows["split"].to_numpy(zero_copy_only=False) == split)

    def has_points(self) -> np.ndarray:
        """Return for each of the N faces whether all its landmarks are known."""
        return np.isfinite(self.points).all(axis=(1, 2))


@dataclass(frozen=True)
class Dataset:
    """What an experiment learns from: its resolved options, its domains by name, its pairs in `PAIRS`, if any.

    `folder` is where it lies, for what is read of it later; None where it lies nowhere.
    """

    experiment: dict[str, Any]
    domains: dict[str, DomainArrays]
    pairs: pa.Table | None = None
    folder: Path | None = None


def load_dataset(folder: Path) -> Dataset:
    """Open a dataset's folder; the images stay on the disk and are read as they are used."""
    path = folder / EXPERIMENT_NAME
    if not path.exists():
        raise UserError(f"{folder} is no dataset: it has no {EXPERIMENT_NAME}; run the stage `dataset` first")
    experiment = json.loads(path.read_text(encoding="utf-8"))
    pairs = folder / PAIRS_NAME
    return Dataset(
        experiment,
        {name: _load_domain(folder, name) for name in experiment["domains"]},
        read_table(pairs) if pairs.exists() else None,
        folder,
    )


def files_of(folder: Path) -> list[Path]:
    """Return every file of a dataset, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _load_domain(folder: Path, domain: str) -> DomainArrays:
    large, embeddings = folder / f"{domain}.large.npy", folder / f"{domain}.embeddings.npy"
    arrays = DomainArrays(
        images=np.load(folder / f"{domain}.images.npy", mmap_mode="r"),
        points=np.load(folder / f"{domain}.points.npy"),
        rows=read_table(folder / f"{domain}.rows.parquet"),
        large=np.load(large, mmap_mode="r") if large.exists() else None,
        embeddings=np.load(embeddings) if embeddings.exists() else None,
    )
    alike = len(arrays.images) == len(arrays.points) == arrays.rows.num_rows
    alike &= arrays.embeddings is None or len(arrays.embeddings) == arrays.rows.num_rows
    if not alike or (arrays.large is not None and len(arrays.large) != len(arrays.indices("train"))):
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
    """Write one domain's images, points and rows, each atomically; the same faces give the same bytes.

    `images` yields `count` arrays uint8 SxSx3 RGB and is read one by one, so it may be larger than memory.
    """
    if len(points) != count or len(rows) != count:
        raise ValueError(f"{domain}: {count} images, {len(points)} sets of points and {len(rows)} rows")
    with image_file(folder / f"{domain}.images.npy", count, size_px) as put:
        for index, image in enumerate(images):
            put(index, image)
    if unknown := {name for row in rows for name in row} - set(ROWS.names):
        raise ValueError(f"{domain}: columns {sorted(unknown)} are not those of a dataset's rows")
    complete = [dict.fromkeys(ROWS.names) | {"weight": 1.0, "labels": []} | row for row in rows]
    write_faces(folder, domain, points, pa.Table.from_pylist(complete, ROWS))


def write_faces(folder: Path, domain: str, points: np.ndarray, rows: pa.Table) -> None:
    """Write one domain's points (Nx68x2 px) and rows (in `ROWS`)."""
    with atomic_path(folder / f"{domain}.points.npy") as path, path.open("wb") as file:
        # An empty list of points has no second axis.
        np.save(file, np.asarray(points, np.float32).reshape(len(rows), 68, 2), allow_pickle=False)
    write_table(folder / f"{domain}.rows.parquet", rows.select(ROWS.names).cast(ROWS))


def write_embeddings(folder: Path, domain: str, embeddings: np.ndarray) -> None:
    """Write what another network makes of each of a domain's faces, NxE."""
    with atomic_path(folder / f"{domain}.embeddings.npy") as path, path.open("wb") as file:
        np.save(file, np.asarray(embeddings, np.float32), allow_pickle=False)


def write_pairs(folder: Path, pairs: pa.Table) -> None:
    """Write which rows of the two domains belong together, in `PAIRS`."""
    write_table(folder / PAIRS_NAME, pairs.cast(PAIRS))


@contextmanager
def image_file(path: Path, count: int, size_px: int) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Yield a function that puts a uint8 SxSx3 image at its index of an array file, in any order.

    The file appears, atomically, when the block ends and every image has come. Raises `ValueError` for an image of
    another size or type, and where images are missing.
    """
    shape = (size_px, size_px, 3)
    image_bytes = size_px * size_px * 3
    missing = np.ones(count, bool)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        _write_header(file, (count, *shape))
        start = file.tell()

        def put(index: int, image: np.ndarray) -> None:
            if image.shape != shape or image.dtype != np.uint8:
                raise ValueError(f"{path.name}: image {index} is {image.dtype} {image.shape}, not {shape}")
            file.seek(start + index * image_bytes)
            file.write(np.ascontiguousarray(image).tobytes())
            missing[index] = False

        yield put
        if missing.any():
            raise ValueError(f"{path.name}: {count - missing.sum()} images came, {count} were announced")


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    descr = np.lib.format.dtype_to_descr(np.dtype(np.uint8))
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
