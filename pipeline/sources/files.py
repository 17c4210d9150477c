"""Files on this machine by their paths: those of a folder, of a zip, and of the zips in a folder."""

from __future__ import annotations

import lzma
import os
import stat
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from io import BufferedReader, FileIO
from itertools import count
from pathlib import Path, PurePosixPath
from posixpath import splitext
from typing import Any

from pipeline.crawl.failures import FetchProblem, TooLarge, Unreadable
from pipeline.errors import UserError

MAX_LIST_BYTES = 1_000_000_000  # the largest list in use, FFHQ's, has 255 million
OPEN_ZIPS = 64  # one for each thread that may read; a folder may hold more than a process can open
# What a zip's list of its files takes for each of them, more than enough for names of 400 bytes.
_LISTED_BYTES = 512
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


@dataclass(frozen=True)
class ZipLimits:
    """How many files a zip may hold, folders and hidden ones included, and how many bytes they may unpack to."""

    members: int
    unpacked_bytes: int


class _Oversized(Exception):
    """A zip is over the limits."""


class Files:
    """All files below a folder or in a zip, by path, in the order of their paths; hidden ones are left out.

    A zip in a folder counts as a folder named `x.zip!`. What cannot be opened is in `broken` with the reason, zips
    over the `limits` in `oversized`. Zips in zips are files like any other. A second file of the same path, as a zip
    may hold it, is called `a (2).jpg`. Links to folders are not followed. Raise `UserError` about the option
    `path` where the zip that is asked for cannot be opened or is over the limits.
    """

    def __init__(self, path: Path, limits: ZipLimits | None = None) -> None:
        self.by_path: dict[str, File] = {}
        self.broken: dict[str, str] = {}
        self.oversized: dict[str, str] = {}
        self._again: list[File] = []
        self._limits = limits
        self._prefix = ""
        self._zips = lru_cache(OPEN_ZIPS)(zipfile.ZipFile)
        if path.is_dir():
            self._add_folder(path)
        else:
            self._prefix = f"{path.name}!/"
            self._add_zip(path, path.name, "")
            for problem in (*self.broken.values(), *self.oversized.values()):
                raise UserError(f"path: {path}: {problem}")
        self._rename_again()

    def url(self, path: str) -> str:
        """Return a URL that is the same on every machine; bytes of a name that are no UTF-8 are spelled out."""
        url = f"file:{self._prefix}{path}"
        return url.encode(errors="surrogateescape").decode(errors="backslashreplace")

    def matching(self, glob: str) -> Iterator[File]:
        """Yield the files that a pattern selects, by their own path or by that of their zip."""
        return (file for file in self.by_path.values() if selects(glob, file.path, file.archive))

    def _add_folder(self, folder: Path) -> None:
        def note(error: OSError) -> None:
            below = Path(error.filename).relative_to(folder).as_posix()
            self.broken[below] = f"the folder cannot be read: {type(error).__name__}"

        found = (Path(parent, name) for parent, _, names in os.walk(folder, onerror=note) for name in names)
        for relative in sorted(path.relative_to(folder).as_posix() for path in found):
            if not _is_hidden(relative):
                self._add_at(folder / relative, relative)

    def _add_at(self, path: Path, relative: str) -> None:
        """Add a file of a folder; pipes, sockets and devices are none."""
        try:
            is_file = stat.S_ISREG(path.stat().st_mode)
            if is_file and path.suffix.lower() == ".zip":
                self._add_zip(path, relative, f"{relative}!/")
            elif is_file:
                self._add(file_at(path, relative))
        except OSError as error:
            self.broken[relative] = f"the file cannot be read: {type(error).__name__}"

    def _add_zip(self, path: Path, name: str, prefix: str) -> None:
        try:
            if self._limits:
                _check(path, self._limits)
            members = self._zips(path).infolist()
        except _Oversized as problem:
            self.oversized[name] = str(problem)
            return
        except _UNREADABLE as error:
            self.broken[name] = f"the zip cannot be read: {type(error).__name__}"
            return
        for member in sorted(members, key=lambda member: member.filename):
            if not member.filename.endswith("/") and not _is_hidden(member.filename):
                version = f"{member.file_size}-{member.CRC:08x}"
                opened = partial(self._open_member, path, member)
                self._add(File(prefix + member.filename, name, member.file_size, version, opened))

    def _open_member(self, path: Path, member: zipfile.ZipInfo) -> Any:
        return self._zips(path).open(member)

    def _add(self, file: File) -> None:
        if file.path in self.by_path:
            self._again.append(file)
        else:
            self.by_path[file.path] = file

    def _rename_again(self) -> None:
        """Give those whose path is taken another one, once all paths are known; keep the order of the paths."""
        numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(2))
        for file in self._again:
            folder, slash, name = file.path.rpartition("/")
            stem, ending = splitext(name)
            paths = (f"{folder}{slash}{stem} ({number}){ending}" for number in numbers[file.path])
            free = next(path for path in paths if path not in self.by_path)
            self.by_path[free] = replace(file, path=free)
        if self._again:
            self.by_path = dict(sorted(self.by_path.items()))


class _Listing(BufferedReader):
    """A zip of which no more than a list of so many bytes is read at once."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        super().__init__(FileIO(path))
        self._max_bytes = max_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._max_bytes:
            raise _Oversized(
                f"the zip's list of its files takes {size:,} bytes, more than {self._max_bytes:,}"
            )
        return super().read(size)


def _check(path: Path, limits: ZipLimits) -> None:
    """Raise `_Oversized` for a zip that is over the limits; a member never unpacks to more than its list says."""
    with _Listing(path, limits.members * _LISTED_BYTES) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > limits.members:
            raise _Oversized(f"the zip holds {len(members):,} files, more than {limits.members:,}; divide it")
        total = sum(member.file_size for member in members)
        if total > limits.unpacked_bytes:
            raise _Oversized(
                f"the zip unpacks to {total:,} bytes, more than {limits.unpacked_bytes:,}; divide it"
            )


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
