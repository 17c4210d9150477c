"""A folder of results that appears whole or not at all, in place of the one that was there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError


@contextmanager
def whole_folder(target: Path, marker: str, remedy: str) -> Iterator[Path]:
    """Yield an empty folder beside `target`; it becomes `target` if the block succeeds.

    An earlier one, which holds a file of the name `marker`, or an empty folder is replaced. Raises `UserError` where
    something else lies there, which ends with `remedy`; the block must write the marker.
    """
    if target.exists() and not _may_be_replaced(target, marker):
        raise UserError(f"{target} exists and is no earlier export (it has no {marker}); {remedy}")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _replace(target, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _may_be_replaced(folder: Path, marker: str) -> bool:
    return folder.is_dir() and ((folder / marker).is_file() or not any(folder.iterdir()))


def _replace(target: Path, temporary: Path) -> None:
    """Put the new folder where the old one is; what is left of the old one goes last."""
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.rename(old)
    temporary.rename(target)
    shutil.rmtree(old, ignore_errors=True)
