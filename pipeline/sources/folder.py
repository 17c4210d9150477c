"""Images on this machine: a folder, a zip, or the files that a CSV lists, with subjects and pairs."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO

from pydantic import AfterValidator

from pipeline.crawl.failures import TooLarge, Unreadable
from pipeline.crawl.references import ImageRef, LocalFile, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.errors import UserError
from pipeline.params import Section

TABLE_COLUMNS = ("subject", "pair_id", "role", "title", "author", "licence", "licence_url", "page_url")


def _has_one_group(pattern: re.Pattern[str]) -> re.Pattern[str]:
    if pattern.groups != 1:
        raise ValueError("must have exactly one group: (…)")
    return pattern


def _has_pair_groups(pattern: re.Pattern[str]) -> re.Pattern[str]:
    if set(pattern.groupindex) != {"pair", "role"}:
        raise ValueError("must have the groups (?P<pair>…) and (?P<role>…)")
    return pattern


class FolderOptions(Section):
    """Where the files lie, and how their names or a CSV tell subjects and pairs.

    `path` is a folder or a zip; `~` and variables such as `$LIKENESS_IMAGES` are expanded. `table` is a CSV
    in it or beside it with a column `file`: only the files that it lists are taken, in its order.
    """

    path: str
    glob: str = "*"
    table: str | None = None
    subject: Annotated[re.Pattern[str], AfterValidator(_has_one_group)] | None = None
    pair: Annotated[re.Pattern[str], AfterValidator(_has_pair_groups)] | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None


@dataclass(frozen=True)
class _File:
    """A file of the folder or zip: its path in there, its size, and how to open it."""

    path: str
    size: int
    version: str
    open: Callable[[], Any]

    def read(self, max_bytes: int) -> bytes:
        """Return the bytes, at most so many of them, whatever the size is said to be."""
        if self.size > max_bytes:
            raise TooLarge(max_bytes)
        try:
            with self.open() as file:
                data = _read_at_most(file, max_bytes)
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise Unreadable(f"the file cannot be read: {type(error).__name__}") from None
        return data


class FolderSource(Source[FolderOptions]):
    """Files that are here already."""

    kind = "folder"
    Options = FolderOptions

    def discover(self, session: Session) -> Iterator[ImageRef | Refusal]:
        """Yield the files in the order of their paths, or of the table."""
        path = Path(os.path.expandvars(self.options.path)).expanduser()
        files = {file.path: file for file in self._files(path, session)}
        prefix = "" if path.is_dir() else f"{path.name}!/"
        to_ref = partial(self._reference, prefix=prefix, max_bytes=session.caps.image_bytes)
        if self.options.table:
            for row in _read_table(path, self.options.table, files):
                name = row["file"].replace("\\", "/")
                if name in files:
                    yield _described(to_ref(files[name]), row)
                else:
                    yield Refusal(_url(prefix, name), "not_found", f"{self.options.table} lists it")
            return
        for name in files:
            if PurePosixPath(name).match(self.options.glob):
                yield to_ref(files[name])

    def _files(self, path: Path, session: Session) -> Iterator[_File]:
        if path.is_dir():
            return _files_of_folder(path)
        if path.is_file() and zipfile.is_zipfile(path):
            return _files_of_zip(session.enter(zipfile.ZipFile(path)))
        what = "is neither a folder nor a zip" if path.exists() else "does not exist"
        raise UserError(f"path: {self.options.path}: {what} (looked at {path})")

    def _reference(self, file: _File, prefix: str, max_bytes: int) -> ImageRef:
        options = self.options
        subject = options.subject.search(file.path) if options.subject else None
        pair = options.pair.search(PurePosixPath(file.path).name) if options.pair else None
        return ImageRef(
            _url(prefix, file.path),
            author=options.author,
            licence=options.licence,
            licence_url=options.licence_url,
            subject=subject[1] if subject else None,
            pair_id=pair["pair"] if pair else None,
            role=pair["role"] if pair else None,
            local=LocalFile(file.version, partial(file.read, max_bytes)),
        )


def _files_of_folder(folder: Path) -> Iterator[_File]:
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    for relative in sorted(path.relative_to(folder).as_posix() for path in found):
        path = folder / relative
        if path.is_file() and not _is_hidden(relative):
            status = path.stat()
            version = f"{status.st_size}-{status.st_mtime_ns}"
            yield _File(relative, status.st_size, version, partial(path.open, "rb"))


def _files_of_zip(archive: zipfile.ZipFile) -> Iterator[_File]:
    for member in sorted(archive.infolist(), key=lambda member: member.filename):
        if not member.is_dir() and not _is_hidden(member.filename):
            version = f"{member.file_size}-{member.CRC:08x}"
            yield _File(member.filename, member.file_size, version, partial(archive.open, member))


def _is_hidden(path: str) -> bool:
    return any(name.startswith(".") for name in path.split("/"))


def _url(prefix: str, path: str) -> str:
    """Return a URL that is the same on every machine; bytes of a name that are no UTF-8 are spelled out."""
    return f"file:{prefix}{path}".encode(errors="surrogateescape").decode(errors="backslashreplace")


def _read_at_most(file: BinaryIO, max_bytes: int) -> bytes:
    data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooLarge(max_bytes)
    return data


def _read_table(path: Path, table: str, files: dict[str, _File]) -> Iterator[dict[str, str]]:
    beside = path.parent / table
    if table in files:
        with files[table].open() as file:
            data = file.read()
    elif beside.is_file():
        data = beside.read_bytes()
    else:
        raise UserError(f"table: {table!r} is neither in {path} nor beside it")
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    columns = rows.fieldnames or []
    if "file" not in columns:
        raise UserError(f"table: {table!r} has no column 'file'; its columns are: {', '.join(columns)}")
    yield from rows


def _described(ref: ImageRef, row: dict[str, str]) -> ImageRef:
    said: dict[str, Any] = {name: row[name] for name in TABLE_COLUMNS if row.get(name)}
    if row.get("tags"):
        said["tags"] = tuple(tag.strip() for tag in re.split("[;,]", row["tags"]) if tag.strip())
    return replace(ref, **said)
