"""The bytes of images that wait for a part: files beside the state, which says where each image lies in them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

BUFFER_BYTES = 1_000_000


class Spool:
    """A folder of numbered files, each appended to and deleted as a whole. Close it when done.

    What is appended can be read after `flush`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._filling: tuple[int, BinaryIO] | None = None

    def append(self, number: int, data: bytes) -> int:
        """Put bytes at the end of file `number`, and return where they begin."""
        if self._filling is None or self._filling[0] != number:
            self.close()
            self._filling = number, self._path(number).open("ab", BUFFER_BYTES)
        file = self._filling[1]
        offset = file.tell()
        file.write(data)
        return offset

    def flush(self) -> None:
        """Hand what was appended over to the system."""
        if self._filling:
            self._filling[1].flush()

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

    def close(self) -> None:
        """Close the file that is being filled."""
        if self._filling:
            self._filling[1].close()
            self._filling = None

    def _path(self, number: int) -> Path:
        return self._folder / str(number)
