"""The pictures that a user gives, a folder, a zip or one file, and what their translations are called."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pipeline.errors import UserError
from pipeline.sources.files import File, Files, file_at

MAX_BYTES = 100_000_000  # of one picture; what it may unpack to is limited by its pixels
_MAX_NAME_BYTES = 200
_MAX_PATH_BYTES = 1000
_UNSAFE = re.compile(r"[^\w .,()+=@!-]")


def pictures_in(path: Path) -> tuple[list[File], dict[str, str]]:
    """Return the files of a folder, of a zip, or one file, by path, and the zips that cannot be read with the reason.

    Zips in a folder are looked into. Nothing is unpacked: a name in a zip is a name only. Raises `UserError` where
    there is nothing, or a zip that is asked for cannot be read.
    """
    if not path.exists():
        raise UserError(f"IN: {path} does not exist")
    if path.is_dir() or path.suffix.lower() == ".zip":
        try:
            files = Files(path)
        except UserError as error:
            raise UserError(f"IN: {str(error).removeprefix('path: ')}") from None
        return list(files.by_path.values()), files.broken
    if not path.is_file():
        raise UserError(f"IN: {path} is neither a file nor a folder")
    return [file_at(path, path.name)], {}


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
    digest = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:10]
    if len("/".join(safe).encode()) > _MAX_PATH_BYTES:
        safe = safe[-1:]
    return Path(*safe[:-1], f"{safe[-1]}.{digest}")


def _safe_name(name: str) -> str:
    plain = _UNSAFE.sub("_", name).strip(" ").rstrip(".")
    cut = plain.encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    return f"_{cut}" if not cut or cut.startswith(".") else cut


def _safe_folder(name: str) -> str:
    safe = _safe_name(name)
    return f"{safe}_" if safe.lower().endswith(".png") else safe
