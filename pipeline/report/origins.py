"""Whose face a picture shows: its image, its page, its licence, as words and links that stand beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline import parts
from pipeline.datasets.arrays import DATASETS

_COLUMNS = ("url", "page_url", "licence", "author")

Row = Mapping[str, Any]
Faces = dict[str, Row]


def faces_of(experiment: str, domains: Iterable[str]) -> Faces:
    """Return what a dataset's tables say of each of its faces, by id; nothing where the dataset is not here.

    Where the face is from, and its `split`, `subject` and `tags`.
    """
    known: Faces = {}
    columns = ["face_id", "split", "subject", "tags", *_COLUMNS]
    for domain in domains:
        path = DATASETS / experiment / f"{domain}.rows.parquet"
        if path.exists():
            known |= {row["face_id"]: row for row in parts.read_rows(path, columns)}
    return known


def origin(face_id: str | None, faces: Faces, row: Row | None = None) -> dict[str, Any]:
    """Return where a face is from: its `id`, `image` and `page` as links, `licence` and `author` as words.

    `row` may say so itself; what it does not say is looked up. Only addresses of the web become links: `image_text`
    is the address of any other.
    """
    known = faces.get(face_id or "", {})
    said = {name: (row or {}).get(name) or known.get(name) for name in _COLUMNS}
    return {
        "id": face_id or "",
        "image": _link(said["url"]),
        "image_text": "" if _link(said["url"]) else said["url"] or "",
        "page": _link(said["page_url"]),
        "licence": said["licence"] or "licence unknown",
        "author": said["author"] or "",
    }


def _link(address: str | None) -> str | None:
    """Return an address of the web; a page that was crawled could name one that runs a script."""
    return address if address and address.lower().startswith(("http://", "https://")) else None
