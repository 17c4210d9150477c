"""A source's tables as crawl, detect, landmarks, align and colors leave them, but small and made up."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.real_pictures import REPOSITORY
from pipeline import parts
from pipeline.stages.crawl import summary_path

SOURCE = "demo-portraits"
BOX = [10.0, 20.0, 50.0, 60.0]
WIDTH_PX, HEIGHT_PX = 120, 80
Row = dict[str, Any]


def set_up(folder: Path) -> None:
    """Put the shipped params.yaml into an empty folder."""
    (folder / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())


def picture(number: int) -> bytes:
    """Return a picture whose colour tells its number."""
    buffer = io.BytesIO()
    Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (number % 256, number // 256, 90)).save(buffer, "PNG")
    return buffer.getvalue()


def write_part(
    number: int,
    images: int,
    without_face: int = 0,
    profiles: int = 0,
    yaw_deg: float = 0.0,
    sharpness: float = 100.0,
    source: str = SOURCE,
) -> str:
    """Write a part: of its images the first `without_face` show none, the next `profiles` one that is not aligned.

    The others show one aligned face, whose yaw and sharpness lie around what is given. Return the part's name.
    """
    name = parts.part_name(number)
    ids = [f"{1000 * number + place:064x}" for place in range(images)]
    rng = np.random.default_rng(number)
    raw = [_image(image_id, number) for image_id in ids]
    detections = [
        _detection(image_id, "no_face" if place < without_face else None)
        for place, image_id in enumerate(ids)
    ]
    landmarks, aligned, colors = [], [], []
    for place, image_id in enumerate(ids[without_face:]):
        keys = {"image_id": image_id, "face_id": f"{image_id}-0"}
        if place < profiles:
            landmarks.append({**keys, "stage": "landmarks", "reason": "profile", "detail": "yaw 60"})
            continue
        landmarks.append({**keys, "yaw_deg": rng.normal(yaw_deg, 10)})
        aligned.append(
            {
                **keys,
                "eye_distance_px": rng.uniform(40, 60),
                "sharpness": sharpness * rng.uniform(0.5, 2),
                "exposure": rng.uniform(0.4, 0.6),
            }
        )
        colors.append({**keys, "skin_rgb": [int(rng.integers(180, 220)), 160, 140]})
    for table, rows, schema in (
        ("raw", raw, parts.RAW),
        ("detections", detections, parts.DETECTIONS),
        ("landmarks", landmarks, parts.LANDMARKS),
        ("aligned", aligned, parts.ALIGNED),
        ("colors", colors, parts.COLORS),
    ):
        parts.write_rows(parts.folder(table, source) / name, rows, schema)
    return name


def write_refusals(refused: Iterable[tuple[str, str]], source: str = SOURCE) -> None:
    """Write rejected.parquet: URLs and their reasons."""
    rows = [{"url": url, "stage": "crawl", "reason": reason} for url, reason in refused]
    parts.write_rows(parts.folder("raw", source) / parts.REJECTED_NAME, rows, parts.REJECTED_REFS)


def write_summary(finished: str = "9999", source: str = SOURCE, **counts: object) -> None:
    """Write what a crawl leaves in the logs; `finished` long after everything if nothing else is said."""
    summary = {
        **dict.fromkeys(("discovered", "new", "known", "unchanged", "requests", "bytes", "stored"), 0),
        "refused": {},
        "spent": None,
    }
    parts.write_json(summary_path(source), {"finished": finished, **summary, **counts})


def state(name: str, source: str = SOURCE) -> Any:
    """Return a JSON file of `.state`, for example `recrawl`."""
    return json.loads(Path(f".state/{source}.{name}.json").read_text())


def _image(image_id: str, number: int) -> Row:
    return {
        "image_id": image_id,
        "bytes": picture(number),
        "url": f"https://example.org/{image_id}.png",
        "source": SOURCE,
        "title": f"Face {int(image_id, 16)}",
        "licence": "CC0 1.0" if int(image_id, 16) % 2 else None,
        "width_px": WIDTH_PX,
        "height_px": HEIGHT_PX,
        "format": "PNG",
    }


def _detection(image_id: str, reason: str | None) -> Row:
    if reason:
        return {"image_id": image_id, "stage": "detect", "reason": reason}
    return {"image_id": image_id, "face_id": f"{image_id}-0", "box_xyxy": BOX, "score": 0.9}


def names(paths: Sequence[Path]) -> list[str]:
    """Return the names of files."""
    return [path.name for path in paths]
