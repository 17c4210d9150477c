"""What a batch has done so far: a line for each finished picture, so that it goes on wherever it was ended."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

NAME = ".translated.jsonl"
Row = dict[str, Any]


class Journal:
    """A file whose first line says what is done, and every other what became of one picture; the last one counts.

    Only where each line lies is kept in memory.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._places: dict[str, tuple[str, int]] = {}
        self._begun: dict[str, tuple[str, int]] = {}

    def read(self) -> dict[str, Any] | None:
        """Note every line, cut off what was not written to its end, and return what is done; None of an empty file."""
        task: dict[str, Any] | None = None
        end = 0
        self._file.seek(0)
        for line in iter(self._file.readline, b""):
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            if task is None:
                task = entry
            else:
                self._note(entry, end)
            end += len(line)
        self._file.truncate(end)
        return task

    def begin(self, task: Mapping[str, Any]) -> None:
        """Write the first line."""
        self._append(task)

    def has(self, file: str, version: str) -> bool:
        """Say whether a picture with these bytes is finished."""
        return self.has_any(file) and self._places[file][0] == version

    def has_any(self, file: str) -> bool:
        """Say whether a picture is finished, with whatever bytes."""
        return file not in self._begun and file in self._places

    def begun(self, file: str, version: str) -> int:
        """Return how often a picture with these bytes was begun and the process ended without a word."""
        known, times = self._begun.get(file, (version, 0))
        return times if known == version else 0

    def start(self, file: str, version: str) -> None:
        """Note that a picture is begun."""
        entry = {"file": file, "version": version, "begun": self.begun(file, version) + 1}
        self._note(entry, self._append(entry))

    def leave(self, file: str, version: str) -> None:
        """Take back that a picture was begun: it is left for a reason that is not its own."""
        entry = {"file": file, "version": version, "begun": self.begun(file, version) - 1}
        self._note(entry, self._append(entry))

    def add(self, file: str, version: str, rows: list[Row]) -> None:
        """Note that a picture is finished, once all that was made of it is on the disk."""
        entry = {"file": file, "version": version, "rows": rows}
        self._note(entry, self._append(entry))

    def forget(self, file: str) -> None:
        """Note that nothing is there any more of a picture."""
        entry = {"file": file}
        self._note(entry, self._append(entry))

    def files(self) -> list[str]:
        """Return every picture of which something is noted."""
        return list(self._places | self._begun)

    def rows(self, file: str) -> list[Row]:
        """Return what became of a picture; nothing where it is not noted."""
        if file not in self._places:
            return []
        self._file.seek(self._places[file][1])
        return json.loads(self._file.readline())["rows"]

    def _note(self, entry: Mapping[str, Any], place: int) -> None:
        name = entry["file"]
        if "rows" in entry:
            self._places[name] = (entry["version"], place)
            self._begun.pop(name, None)
        elif "begun" in entry:
            self._begun[name] = (entry["version"], entry["begun"])
        else:
            self._places.pop(name, None)
            self._begun.pop(name, None)

    def _append(self, entry: Mapping[str, Any]) -> int:
        """Write a line to the disk; return where it begins."""
        place = self._file.seek(0, os.SEEK_END)
        with written(Path(self._file.name)):
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            if "begun" not in entry:
                os.fsync(self._file.fileno())
        return place


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn what the system says against writing to `path` into a `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"OUT: {path} cannot be written ({error.strerror}); put that right and start again"
        ) from None


@contextmanager
def journal(folder: Path, task: Mapping[str, Any]) -> Iterator[Journal]:
    """Open a folder's journal to go on with a task, or to begin it in an empty folder.

    Raises `UserError` where the folder holds something else or another task's results, and where another process is
    at work there.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"OUT: {folder} is a file; name a folder")
    path = folder / NAME
    if folder.exists() and not path.exists() and any(folder.iterdir()):
        raise UserError(f"OUT: {folder} holds something else; name a new folder")
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with written(path), path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"OUT: another translation into {folder} is running; wait for it") from None
        opened = Journal(file)
        try:
            begun = opened.read()
        except (ValueError, KeyError, TypeError):
            raise UserError(f"OUT: {path} is damaged; name a new folder") from None
        if begun is None:
            opened.begin(task)
        elif begun != task:
            differing = ", ".join(name for name in task if begun.get(name) != task[name])
            raise UserError(f"OUT: {folder} was begun with other settings ({differing}); name a new folder")
        yield opened
