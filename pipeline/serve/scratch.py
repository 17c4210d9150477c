"""The folder of a serving process for what visitors upload and are shown; it goes with the process."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "likeness-serve-"
_LOCK = "in-use"


@contextmanager
def scratch_folder(beside: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that only this user can read, and remove it with all that is in it.

    It lies in `beside`, the system's folder for temporary files if left out. What processes that were killed left
    there is removed, too; each holds a lock in its folder for as long as it lives.
    """
    parent = Path(tempfile.gettempdir() if beside is None else beside)
    for old in parent.glob(f"{_PREFIX}*"):
        _remove_if_left(old)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def forget_drawn(folder: Path) -> None:
    """Remove the pictures that Gradio has drawn for visitors so far, each of which lies in a folder of its own."""
    for drawn in folder.glob("*/image.*"):
        drawn.unlink(missing_ok=True)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder whose process has ended, if it is this user's."""
    with suppress(OSError):
        status = folder.lstat()
        if status.st_uid != os.getuid() or folder.is_symlink():
            return
        with (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
