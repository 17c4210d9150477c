"""The report: its content, and how many of its pictures a page that can be sent by mail has room for."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pyarrow.compute as pc

from pipeline import images, parts
from pipeline.progress import follow
from pipeline.reasons import REASONS
from pipeline.report import comparison, datasets, experiments, patients, people, pictures
from pipeline.report.measured import is_measured
from pipeline.report.sheets import spread

Row = dict[str, Any]
CATALOGUE = parts.DATA / "catalogue"
FACES_SHOWN = 60
REJECTIONS_SHOWN_PER_REASON = 12
TAGS_SHOWN = 12
# What a page may weigh, and what it is thinned to where it is heavier.
LIMIT_BYTES, AIM_BYTES = 15_000_000, 13_500_000
_TRIES = 4
STEPS = ("discovered", "crawled", "decoded", "with_faces", "faces", "landmarked", "aligned", "kept")
COLOR_PARTS = ("skin", "hair", "left_eye", "right_eye")
POSES = ("yaw_deg", "pitch_deg", "roll_deg")
_FACE_COLUMNS = ["face_id", "source", "part", "page_url", "url", "licence", "author", "split", "box_xyxy"]
_COLOR_COLUMNS = [f"{part}_{what}" for part in COLOR_PARTS for what in ("rgb", "confidence", "name")]


def render(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the whole page: self-contained HTML, a pure function of the data and of what was trained on it.

    `entries` are the experiments of params.yaml by name, every option resolved. Where all pictures together are too
    much for `LIMIT_BYTES`, every sheet shows the same smaller share of its own.
    """
    share = 1.0
    for _ in range(_TRIES):
        page = _rendered(entries, share)
        size = len(page.encode())
        if size < LIMIT_BYTES:
            return page
        share *= AIM_BYTES / size
    return _rendered(entries, share=0.0)


def _rendered(entries: Mapping[str, Mapping[str, Any]], share: float) -> str:
    funnel = json.loads((CATALOGUE / "funnel.json").read_text(encoding="utf-8"))
    measured = [name for name in entries if is_measured(name)]
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html").render(
        sources=[_source(name, funnel[name], share) for name in follow("report", funnel, "source")],
        domains=_domains(),
        datasets=[datasets.gather(name) for name in entries if datasets.is_made(name)],
        compared=comparison.gather(measured),
        patients=patients.gather({name: entries[name] for name in measured}, share),
        ratings=people.gather(),
        experiments=[experiments.gather(name, entries[name], share) for name in measured],
        not_measured=[name for name in entries if name not in measured],
        share=share,
        steps=STEPS,
        meaning=REASONS,
        color_parts=COLOR_PARTS,
    )


def _source(name: str, counts: dict[str, Any], share: float) -> dict[str, Any]:
    is_mine = pc.field("source") == name
    columns = _FACE_COLUMNS + _COLOR_COLUMNS
    kept = parts.read_table(CATALOGUE / "faces.parquet", columns, is_mine & pc.field("kept")).to_pylist()
    rejected = parts.read_table(CATALOGUE / "rejections.parquet", filters=is_mine).to_pylist()
    return {
        "name": name,
        "counts": counts,
        "kept": len(kept),
        "groups": _by_yield(counts.get("groups", {})),
        "landmark_rejections": [
            (what, shares)
            for what, shares in (
                ("eye size", counts.get("landmarks_rejected_by_eye_size")),
                ("tag", _most_rejected(counts.get("landmarks_rejected_by_tag") or {})),
            )
            if shares
        ],
        "faces": _face_sheet(name, spread(kept, math.ceil(FACES_SHOWN * share))),
        "reasons": _reasons(rejected),
        "rejections": _rejection_sheet(name, rejected, math.ceil(REJECTIONS_SHOWN_PER_REASON * share)),
    }


def _most_rejected(tags: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
    """Return the tags whose faces' landmarks were rejected most often, first; those never rejected are left out."""
    rejected = [(name, shares) for name, shares in tags.items() if shares["rejected"]]
    rejected.sort(key=lambda item: (-item[1]["rejected"] / item[1]["faces"], item[0]))
    return dict(rejected[:TAGS_SHOWN])


def _by_yield(groups: dict[str, dict[str, int]]) -> list[tuple[str, dict[str, int]]]:
    return sorted(groups.items(), key=lambda item: -item[1]["with_faces"] / item[1]["crawled"])


def _reasons(rejected: Iterable[Row]) -> list[tuple[str, str, int]]:
    counted = Counter((row["stage"], row["reason"]) for row in rejected)
    return [(stage, reason, count) for (stage, reason), count in counted.items()]


def _face_sheet(source: str, faces: Sequence[Row]) -> list[Row]:
    crops = _bytes_of("aligned", source, faces, "face_id")
    return [
        face
        | {"picture": pictures.data_uri(images.decode(crops[face["face_id"]])), "swatches": _swatches(face)}
        for face in faces
    ]


def _rejection_sheet(source: str, rejected: Sequence[Row], per_reason: int) -> list[Row]:
    by_reason: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rejected:
        by_reason[row["stage"], row["reason"]].append(row)
    shown = [row for rows in by_reason.values() for row in spread(rows, per_reason)]
    raw = _bytes_of("raw", source, [row for row in shown if row["image_id"]], "image_id")
    boxes = _boxes(source)
    return [row | {"picture": _rejected_picture(row, raw, boxes)} for row in shown]


def _rejected_picture(row: Row, raw: dict[str, bytes], boxes: dict[str, Sequence[float]]) -> str | None:
    """Return the image, or its part with the face; None where there are no pixels to show."""
    if row["image_id"] is None:
        return None
    try:
        rgb = images.decode(raw[row["image_id"]])
    except images.ImageProblem:
        return None
    return pictures.data_uri(pictures.with_box(rgb, boxes[row["face_id"]]) if row["face_id"] else rgb)


def _swatches(face: Row) -> list[tuple[str, str, str]]:
    """Return part, CSS colour and description of each colour that the face has."""
    return [
        (
            part,
            _css(face[f"{part}_rgb"]),
            f"{part}: {face[f'{part}_name']}, {face[f'{part}_confidence']:.0%} sure",
        )
        for part in COLOR_PARTS
        if face[f"{part}_rgb"] is not None
    ]


def _domains() -> list[dict[str, Any]]:
    columns = ["domain", "source", *POSES, *_COLOR_COLUMNS]
    kept = parts.read_table(CATALOGUE / "faces.parquet", columns, pc.field("kept"))
    names = sorted(set(kept["domain"].to_pylist()))
    return [_domain(name, kept.filter(pc.equal(kept["domain"], name)).to_pylist()) for name in names]


def _domain(name: str, faces: Sequence[Row]) -> dict[str, Any]:
    values = {pose: [face[pose] for face in faces if face[pose] is not None] for pose in POSES}
    return {
        "name": name,
        "faces": len(faces),
        "poses": {pose: _histogram(angles) for pose, angles in values.items() if angles},
        "colors": {part: _color_shares(faces, part) for part in COLOR_PARTS},
    }


def _histogram(angles: Sequence[float]) -> dict[str, Any]:
    counts, edges = np.histogram(np.clip(angles, -45, 45), bins=18, range=(-45, 45))
    bars = [
        {"low": int(low), "count": int(count), "height": round(100 * count / counts.max(), 1)}
        for low, count in zip(edges, counts, strict=False)
    ]
    return {"bars": bars, "median": round(float(np.median(angles)), 1)}


def _color_shares(faces: Sequence[Row], part: str) -> list[dict[str, Any]]:
    """Return the named colours of a part by falling share, each with the mean of its faces' colours."""
    by_name: dict[str, list[Sequence[int]]] = defaultdict(list)
    for face in faces:
        if face[f"{part}_rgb"] is not None:
            by_name[face[f"{part}_name"]].append(face[f"{part}_rgb"])
    total = sum(map(len, by_name.values()))
    ordered = sorted(by_name.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {"name": name, "share": len(seen) / total, "css": _css(np.mean(seen, axis=0).round().astype(int))}
        for name, seen in ordered
    ]


def _bytes_of(table: str, source: str, rows: Iterable[Row], key: str) -> dict[str, bytes]:
    """Return the bytes of some rows of a source's parts, by id; only the parts that hold them are read."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        wanted[row["part"]].add(row[key])
    found: dict[str, bytes] = {}
    for part, ids in wanted.items():
        chosen = parts.read_table(
            parts.folder(table, source) / part, [key, "bytes"], pc.field(key).isin(sorted(ids))
        )
        found |= dict(zip(chosen[key].to_pylist(), chosen["bytes"].to_pylist(), strict=True))
    return found


def _boxes(source: str) -> dict[str, Sequence[float]]:
    columns = ["face_id", "box_xyxy"]
    faces = parts.read_table(CATALOGUE / "faces.parquet", columns, pc.field("source") == source)
    return dict(zip(faces["face_id"].to_pylist(), faces["box_xyxy"].to_pylist(), strict=True))


def _css(rgb: Iterable[int]) -> str:
    return "#" + "".join(f"{value:02x}" for value in rgb)
