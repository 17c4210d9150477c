"""The progress bar that every stage shows: live on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def counter(description: str, total: int | None, unit: str, done: int = 0) -> tqdm:
    """Return a bar on standard error that its owner moves on from `done`; use it as a context manager."""
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(
        desc=description,
        total=total,
        unit=unit,
        initial=done,
        mininterval=interval,
        maxinterval=max(interval, 10),
    )


def follow(description: str, items: Collection[T], unit: str) -> Iterator[T]:
    """Yield the items and show how many are done."""
    with counter(description, len(items), unit) as progress:
        for item in items:
            yield item
            progress.update()


def note(message: str) -> None:
    """Say something on standard error without tearing a bar apart."""
    tqdm.write(message, file=sys.stderr)
