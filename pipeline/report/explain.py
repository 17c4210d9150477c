"""One image's way through every stage, as text and as a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from pipeline import images, parts
from pipeline.errors import UserError
from pipeline.report import pictures

Row = dict[str, Any]
CATALOGUE = parts.DATA / "catalogue"
FOLDER = Path("report/explain")
_MIN_PREFIX = 6
_PICTURE_HEIGHT_PX = 320


def explain(what: str) -> str:
    """Return the way of an image, given its id (or the start of it), a face's id or a URL.

    The picture is written to report/explain/. Raises `UserError` where nothing or several match.
    """
    raw = _find(what)
    if raw is None:
        return _explain_refused(what)
    part = Path(raw.pop("path"))
    source = part.parent.name
    catalogue = _catalogue_rows(raw["image_id"])
    faces = _table_rows("detections", source, part.name, raw["image_id"])
    lines = [
        f"image {raw['image_id']}",
        *_facts(
            raw, ("source", "url", "page_url", "title", "author", "licence", "licence_url", "fetched_at")
        ),
        f"  crawl      kept in {part}, {raw['width_px']}x{raw['height_px']} {raw['format']}",
    ]
    for face in faces:
        lines += _face_lines(face, catalogue)
    return "\n".join([*lines, *_draw(raw, source, part.name, catalogue)])


def _face_lines(face: Row, catalogue: dict[str, Row]) -> Iterator[str]:
    if face["reason"]:
        yield f"  detect     {_reason(face)}"
        return
    known = catalogue[face["face_id"]]
    yield f"face {face['face_id']}"
    yield f"  detect     {face['detector']}, score {face['score']:.2f}, box {_numbers(face['box_xyxy'])}"
    if known["stage"] == "landmarks":
        yield f"  landmarks  {_reason(known)}"
        return
    if known["yaw_deg"] is not None:
        angles = _numbers(
            [known[name] for name in ("yaw_deg", "pitch_deg", "roll_deg") if known[name] is not None]
        )
        yield f"  landmarks  {known['model']}, quality {known['landmark_quality']:.2f}, pose {angles}°"
    elif known["model"] is not None:
        yield f"  landmarks  {known['model']}"
    if known["stage"] == "align":
        yield f"  align      {_reason(known)}"
        return
    sharpness = f"sharpness {known['sharpness']:.0f}"
    yield f"  align      {known['size_px']} px, padded {known['padded']:.0%}, {sharpness}"
    for part in ("skin", "hair", "left_eye", "right_eye"):
        if known[f"{part}_rgb"] is not None:
            sure = f"{known[f'{part}_confidence']:.0%} sure"
            yield f"  colors     {part}: {known[f'{part}_name']} ({_numbers(known[f'{part}_rgb'])}), {sure}"
    kept = "kept" if known["kept"] else _reason(known)
    place = f"domain {known['domain']}, split {known['split']}, cluster {known['cluster'][:12]}"
    yield f"  catalogue  {kept}; {place}"


def _find(what: str) -> Row | None:
    """Return the raw row that is meant, without its bytes, and the path of its part."""
    image_id, is_url = (
        what.rsplit("-", 1)[0] if "-" in what[-4:] else what,
        "://" in what or what.startswith("file:"),
    )
    if not is_url and len(image_id) < _MIN_PREFIX:
        raise UserError(f"{what!r}: give at least {_MIN_PREFIX} digits of an id, or a whole URL")
    field = pc.field("url") == what if is_url else pc.starts_with(pc.field("image_id"), image_id)
    columns = [name for name in parts.RAW.names if name != "bytes"]
    found: list[Row] = []
    for path in sorted((parts.DATA / "raw").glob("*/part-*.parquet")):
        rows = parts.read_table(path, columns, field).to_pylist()
        found += [row | {"path": str(path)} for row in rows]
    if len({row["image_id"] for row in found}) > 1:
        listed = "\n".join(f"  {row['image_id']}  {row['url']}" for row in found)
        raise UserError(f"{what!r} is the start of several images:\n{listed}")
    return found[0] if found else None


def _explain_refused(url: str) -> str:
    for path in sorted((parts.DATA / "raw").glob(f"*/{parts.REJECTED_NAME}")):
        for row in parts.read_rows(path):
            if row["url"] == url:
                return "\n".join(
                    [f"{url}", f"  source     {path.parent.name}", f"  crawl      {_reason(row)}"]
                )
    raise UserError(
        f"{url!r}: no image, face or URL of any source; the sources' parts are in {parts.DATA / 'raw'}"
    )


def _draw(raw: Row, source: str, part: str, catalogue: dict[str, Row]) -> Iterator[str]:
    """Write the image with its faces and each aligned crop, side by side; say where."""
    try:
        rgb = images.decode(_bytes("raw", source, part, raw["image_id"])[raw["image_id"]])
    except images.ImageProblem:
        return
    marked = pictures.with_faces(rgb, [(face["box_xyxy"], face["points_68"]) for face in catalogue.values()])
    crops = _bytes("aligned", source, part, raw["image_id"], key="face_id")
    shown = [("original", marked)]
    shown += [
        (f"aligned {name[-1:]}", images.decode(data)) for name, data in crops.items() if data is not None
    ]
    target = FOLDER / f"{raw['image_id'][:16]}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    pictures.strip(shown, _PICTURE_HEIGHT_PX).save(target)
    yield f"picture {target}"


def _table_rows(table: str, source: str, part: str, image_id: str) -> list[Row]:
    path = parts.folder(table, source) / part
    return parts.read_table(path, filters=pc.field("image_id") == image_id).to_pylist()


def _bytes(table: str, source: str, part: str, image_id: str, key: str = "image_id") -> dict[str, bytes]:
    return {row[key]: row["bytes"] for row in _table_rows(table, source, part, image_id)}


def _catalogue_rows(image_id: str) -> dict[str, Row]:
    path = CATALOGUE / "faces.parquet"
    if not path.exists():
        raise UserError(f"{path} is missing: run dvc repro first")
    rows = parts.read_table(path, filters=pc.field("image_id") == image_id).to_pylist()
    return {row["face_id"]: row for row in rows}


def _facts(row: Row, names: tuple[str, ...]) -> list[str]:
    return [f"  {name:<10} {row[name]}" for name in names if row[name] is not None]


def _reason(row: Row) -> str:
    return f"rejected: {row['reason']} ({row['detail']})"


def _numbers(values: list[float]) -> str:
    return " ".join(f"{value:.0f}" for value in values)
