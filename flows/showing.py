"""What the Prefect UI shows of a run: tables, words, and pictures small enough to lie in its database."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

# A picture is part of an artifact's row: the UI has no other place to fetch it from.
_MAX_PX = (900, 3000)
_QUALITY = 80


def show_words(key: str, title: str, paragraphs: Iterable[str]) -> None:
    """Leave paragraphs of Markdown under a key (a-z, 0-9 and -)."""
    create_markdown_artifact(key=key, markdown="\n\n".join([f"# {title}", *paragraphs]), description=title)


def show_table(key: str, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Leave a table under a key, a row for each mapping."""
    create_table_artifact(key=key, table=[dict(row) for row in rows], description=title)


def show_picture(key: str, title: str, path: Path) -> None:
    """Leave a picture under a key."""
    create_image_artifact(key=key, image_url=data_url(path), description=title)


def picture_of(what: str, path: Path) -> str:
    """Return a picture as Markdown that holds it."""
    return f"![{what}]({data_url(path)})"


def data_url(path: Path) -> str:
    """Return a picture, made smaller where it is large, as a URL that holds it."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail(_MAX_PX, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def counted(counts: Mapping[str, int]) -> str:
    """Say counts in one line, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} ({count})" for name, count in ordered) or "none"


def markdown_table(rows: Iterable[tuple[str, object]]) -> str:
    """Return two columns as a Markdown table without a header."""
    lines = (f"| {name} | {_cell(value)} |" for name, value in rows)
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(value: object) -> str:
    # The UI's Markdown knows no escaped bar inside a table.
    return str(value).replace("|", "&#124;").replace("\n", " ")
