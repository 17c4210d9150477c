"""Files on this machine by their paths: those of a folder, of a zip, and of the zips in a folder."""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.crawl.failures import FetchProblem, TooLarge, Unreadable
from pipeline.errors import UserError

MAX_LIST_BYTES = 1_000_000_000  # the largest list in use, FFHQ's, has 255 million
OPEN_ZIPS = 64  # one for each thread that may read; a folder may hold more than a process can open
_UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class File:
    """A file: its path below where the search began, its size in bytes, and how to open it.

    `archive` is the path of the zip that it lies in. A name in a zip is a name only: nothing is unpacked, so
    it leads nowhere. `version` changes whenever the bytes do.
    """

    path: str
    archive: str | None
    size: int
    version: str
    open: Callable[[], Any]

    def read(self, max_bytes: int) -> bytes:
        """Return the bytes, at most so many of them, whatever the size is said to be.

        Raise `TooLarge`, or `Unreadable` where the file is gone, damaged or encrypted.
        """
        if self.size > max_bytes:
            raise TooLarge(max_bytes)
        try:
            with self.open() as file:
                data = file.read(max_bytes + 1)
        except _UNREADABLE as error:
            raise Unreadable(f"the file cannot be read: {type(error).__name__}") from None
        if len(data) > max_bytes:
            raise TooLarge(max_bytes)
        return data

    def read_list(self, option: str) -> str:
        """Return the text of a list of files; raise `UserError` about `option` where it cannot be read."""
        try:
            return self.read(MAX_LIST_BYTES).decode("utf-8-sig")
        except FetchProblem as problem:
            raise UserError(f"{option}: {self.path}: {problem.detail}") from None
        except UnicodeDecodeError:
            raise UserError(f"{option}: {self.path}: is not UTF-8; save it as UTF-8") from None


class Files:
    """All files below a folder or in a zip, by path, in the order of their paths; hidden ones are left out.

    A zip in a folder counts as a folder named `x.zip!`; one that cannot be opened is in `broken`, with the
    reason. Zips in zips are files like any other. Raise `UserError` about the option `path` where the zip that is
    asked for cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.by_path: dict[str, File] = {}
        self.broken: dict[str, str] = {}
        self._prefix = ""
        self._zips = lru_cache(OPEN_ZIPS)(zipfile.ZipFile)
        if path.is_dir():
            self._add_folder(path)
        else:
            self._prefix = f"{path.name}!/"
            self._add_zip(path, path.name, "")
            if self.broken:
                raise UserError(f"path: {path}: {self.broken[path.name]}")

    def url(self, path: str) -> str:
        """Return a URL that is the same on every machine; bytes of a name that are no UTF-8 are spelled out."""
        url = f"file:{self._prefix}{path}"
        return url.encode(errors="surrogateescape").decode(errors="backslashreplace")

    def matching(self, glob: str) -> Iterator[File]:
        """Yield the files that a pattern selects, by their own path or by that of their zip."""
        return (file for file in self.by_path.values() if selects(glob, file.path, file.archive))

    def _add_folder(self, folder: Path) -> None:
        found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
        for relative in sorted(path.relative_to(folder).as_posix() for path in found):
            path = folder / relative
            if not path.is_file() or _is_hidden(relative):
                continue
            if path.suffix.lower() == ".zip":
                self._add_zip(path, relative, f"{relative}!/")
            else:
                self._add(file_at(path, relative))

    def _add_zip(self, path: Path, name: str, prefix: str) -> None:
        try:
            members = self._zips(path).infolist()
        except _UNREADABLE as error:
            self.broken[name] = f"the zip cannot be read: {type(error).__name__}"
            return
        for member in sorted(members, key=lambda member: member.filename):
            if not member.is_dir() and not _is_hidden(member.filename):
                version = f"{member.file_size}-{member.CRC:08x}"
                opened = partial(self._open_member, path, member)
                self._add(File(prefix + member.filename, name, member.file_size, version, opened))

    def _open_member(self, path: Path, member: zipfile.ZipInfo) -> Any:
        return self._zips(path).open(member)

    def _add(self, file: File) -> None:
        self.by_path[file.path] = file


def file_at(path: Path, name: str) -> File:
    """Return the file that lies at a path, under another name."""
    status = path.stat()
    version = f"{status.st_size}-{status.st_mtime_ns}"
    return File(name, None, status.st_size, version, partial(path.open, "rb"))


def selects(glob: str, *paths: str | None) -> bool:
    """Say whether a pattern matches the end of one of the paths."""
    return any(PurePosixPath(path).match(glob) for path in paths if path)


def _is_hidden(path: str) -> bool:
    return any(name.startswith(".") and name != ".." for name in path.split("/"))
