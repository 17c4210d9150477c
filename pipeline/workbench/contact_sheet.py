"""A contact sheet: the images of a source side by side, each with what was said about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline import images
from pipeline.parts import atomic_path

COLUMNS = 4
THUMBNAIL_PX = 200
MARGIN_PX = 10
LINE_PX = 17
FONT_PX = 13
CAPTION_LINES = 3
_GROUND = (255, 255, 255)
_CELL = (238, 238, 238)
_INK = (30, 30, 30)
_BOX_PX = 2

Row = dict[str, Any]


class Box(NamedTuple):
    """A rectangle to draw on an image, in its pixels after EXIF orientation, and its colour."""

    xyxy: Sequence[float]
    color: tuple[int, int, int]


def caption(row: Row) -> Sequence[str]:
    """Return the lines below an image: role and pair, or title; size and format; licence."""
    paired = f"{row['role'] or 'no role'} of {row['pair_id']}" if row["pair_id"] else row["role"]
    size = f"{row['width_px']}x{row['height_px']} {row['format']}, {len(row['bytes']) / 1000:.0f} kB"
    return paired or row["title"] or "", size, row["licence"] or "no licence said"


def no_boxes(row: Row) -> Sequence[Box]:
    """Draw nothing on an image."""
    return ()


def write_contact_sheet(
    rows: Sequence[Row],
    path: Path,
    describe: Callable[[Row], Sequence[str]] = caption,
    boxes: Callable[[Row], Sequence[Box]] = no_boxes,
) -> None:
    """Draw rows of `parts.RAW` and write them as a PNG, whole or not at all."""
    sheet = contact_sheet(rows, describe, boxes)
    with atomic_path(path) as temporary:
        sheet.save(temporary, "PNG")


def contact_sheet(
    rows: Sequence[Row],
    describe: Callable[[Row], Sequence[str]] = caption,
    boxes: Callable[[Row], Sequence[Box]] = no_boxes,
) -> Image.Image:
    """Return thumbnails of rows of `parts.RAW`, from left to right, with up to three lines below each.

    `describe` says what the lines are, `boxes` what is drawn on the image.
    """
    across = min(COLUMNS, max(len(rows), 1))
    width, height = THUMBNAIL_PX + MARGIN_PX, THUMBNAIL_PX + CAPTION_LINES * LINE_PX + MARGIN_PX
    down = -(-len(rows) // across)
    sheet = Image.new("RGB", (across * width + MARGIN_PX, down * height + MARGIN_PX), _GROUND)
    for number, row in enumerate(rows):
        place = (MARGIN_PX + number % across * width, MARGIN_PX + number // across * height)
        sheet.paste(_thumbnail(row["bytes"], boxes(row)), place)
        _write(sheet, place, describe(row)[:CAPTION_LINES])
    return sheet


def _thumbnail(data: bytes, boxes: Sequence[Box]) -> Image.Image:
    try:
        picture = Image.fromarray(images.decode(data))
    except images.ImageProblem as problem:
        cell = Image.new("RGB", (THUMBNAIL_PX, THUMBNAIL_PX), _CELL)
        ImageDraw.Draw(cell).text((MARGIN_PX, THUMBNAIL_PX // 2), problem.reason, _INK, _font())
        return cell
    cell = ImageOps.pad(picture, (THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS, color=_CELL)
    scale = THUMBNAIL_PX / max(picture.size)
    left, top = ((THUMBNAIL_PX - side * scale) / 2 for side in picture.size)
    for box in boxes:
        x0, y0, x1, y1 = (float(value) * scale for value in box.xyxy)
        place = (left + x0, top + y0, left + max(x0, x1), top + max(y0, y1))
        ImageDraw.Draw(cell).rectangle(place, outline=box.color, width=_BOX_PX)
    return cell


def _write(sheet: Image.Image, place: tuple[int, int], lines: Sequence[str]) -> None:
    draw, font = ImageDraw.Draw(sheet), _font()
    for number, line in enumerate(lines):
        top = place[1] + THUMBNAIL_PX + number * LINE_PX + 1
        draw.text((place[0], top), _cut(line, font), _INK, font)


def _cut(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return as much of a line as fits below a thumbnail."""
    if font.getlength(line) <= THUMBNAIL_PX:
        return line
    while line and font.getlength(f"{line}…") > THUMBNAIL_PX:
        line = line[:-1]
    return f"{line}…"


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT_PX)
