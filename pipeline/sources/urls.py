"""Lists of URLs: text, CSV, TSV or Parquet files, such as those that img2dataset reads."""

from __future__ import annotations

import csv
import gzip
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.errors import UserError
from pipeline.params import Section

ROWS_AT_ONCE = 1024
URL_COLUMNS = ("url", "image_url")
LINE = "line"
SURPLUS = "values without a column"
# What well-known columns say, lower-cased; of several the first that a row fills counts.
FIELDS = {
    "title": ("title", "caption", "text"),
    "author": ("author", "artist", "creator"),
    "licence": ("licence", "license"),
    "licence_url": ("licence_url", "license_url"),
    "page_url": ("page_url", "foreign_landing_url"),
    "subject": ("subject",),
    "pair_id": ("pair_id",),
    "role": ("role",),
    "group": ("group",),
}
# What a damaged file makes its readers raise.
DAMAGED = (OSError, EOFError, UnicodeError, csv.Error, pa.ArrowException)

# A row's number, from 1 on, and its values by column.
Rows = Iterator[tuple[int, dict[str, Any]]]


class UrlsOptions(Section):
    """Where the lists are: `path` is a file, or a folder whose lists are read in the order of their names.

    Lists are `.txt` (a URL a line; empty lines and lines with `#` in front are skipped), `.csv` and `.tsv` with a
    header, all three also as `.gz`, and `.parquet`. `~` and variables such as `$LIKENESS_IMAGES` are expanded.
    `url_column` is needed where no column is called `url` or `image_url`. `author`, `licence` and `licence_url`
    hold for rows that do not say it themselves.
    """

    path: str
    url_column: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None


@dataclass(frozen=True)
class _List:
    """One file: its name, its columns (none: it holds nothing but URLs), and how to go through its rows."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Rows]


class UrlsSource(Source[UrlsOptions]):
    """Images whose URLs are known already."""

    kind = "urls"
    terms = "A list of URLs gives no rights: each image is its owner's, and the list may or may not say its licence."
    needs_limit = False
    Options = UrlsOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield the rows of one list after the other; all lists are looked at before the first is read."""
        lists = [(found, self._url_column(found)) for found in _lists(self.options.path)]
        for found, url_column in lists:
            session.note_read(f"file:{found.name}")
            yield from self._images(found, url_column)

    def _url_column(self, found: _List) -> str:
        if not found.columns:
            return LINE
        wanted = self.options.url_column
        if wanted is None:
            by_name = {column.casefold(): column for column in reversed(found.columns)}
            wanted = next((by_name[name] for name in URL_COLUMNS if name in by_name), "url")
        if wanted not in found.columns:
            known = ", ".join(found.columns)
            raise UserError(f"url_column: {found.name} has no column {wanted!r}; its columns are: {known}")
        return wanted

    def _images(self, found: _List, url_column: str) -> Iterator[ImageRef | Refusal]:
        number = 0
        try:
            for number, row in found.rows():
                yield self._reference(row, url_column, f"file:{found.name}#row-{number}")
        except DAMAGED as error:
            detail = f"the list is damaged after row {number}: {type(error).__name__}"
            yield Refusal(f"file:{found.name}", "unreadable", detail)

    def _reference(self, row: dict[str, Any], url_column: str, name: str) -> ImageRef | Refusal:
        url = row.pop(url_column, None)
        url = url.strip() if isinstance(url, str) else ""
        if not url:
            return Refusal(name, "address_refused", "the row has no URL")
        if SURPLUS in row:
            return Refusal(name, "address_refused", "the row has more values than there are columns")
        if not _is_web_address(url):
            return Refusal(url, "address_refused", "the URL is not one of the web")
        said = {column: value for column, value in row.items() if not _is_empty(value)}
        about: dict[str, Any] = {field: _take_text(said, names) for field, names in FIELDS.items()}
        for field in ("author", "licence", "licence_url"):
            about[field] = about[field] or getattr(self.options, field)
        tags = _tags(_take(said, ("tags",)))
        return ImageRef(url, tags=tags, extra={name: _json(value) for name, value in said.items()}, **about)


def _lists(given: str) -> Iterator[_List]:
    path = Path(os.path.expandvars(given)).expanduser()
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        names = sorted(
            name for name in files if _reader(name) and not name.startswith(".") and "/." not in name
        )
        if not names:
            raise UserError(f"path: {given}: the folder holds no list; the names of lists end in {ENDINGS}")
        yield from (_look_at(files[name], name) for name in names)
    elif path.is_file():
        yield _look_at(path, path.name)
    else:
        raise UserError(f"path: {given}: does not exist (looked at {path})")


def _look_at(path: Path, name: str) -> _List:
    read = _reader(name)
    if read is None:
        raise UserError(f"path: {name} is no list; the names of lists end in {ENDINGS}")
    try:
        return read(path, name)
    except DAMAGED as error:
        raise UserError(f"path: {name} cannot be read: {type(error).__name__}: {error}") from None


def _reader(name: str) -> Callable[[Path, str], _List] | None:
    return next((read for ending, read in READERS.items() if name.casefold().endswith(ending)), None)


def _text_list(path: Path, name: str) -> _List:
    with _open_text(path) as file:
        file.readline()
    return _List(name, (), partial(_lines, path))


def _lines(path: Path) -> Rows:
    with _open_text(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield number, {LINE: line}


def _table_list(delimiter: str, path: Path, name: str) -> _List:
    with _open_text(path) as file:
        columns = csv.DictReader(file, delimiter=delimiter).fieldnames
    if not columns:
        raise UserError(f"path: {name} is empty; it must begin with the names of its columns")
    return _List(name, tuple(columns), partial(_table_rows, delimiter, path))


def _table_rows(delimiter: str, path: Path) -> Rows:
    with _open_text(path) as file:
        yield from enumerate(csv.DictReader(file, restkey=SURPLUS, delimiter=delimiter), 1)


def _open_text(path: Path) -> TextIO:
    if path.name.casefold().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _parquet_list(path: Path, name: str) -> _List:
    with pq.ParquetFile(path) as file:
        # Bytes, such as the images of another data set, are no JSON values and would fill the memory.
        columns = tuple(field.name for field in file.schema_arrow if "binary" not in str(field.type))
    return _List(name, columns, partial(_parquet_rows, path, columns))


def _parquet_rows(path: Path, columns: tuple[str, ...]) -> Rows:
    with pq.ParquetFile(path) as file:
        batches = file.iter_batches(ROWS_AT_ONCE, columns=list(columns))
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)


READERS: dict[str, Callable[[Path, str], _List]] = {
    ".txt": _text_list,
    ".txt.gz": _text_list,
    ".csv": partial(_table_list, ","),
    ".csv.gz": partial(_table_list, ","),
    ".tsv": partial(_table_list, "\t"),
    ".tsv.gz": partial(_table_list, "\t"),
    ".parquet": _parquet_list,
}
ENDINGS = ", ".join(READERS)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and not math.isfinite(value))


def _take(said: dict[str, Any], names: tuple[str, ...]) -> Any:
    """Take the first of these columns out of a row, whatever the case of its letters; None where it has none."""
    by_name = {column.casefold(): column for column in said}
    return next((said.pop(by_name[name]) for name in names if name in by_name), None)


def _take_text(said: dict[str, Any], names: tuple[str, ...]) -> str | None:
    value = _take(said, names)
    return None if value is None else str(value)


def _tags(value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else re.split("[;,]", str(value or ""))
    return tuple(tag for item in found if (tag := str(item).strip()))


def _json(value: Any) -> Any:
    """Return a table's value as JSON has it; what JSON has no word for, such as a date, becomes text."""
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _json(item) for name, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)
