"""Pieces of Markdown: tables, and words of others that must stay words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MEANS_SOMETHING = re.compile(r"([\\`*_\[\]<>|#~&])")


def words(text: object) -> str:
    """Return a text in one line that Markdown shows as it is: what a page on the web said may hold links and tags."""
    return _MEANS_SOMETHING.sub(r"\\\1", " ".join(str(text).split()))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of cells that are Markdown already; a head alone where there are no rows."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def bullets(points: Iterable[str]) -> str:
    """Return a list, a line for each point."""
    return "\n".join(f"- {point}" for point in points)
