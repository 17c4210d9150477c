"""One writer for each source: what changes its parts holds a lock that dies with its process."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError


@contextmanager
def only_writer(state_path: Path) -> Iterator[None]:
    """Hold the lock beside a source's state, to crawl, compact or take down.

    Raises `UserError` where another process holds it, and while a recrawl of the source is in quarantine: the parts
    that are here and those that were held back would no longer be two versions of one history.
    """
    with locked(state_path):
        if held_path(state_path).exists():
            source = state_path.stem
            raise UserError(
                f"{held_path(state_path)}: a recrawl of {source} is in quarantine, and until that is decided nothing "
                f"may change its parts; type `python -m pipeline quarantine list`, then `quarantine approve {source}` "
                f"or `quarantine discard {source}`"
            )
        yield


@contextmanager
def locked(state_path: Path) -> Iterator[None]:
    """Hold the lock beside a source's state; raise `UserError` where another process holds it."""
    path = state_path.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{path}: a crawl, compaction, take-down or quarantine of this source is running; wait for it"
            ) from None
        yield


def held_path(state_path: Path) -> Path:
    """Return the file that says that a recrawl of the source is in quarantine, and what it holds."""
    return state_path.with_suffix(".held.json")
