"""What a part is: the tables' schemas, and reading and writing them whole.

A part is an immutable Parquet file of at most 512 images of one source. The parts of every later stage
bear the same names: `data/detections/<source>/part-00003.parquet` holds the faces of the images in
`data/raw/<source>/part-00003.parquet`.

Every table says which version of the schemas it was written by. An older one is never rewritten; it is brought
up to date as it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.reasons import REASONS

DATA = Path("data")
SCHEMA_VERSION = 2
VERSION_KEY = "schema_version"
ROW_GROUP_SIZE = 32  # a part's: a worker or a page takes a few pictures of it
LONG_ROW_GROUP_SIZE = 4096  # that of tables of everything, which are read column by column
REJECTED_NAME = "rejected.parquet"

_POINT = pa.struct([("name", pa.string()), ("x", pa.float32()), ("y", pa.float32())])
_COLOR = pa.struct([("name", pa.string()), ("rgb", pa.list_(pa.uint8(), 3))])
_REJECTION = [("stage", pa.string()), ("reason", pa.string()), ("detail", pa.string())]
_RGB = pa.list_(pa.uint8(), 3)
# What came with each version: in the tables that have a certain column, new columns right after it.
_ADDED = {2: ("role", (("group", pa.string()), ("extra", pa.string())))}

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
        ("group", pa.string()),
        ("extra", pa.string()),
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
        ("eye_size", pa.float32()),
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
        ("landmark_quality", pa.float32()),
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
        ("exposure", pa.float32()),
        ("occlusion", pa.float32()),
        ("phash", pa.string()),
        ("faces", pa.string()),
        ("equalized", pa.string()),
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
        *[RAW.field(name) for name in ("fetched_at", "tags", "subject", "pair_id", "role", "group", "extra")],
        *[DETECTIONS.field(name) for name in ("box_xyxy", "score", "detector", "eye_size")],
        *[LANDMARKS.field(name) for name in ("points_68", "eyes", "model", "landmark_quality")],
        *[LANDMARKS.field(name) for name in ("yaw_deg", "pitch_deg", "roll_deg")],
        *[ALIGNED.field(name) for name in ("matrix", "size_px", "padded", "eye_distance_px", "sharpness")],
        *[ALIGNED.field(name) for name in ("exposure", "occlusion", "phash")],
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


def link(existing: Path, target: Path) -> None:
    """Put a file at `target` too, atomically: as a hard link, or a copy where that cannot be."""
    with atomic_path(target) as temporary:
        try:
            os.link(existing, temporary)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(existing, temporary)


def write_table(path: Path, table: pa.Table, row_group_size: int = ROW_GROUP_SIZE) -> None:
    """Write a table as one Parquet file, atomically; the same rows give the same bytes."""
    versioned = table.replace_schema_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
    with atomic_path(path) as temporary:
        pq.write_table(
            versioned.combine_chunks(),
            temporary,
            row_group_size=row_group_size,
            compression=_compression(table.column_names),
            use_dictionary=False,
            write_statistics=False,
        )


def _compression(columns: Sequence[str]) -> str | dict[str, str]:
    """Return how columns are compressed: encoded images, which would not become smaller, not at all."""
    if "bytes" not in columns:
        return "zstd"
    return {name: "none" if name == "bytes" else "zstd" for name in columns}


def write_rows(
    path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, row_group_size: int = ROW_GROUP_SIZE
) -> None:
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
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)
    write_table(path, table, row_group_size)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file for people to read too, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_rows(
    path: Path, columns: Sequence[str] | None = None, row_group: int | None = None
) -> list[dict[str, Any]]:
    """Read rows as dictionaries, as `read_table` reads them."""
    return read_table(path, columns, row_group=row_group).to_pylist()


def read_table(
    path: Path,
    columns: Sequence[str] | None = None,
    filters: pc.Expression | None = None,
    row_group: int | None = None,
) -> pa.Table:
    """Read a table with the columns of the present version: all or some of them, null where it is older.

    Either the rows that pass `filters`, over columns that every version has, or one row group of 32 rows, or
    all rows. Raises `UserError` where the file is no Parquet file, has no version, or is of a newer one.
    """
    with _opened(path) as (file, version):
        stored = file.schema_arrow.names
        added = _added_since(version, stored)
        wanted = list(columns) if columns is not None else _in_place(stored, added)
        present = [name for name in wanted if name not in added]
        if filters is not None:
            table = pq.read_table(path, columns=present, filters=filters, partitioning=None)
        elif row_group is not None:
            table = file.read_row_group(row_group, present)
        else:
            table = file.read(present)
    for name in wanted:
        if name in added:
            table = table.append_column(name, pa.nulls(table.num_rows, added[name]))
    return table.select(wanted)


def row_group_sizes(path: Path) -> list[int]:
    """Return the number of rows of each row group of a part; nothing where it has no rows."""
    with _opened(path) as (file, _):
        groups = (file.metadata.row_group(index).num_rows for index in range(file.num_row_groups))
        return [rows for rows in groups if rows]


def count_rows(path: Path) -> int:
    """Return the number of rows of a part without reading them."""
    with _opened(path) as (file, _):
        return file.metadata.num_rows


@contextmanager
def _opened(path: Path) -> Iterator[tuple[pq.ParquetFile, int]]:
    """Yield a table's open file and the version of the schemas that it was written by."""
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: no readable Parquet file: {error}") from None
    with file:
        yield file, _version(path, file.metadata)


def _version(path: Path, metadata: pq.FileMetaData) -> int:
    written = (metadata.metadata or {}).get(VERSION_KEY.encode(), b"").decode()
    if not written.isdigit() or int(written) < 1:
        raise UserError(f"{path}: says no {VERSION_KEY}; it was not written by this program")
    if int(written) > SCHEMA_VERSION:
        raise UserError(
            f"{path}: is of {VERSION_KEY} {written}, this program knows them up to {SCHEMA_VERSION}; "
            "update the program"
        )
    return int(written)


def _added_since(version: int, stored: Sequence[str]) -> dict[str, pa.DataType]:
    """Return the columns, with their types, that a table of an older version lacks."""
    return {
        name: kind
        for later, (beside, columns) in _ADDED.items()
        if later > version and beside in stored
        for name, kind in columns
    }


def _in_place(stored: Sequence[str], added: Mapping[str, pa.DataType]) -> list[str]:
    """Return all columns in the order of the present version."""
    names = list(stored)
    for beside, columns in _ADDED.values():
        missing = [name for name, _ in columns if name in added]
        if missing:
            place = names.index(beside) + 1
            names[place:place] = missing
    return names
