"""The page on which people rate: two experiments' outputs for one test face, in random order and without names."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from pipeline import images, parts
from pipeline.errors import UserError
from pipeline.report.comparison import titled
from pipeline.report.measured import METRICS, SAMPLES
from pipeline.report.origins import origin
from pipeline.report.votes import CHOICES, COLUMNS, read_names

LARGEST_PX = 256
_ID_DIGITS = 10

Row = Mapping[str, Any]


def write_page(out: Path, way: str | None, experiments: Sequence[str]) -> tuple[str, int]:
    """Write the page to `out`, and the names behind its ids beside it; return the way, and how many pairs are shown.

    All measured experiments are compared where none is named, and the only way that two of them have where `way` is
    none. A page that is written again keeps the ids it had. Raises `UserError` where there is nothing to compare.
    """
    rows = {name: _rows(name) for name in dict.fromkeys(experiments or _measured())}
    chosen = way or _only_way(rows)
    of_way = {name: found[chosen] for name, found in rows.items() if chosen in found}
    if without := [name for name in experiments if name not in of_way]:
        raise UserError(
            f"{', '.join(without)}: no samples of the way {chosen!r}; leave the name out, or give --way"
        )
    if len(of_way) < 2:
        raise UserError(
            f"{chosen}: samples of {len(of_way)} experiments, but two are compared; evaluate another one"
        )
    names_path = out.with_suffix(".json")
    if names_path == out:
        raise UserError(f"--out {out}: must end in .html; the names are written to the .json beside it")
    salt, ways = _known(names_path)
    ids = {name: _opaque(salt, chosen, name) for name in of_way}
    content = _content(chosen, of_way, ids)
    if not content["pairs"]:
        raise UserError(f"{chosen}: {', '.join(of_way)} have no test face in common; give others")
    ways[chosen] = ways.get(chosen, {}) | {ids[name]: name for name in sorted(of_way)}
    parts.write_json(names_path, {"salt": salt, "experiments": ways})
    with parts.atomic_path(out) as temporary:
        temporary.write_text(_rendered(content), encoding="utf-8")
    return chosen, len(content["pairs"])


def _measured() -> list[str]:
    return [path.stem for path in sorted(METRICS.glob("*.json")) if _table(path.stem).exists()]


def _table(experiment: str) -> Path:
    return SAMPLES / experiment / "translated.parquet"


def _rows(experiment: str) -> dict[str, dict[str, Row]]:
    """Return for each way an experiment's samples by their face."""
    path = _table(experiment)
    if not path.exists():
        raise UserError(f"{path}: no such file; `dvc repro evaluate@{experiment}` writes it")
    columns = ["translation", "face_id", "url", "page_url", "licence", "input", "output"]
    found: dict[str, dict[str, Row]] = {}
    for row in parts.read_rows(path, columns):
        found.setdefault(row["translation"], {})[row["face_id"]] = row
    return found


def _only_way(rows: Mapping[str, Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for way in itertools.chain.from_iterable(rows.values()):
        counts[way] = counts.get(way, 0) + 1
    common = [way for way, count in counts.items() if count > 1]
    if not common:
        raise UserError("no two experiments have samples of the same way; evaluate two that translate alike")
    if len(common) > 1:
        raise UserError(f"give --way: one of {', '.join(sorted(common))}")
    return common[0]


def _known(path: Path) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the salt and the names of a page that was written before, so that its votes can still be read."""
    if not path.exists():
        return secrets.token_hex(16), {}
    names = read_names(path)
    return str(json.loads(path.read_text(encoding="utf-8"))["salt"]), names


def _opaque(salt: str, way: str, experiment: str) -> str:
    return hashlib.sha256(f"{salt}\n{way}\n{experiment}".encode()).hexdigest()[:_ID_DIGITS]


def _content(way: str, rows: Mapping[str, Mapping[str, Row]], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return all that the page knows: faces, outputs by opaque id, in an order that tells nothing, and pairs."""
    outputs: dict[str, dict[str, str]] = {}
    faces: dict[str, Row] = {}
    for experiment in sorted(rows, key=lambda name: ids[name]):
        for face, row in rows[experiment].items():
            outputs.setdefault(face, {})[ids[experiment]] = _jpeg(row["output"])
            faces.setdefault(face, row)
    shared = sorted(face for face, of in outputs.items() if len(of) > 1)
    pairs = [
        (face, left, right)
        for face in shared
        for left, right in itertools.combinations(sorted(outputs[face]), 2)
    ]
    return {
        "way": way,
        "title": titled(way),
        "columns": COLUMNS,
        "choices": list(CHOICES),
        "faces": {face: _face(faces[face]) for face in shared},
        "outputs": {face: outputs[face] for face in shared},
        "pairs": pairs,
        # Votes are kept by the browser for this page alone: other pictures begin anew.
        "page": hashlib.sha256(json.dumps([way, pairs, outputs]).encode()).hexdigest()[:_ID_DIGITS],
    }


def _face(row: Row) -> dict[str, Any]:
    from_ = origin(row["face_id"], {}, row)
    return {"picture": _jpeg(row["input"])} | {name: from_[name] for name in ("image", "page", "licence")}


def _jpeg(data: bytes) -> str:
    """Return a picture of at most `LARGEST_PX` as a data URI; only its pixels can tell who made it."""
    picture = Image.fromarray(images.decode(data))
    picture.thumbnail((LARGEST_PX, LARGEST_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _rendered(content: Mapping[str, Any]) -> str:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("rating.html").render(content=content)
