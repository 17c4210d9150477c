"""The bytes of images that wait for a part: files beside the state, which says where each image lies in them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


class Spool:
    """A folder of numbered files, each appended to and deleted as a whole."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def append(self, number: int, data: bytes) -> int:
        """Put bytes at the end of file `number`, and return where they begin."""
        with self._path(number).open("ab") as file:
            offset = file.tell()
            file.write(data)
        return offset

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Return `size` bytes of file `number` from `offset` on; fewer where they are not there."""
        try:
            with self._path(number).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except FileNotFoundError:
            return b""

    def keep_only(self, numbers: Collection[int]) -> None:
        """Delete all other files."""
        for path in self._folder.iterdir():
            if not (path.name.isdigit() and int(path.name) in numbers):
                path.unlink()

    def _path(self, number: int) -> Path:
        return self._folder / str(number)
