"""The progress bar that every stage shows: live on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys

from tqdm import tqdm


def bar(description: str, total: int | None, unit: str) -> tqdm:
    """Return a progress bar on standard error."""
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(desc=description, total=total, unit=unit, mininterval=interval, maxinterval=max(interval, 10))
