"""One writer for each source: what changes its parts holds a lock that dies with its process."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError


@contextmanager
def only_writer(state_path: Path) -> Iterator[None]:
    """Hold the lock beside a source's state; raise `UserError` where another process holds it."""
    path = state_path.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{path}: a crawl, compaction or take-down of this source is running; wait for it"
            ) from None
        yield
