"""The pictures that a user gives, a folder, a zip or one file, and what their translations are called."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.sources.files import File, Files, ZipLimits, file_at

MAX_BYTES = 100_000_000  # of one picture; what it may unpack to is limited by its pixels
ZIP_LIMITS = ZipLimits(members=500_000, unpacked_bytes=200_000_000_000)
_MAX_NAME_BYTES = 200
_MAX_PATH_BYTES = 1000
_UNSAFE = re.compile(r"[^\w .,()+=@!-]")


@dataclass(frozen=True)
class Refused:
    """What is given and cannot be looked into, such as a damaged zip."""

    path: str
    reason: str
    detail: str


def pictures_in(path: Path, limits: ZipLimits = ZIP_LIMITS) -> tuple[list[File], list[Refused]]:
    """Return the files of a folder, of a zip, or one file, by path, and what of them cannot be looked into.

    Zips in a folder are looked into, zips in zips are not. Nothing is unpacked: a name in a zip is a name only. Raises
    `UserError` where there is nothing, or a zip that is asked for cannot be read or is over the limits.
    """
    if not path.exists():
        raise UserError(f"IN: {path} does not exist")
    if path.is_dir() or path.suffix.lower() == ".zip":
        try:
            files = Files(path, limits)
        except UserError as error:
            raise UserError(f"IN: {str(error).removeprefix('path: ')}") from None
        broken = [Refused(name, "unreadable", detail) for name, detail in files.broken.items()]
        oversized = [Refused(name, "too_large", detail) for name, detail in files.oversized.items()]
        return list(files.by_path.values()), sorted(broken + oversized, key=lambda refused: refused.path)
    if not path.is_file():
        raise UserError(f"IN: {path} is neither a file nor a folder")
    return [file_at(path, path.name)], []


def is_zip_in_zip(file: File) -> bool:
    """Say whether a file is called a zip and lies in one."""
    return file.archive is not None and file.path.lower().endswith(".zip")


def places_of(files: Sequence[File]) -> dict[str, Path]:
    """Return by path where what is made of each picture lies: its safe path.

    Pictures whose safe paths only some file systems tell apart, such as `A.jpg` and `a.jpg`, have a hash there.
    """
    safe = {file.path: safe_path(file.path) for file in files}
    alike = Counter(_folded(place) for place in safe.values())
    return {
        path: _hashed(place, path) if alike[_folded(place)] > 1 else place for path, place in safe.items()
    }


def shown(path: str) -> str:
    """Return a file's path as text; bytes that are no UTF-8 are spelled out."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def safe_path(path: str) -> Path:
    """Return a path for what is made of a picture: its own where that is safe, else one with a hash.

    It is relative, leads nowhere but down, and each of its names can be a file's name on any machine. No two pictures
    have the same, and none is a folder where another's PNG would lie.
    """
    *folders, name = shown(path).split("/")
    safe = [*(_safe_folder(folder) for folder in folders), _safe_name(name)]
    if safe == path.split("/") and len("/".join(safe).encode()) <= _MAX_PATH_BYTES:
        return Path(*safe)
    if len("/".join(safe).encode()) > _MAX_PATH_BYTES:
        safe = safe[-1:]
    return _hashed(Path(*safe), path)


def _hashed(place: Path, path: str) -> Path:
    digest = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:10]
    return place.with_name(f"{place.name}.{digest}")


def _folded(place: Path) -> str:
    return unicodedata.normalize("NFKC", place.as_posix()).casefold()


def _safe_name(name: str) -> str:
    plain = _UNSAFE.sub("_", name).strip(" ").rstrip(".")
    cut = plain.encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    return f"_{cut}" if not cut or cut.startswith(".") else cut


def _safe_folder(name: str) -> str:
    safe = _safe_name(name)
    return f"{safe}_" if safe.lower().endswith(".png") else safe
