"""Traces of images in files: which of the images that are taken down a file holds something of."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.takedowns import Takedowns

# A face's id is its image's id and its number; the report's pictures are named after an id's beginning.
ID_COLUMNS = ("image_id", "face_id", "nearest_face_id", "truth_face_id", "training_face_id")
ID_LENGTH = 64
NAME_LENGTH = 16
_SNIFFED_BYTES = 4096
_ID = re.compile(rb"[0-9a-f]{%d}" % ID_LENGTH)
_NAMED = re.compile(rf"[0-9a-f]{{{NAME_LENGTH},}}")


class Unreadable(Exception):
    """A file of which cannot be told what it holds."""


class Tracer:
    """Looks for the images that are taken down."""

    def __init__(self, takedowns: Takedowns) -> None:
        self._takedowns = takedowns
        self._images = pa.array(sorted(takedowns.images), pa.string())
        self._subjects = pa.array(sorted(takedowns.subjects), pa.string())
        self._by_name = {image_id[:NAME_LENGTH]: image_id for image_id in takedowns.images}

    def images_in(self, path: Path) -> set[str]:
        """Return the ids of the images that a file is named after or that it holds a row, a face or a name of.

        Looked at are Parquet tables, SQLite databases, and texts; raises `Unreadable` for a damaged one.
        """
        named = {self._by_name.get(match[:NAME_LENGTH]) for match in _NAMED.findall(path.name)} - {None}
        with path.open("rb") as file:
            start = file.read(_SNIFFED_BYTES)
        try:
            return {image_id for image_id in named if image_id} | self._inside(path, start)
        except (pa.ArrowInvalid, OSError, sqlite3.DatabaseError) as error:
            raise Unreadable(str(error)) from None

    def _inside(self, path: Path, start: bytes) -> set[str]:
        if start.startswith(b"PAR1"):
            return self._in_table(path)
        if start.startswith(b"SQLite format 3\0"):
            return self._in_database(path)
        if b"\0" in start:
            return set()
        return {found.decode() for found in _ID.findall(path.read_bytes())} & self._takedowns.images

    def _in_table(self, path: Path) -> set[str]:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            rows = file.read([name for name in (*ID_COLUMNS, "url", "subject") if name in names])
        ids = {name: _image_ids(rows[name]) for name in ID_COLUMNS if name in names}
        found = {image_id for column in ids.values() for image_id in self._listed(column)}
        for name in ("image_id", "face_id"):
            if name in ids:
                found |= set(ids[name].filter(self._covered(rows)).drop_null().to_pylist())
        return found

    def _listed(self, ids: pa.ChunkedArray) -> list[str]:
        return pc.unique(ids.filter(pc.is_in(ids, value_set=self._images)).drop_null()).to_pylist()

    def _covered(self, rows: pa.Table) -> pa.ChunkedArray:
        """Tell which rows are taken down by their URL or subject."""
        covered = pa.chunked_array([pa.array([False] * rows.num_rows)])
        if "subject" in rows.column_names:
            covered = pc.or_(covered, pc.is_in(rows["subject"], value_set=self._subjects))
        if "url" in rows.column_names:
            for prefix in self._takedowns.url_prefixes:
                begins = pc.fill_null(pc.starts_with(rows["url"], prefix), False)
                covered = pc.or_(covered, begins)
        return covered

    def _in_database(self, path: Path) -> set[str]:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            tables = [
                name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            columns = {
                table: [row[1] for row in database.execute(f"PRAGMA table_info('{table}')")]
                for table in tables
            }
            rows = (
                row
                for table in tables
                if "image_id" in columns[table]
                for row in database.execute(f"SELECT image_id FROM {table}")
            )
            return {image_id for (image_id,) in rows if image_id in self._takedowns.images}


def _image_ids(column: Iterable[str]) -> pa.ChunkedArray:
    return pc.utf8_slice_codeunits(column, 0, ID_LENGTH)
