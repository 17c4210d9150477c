"""A catalogue of a few faces, with the parts that their pictures lie in, as a run leaves them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from pipeline import images, parts
from pipeline.stages.catalogue import FOLDER

Row = dict[str, Any]
SOURCE, PART = "faces", "part-00000.parquet"
SIDE_PX = 96
TWO = ([8.0, 20.0, 44.0, 56.0], [52.0, 20.0, 88.0, 56.0])  # the boxes of two faces side by side
HAIR = ((200, 40, 40), (190, 50, 40), (40, 40, 200), None)


def image_id(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


def picture(number: int) -> np.ndarray:
    """Return a picture of noise: of itself, and of its crop."""
    return np.random.default_rng(number).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)


def face(number: int, place: int = 0, **columns: Any) -> Row:
    """Return a catalogued face of a picture, the left or the right one, as `parts.FACES` has it."""
    left, top, right, bottom = TWO[place]
    return {
        "face_id": f"{image_id(number)}-{place}",
        "image_id": image_id(number),
        "source": SOURCE,
        "part": PART,
        "domain": "photo",
        "url": f"https://site.test/{number}.jpg",
        "page_url": f"https://site.test/{number}.html",
        "title": f"Picture {number}",
        "author": "Roe",
        "licence": "CC0",
        "licence_url": "https://licences.test/cc0",
        "tags": ["smile", f"number {number}"],
        "subject": "Jane",
        "box_xyxy": [left, top, right, bottom],
        "score": 0.9,
        "eyes": [[left + 10, top + 14], [right - 10, top + 14]],
        "yaw_deg": float(10 * number),
        "pitch_deg": -5.0,
        "phash": "0" * 16,
        "split": "train",
        "kept": True,
        "hair_rgb": HAIR[number % len(HAIR)],
        "hair_confidence": 0.9,
        "hair_name": "red",
    } | columns


def refused(number: int, stage: str, reason: str) -> Row:
    """Return an image without a face, as `parts.REJECTIONS` has it."""
    stored = {"part": PART, "image_id": image_id(number)} if stage == "detect" else {}
    url = f"https://site.test/{number}.jpg"
    return {"source": SOURCE, "url": url, "stage": stage, "reason": reason, "detail": "so it is"} | stored


# Two faces are on one picture, and one of them was left out.
FACES = [
    face(0),
    face(0, 1),
    face(1, domain="anime", split="test", tags=["frown"]),
    face(2, kept=False, stage="catalogue", reason="profile", detail="yaw_deg 40.0, at most 35.0"),
    face(3, kept=False, stage="landmarks", reason="bad_landmarks", phash=None, eyes=None, tags=None),
]
LOST = [refused(4, "detect", "no_face"), refused(5, "crawl", "not_found")]


def write_catalogue(faces: list[Row] | None = None, lost: list[Row] | None = None) -> None:
    """Write the two tables."""
    faces, lost = (FACES if faces is None else faces), (LOST if lost is None else lost)
    left_out = [
        {name: row.get(name) for name in parts.REJECTIONS.names} for row in faces if row.get("reason")
    ]
    parts.write_rows(FOLDER / "faces.parquet", faces, parts.FACES)
    parts.write_rows(FOLDER / "rejections.parquet", [*lost, *left_out], parts.REJECTIONS)


def write_parts() -> None:
    """Write the pictures, boxes and crops that the catalogue is of."""
    raw = [
        {"image_id": image_id(number), "bytes": images.encode(picture(number), "png"), "subject": "Jane"}
        | {"url": f"https://site.test/{number}.jpg", "source": SOURCE}
        for number in range(5)
    ]
    detections = [{name: row[name] for name in ("image_id", "face_id", "box_xyxy")} for row in FACES]
    aligned = [
        {"image_id": row["image_id"], "face_id": row["face_id"], "phash": row["phash"]}
        | {"bytes": images.encode(picture(100 + number), "png")}
        for number, row in enumerate(FACES)
        if row["phash"]
    ]
    for table, rows, schema in (
        ("raw", raw, parts.RAW),
        ("detections", detections, parts.DETECTIONS),
        ("aligned", aligned, parts.ALIGNED),
    ):
        parts.write_rows(parts.folder(table, SOURCE) / PART, rows, schema)
