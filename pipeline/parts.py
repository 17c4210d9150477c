"""What a part is: the tables' schemas, and reading and writing them whole.

A part is an immutable Parquet file of at most 512 images of one source. The parts of every later stage
bear the same names: `data/detections/<source>/part-00003.parquet` holds the faces of the images in
`data/raw/<source>/part-00003.parquet`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.reasons import REASONS

DATA = Path("data")
SCHEMA_VERSION = 1
ROW_GROUP_SIZE = 32
REJECTED_NAME = "rejected.parquet"

_POINT = pa.struct([("name", pa.string()), ("x", pa.float32()), ("y", pa.float32())])
_COLOR = pa.struct([("name", pa.string()), ("rgb", pa.list_(pa.uint8(), 3))])
_REJECTION = [("stage", pa.string()), ("reason", pa.string()), ("detail", pa.string())]
_RGB = pa.list_(pa.uint8(), 3)

RAW = pa.schema(
    [
        ("image_id", pa.string()),
        ("bytes", pa.binary()),
        ("url", pa.string()),
        ("page_url", pa.string()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("author", pa.string()),
        ("licence", pa.string()),
        ("licence_url", pa.string()),
        ("fetched_at", pa.string()),
        ("etag", pa.string()),
        ("width_px", pa.int32()),
        ("height_px", pa.int32()),
        ("format", pa.string()),
        ("phash", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("subject", pa.string()),
        ("pair_id", pa.string()),
        ("role", pa.string()),
    ]
)
REJECTED_REFS = pa.schema([("url", pa.string()), ("page_url", pa.string()), *_REJECTION])
DETECTIONS = pa.schema(
    [
        ("image_id", pa.string()),
        ("face_id", pa.string()),
        ("box_xyxy", pa.list_(pa.float32(), 4)),
        ("score", pa.float32()),
        ("detector", pa.string()),
        ("points", pa.list_(_POINT)),
        ("colors", pa.list_(_COLOR)),
        *_REJECTION,
    ]
)
LANDMARKS = pa.schema(
    [
        ("image_id", pa.string()),
        ("face_id", pa.string()),
        ("points_68", pa.list_(pa.list_(pa.float32(), 2), 68)),
        ("eyes", pa.list_(pa.list_(pa.float32(), 2), 2)),
        ("model", pa.string()),
        ("quality", pa.float32()),
        ("yaw_deg", pa.float32()),
        ("pitch_deg", pa.float32()),
        ("roll_deg", pa.float32()),
        *_REJECTION,
    ]
)
ALIGNED = pa.schema(
    [
        ("image_id", pa.string()),
        ("face_id", pa.string()),
        ("bytes", pa.binary()),
        ("matrix", pa.list_(pa.float64(), 6)),
        ("size_px", pa.int32()),
        ("padded", pa.float32()),
        ("eye_distance_px", pa.float32()),
        ("sharpness", pa.float32()),
        ("phash", pa.string()),
        *_REJECTION,
    ]
)
_COLOR_COLUMNS = [
    column
    for part in ("skin", "hair", "left_eye", "right_eye")
    for column in (
        (f"{part}_rgb", _RGB),
        (f"{part}_confidence", pa.float32()),
        (f"{part}_name", pa.string()),
    )
]
COLORS = pa.schema([("image_id", pa.string()), ("face_id", pa.string()), *_COLOR_COLUMNS, *_REJECTION])
FACES = pa.schema(
    [
        ("face_id", pa.string()),
        ("image_id", pa.string()),
        ("source", pa.string()),
        ("part", pa.string()),
        ("domain", pa.string()),
        *[RAW.field(name) for name in ("url", "page_url", "title", "author", "licence", "licence_url")],
        *[RAW.field(name) for name in ("fetched_at", "tags", "subject", "pair_id", "role")],
        *[DETECTIONS.field(name) for name in ("box_xyxy", "score", "detector")],
        *[LANDMARKS.field(name) for name in ("points_68", "eyes", "model", "quality")],
        *[LANDMARKS.field(name) for name in ("yaw_deg", "pitch_deg", "roll_deg")],
        *[
            ALIGNED.field(name)
            for name in ("matrix", "size_px", "padded", "eye_distance_px", "sharpness", "phash")
        ],
        *_COLOR_COLUMNS,
        ("cluster", pa.string()),
        ("split", pa.string()),
        ("kept", pa.bool_()),
        *_REJECTION,
    ]
)
REJECTIONS = pa.schema(
    [
        ("source", pa.string()),
        ("part", pa.string()),
        ("image_id", pa.string()),
        ("face_id", pa.string()),
        ("url", pa.string()),
        ("page_url", pa.string()),
        *_REJECTION,
    ]
)
TRANSLATED = pa.schema(
    [
        ("translation", pa.string()),
        ("face_id", pa.string()),
        ("url", pa.string()),
        ("page_url", pa.string()),
        ("licence", pa.string()),
        ("input", pa.binary()),
        ("output", pa.binary()),
        ("truth", pa.binary()),
        ("nearest", pa.binary()),
        ("nearest_face_id", pa.string()),
        ("nearest_distance", pa.float32()),
        ("landmark_error", pa.float32()),
    ]
)


def folder(table: str, source: str) -> Path:
    """Return where the parts of one source lie: `data/<table>/<source>`."""
    return DATA / table / source


def list_parts(parts_folder: Path) -> list[Path]:
    """Return the folder's parts in order; none where the folder is missing."""
    return sorted(parts_folder.glob("part-*.parquet"))


def part_name(number: int) -> str:
    """Return the file name of a source's part `number`, counted from 0."""
    return f"part-{number:05d}.parquet"


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path`, whole and on disk, if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as one Parquet file, atomically; the same rows give the same bytes."""
    versioned = table.replace_schema_metadata({"schema_version": str(SCHEMA_VERSION)})
    with atomic_path(path) as temporary:
        pq.write_table(
            versioned.combine_chunks(),
            temporary,
            row_group_size=ROW_GROUP_SIZE,
            compression="zstd",
            compression_level=1,
            use_dictionary=False,
            write_statistics=False,
        )


def write_rows(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> None:
    """Write rows as one Parquet file, atomically; the same rows give the same bytes.

    Columns that a row lacks are null. Raises `ValueError` for a column that the schema does not know and
    for a reason outside `REASONS`.
    """
    known = set(schema.names)
    for row in rows:
        if unknown := row.keys() - known:
            raise ValueError(f"{path}: columns {sorted(unknown)} are not in the schema")
        if row.get("reason") is not None and row["reason"] not in REASONS:
            raise ValueError(f"{path}: {row['reason']!r} is not one of the reasons: {', '.join(REASONS)}")
    write_table(
        path, pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)
    )


def read_rows(
    path: Path, columns: list[str] | None = None, row_group: int | None = None
) -> list[dict[str, Any]]:
    """Read rows as dictionaries: all columns or some, the whole file or one row group of 32 rows."""
    with pq.ParquetFile(path) as file:
        table = file.read(columns) if row_group is None else file.read_row_group(row_group, columns)
    return table.to_pylist()


def row_group_sizes(path: Path) -> list[int]:
    """Return the number of rows of each row group of a part; nothing where it has no rows."""
    with pq.ParquetFile(path) as file:
        groups = (file.metadata.row_group(index).num_rows for index in range(file.num_row_groups))
        return [rows for rows in groups if rows]


def count_rows(path: Path) -> int:
    """Return the number of rows of a part without reading them."""
    return pq.read_metadata(path).num_rows
