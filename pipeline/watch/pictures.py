"""What a recrawl brought, to be looked at: some of the new images, their faces, and what became of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from pipeline import parts
from pipeline.workbench.contact_sheet import Box, caption, write_contact_sheet

MOST = 24
ALIGNED_COLOR = (0, 160, 60)
REJECTED_COLOR = (220, 60, 0)
FACE_TABLES = ("landmarks", "aligned", "colors")

Row = dict[str, Any]


def write_sheet(source: str, names: Sequence[str], path: Path) -> bool:
    """Draw up to 24 images of some parts, evenly chosen; return whether there are any.

    A face that was aligned has a green box, one that was rejected an orange one.
    """
    folder = parts.folder("raw", source)
    rows = [row for name in names for row in _rows(folder / name, _chosen(folder, names)[name])]
    if not rows:
        return False
    found = _faces(source, names, {row["image_id"] for row in rows})
    write_contact_sheet(
        rows,
        path,
        lambda row: _caption(row, found[row["image_id"]]),
        lambda row: [box for face in found[row["image_id"]] if (box := _box(face))],
    )
    return True


def _chosen(folder: Path, names: Sequence[str]) -> dict[str, list[int]]:
    """Return, by part, the rows to show: evenly spaced over all rows of these parts."""
    sizes = [parts.count_rows(folder / name) for name in names]
    total = sum(sizes)
    count = min(MOST, total)
    places = [(2 * number + 1) * total // (2 * count) for number in range(count)]
    return {
        name: [place - end + size for place in places if end - size <= place < end]
        for name, size, end in zip(names, sizes, accumulate(sizes), strict=True)
    }


def _rows(part: Path, places: Iterable[int]) -> list[Row]:
    """Return rows of a raw part with their bytes, one group of rows in memory at a time."""
    columns = ["image_id", "bytes", "title", "role", "pair_id", "licence", "width_px", "height_px", "format"]
    wanted: dict[int, list[int]] = defaultdict(list)
    for place in places:
        wanted[place // parts.ROW_GROUP_SIZE].append(place % parts.ROW_GROUP_SIZE)
    return [
        row
        for group, within in wanted.items()
        for row in parts.read_table(part, columns, row_group=group).take(within).to_pylist()
    ]


def _faces(source: str, names: Sequence[str], wanted: set[str]) -> dict[str, list[Row]]:
    """Return the detections of images, each with the reason for which it went no further, if any."""
    found: dict[str, list[Row]] = defaultdict(list)
    for name in names:
        lost: dict[str, str] = {}
        for table in FACE_TABLES:
            rows = parts.read_rows(parts.folder(table, source) / name, ["face_id", "reason"])
            lost |= {row["face_id"]: row["reason"] for row in rows if row["reason"]}
        columns = ["image_id", "face_id", "box_xyxy", "reason"]
        for row in parts.read_rows(parts.folder("detections", source) / name, columns):
            if row["image_id"] in wanted:
                found[row["image_id"]].append({**row, "reason": row["reason"] or lost.get(row["face_id"])})
    return found


def _caption(row: Row, faces: Sequence[Row]) -> Sequence[str]:
    """Return what became of an image, its title (or its size where it has none), and its licence."""
    title, size, licence = caption(row)
    return _outcome(faces), title or size, licence


def _outcome(faces: Sequence[Row]) -> str:
    """Say what became of an image: how many faces are aligned, and why others are not."""
    reasons = Counter(face["reason"] for face in faces)
    aligned = reasons.pop(None, 0)
    said = [f"{aligned} face{'s' if aligned > 1 else ''}"] if aligned else []
    said += [reason if count == 1 else f"{reason} {count}" for reason, count in sorted(reasons.items())]
    return ", ".join(said)


def _box(face: Row) -> Box | None:
    if face["box_xyxy"] is None:
        return None
    return Box(face["box_xyxy"], REJECTED_COLOR if face["reason"] else ALIGNED_COLOR)
