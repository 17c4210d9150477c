"""The contact sheet of a recrawl: up to 24 of the new images, their faces where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipeline import parts
from pipeline.watch import pictures
from pipeline.watch.pictures import ALIGNED_COLOR, REJECTED_COLOR, write_sheet
from pipeline.workbench.contact_sheet import MARGIN_PX, THUMBNAIL_PX
from tests.watch.small_tables import BOX, HEIGHT_PX, SOURCE, WIDTH_PX, set_up, write_part

SHEET = Path("sheet.png")


@pytest.fixture(autouse=True)
def project(in_folder: Path) -> Path:
    set_up(in_folder)
    return in_folder


def test_a_box_lies_where_the_face_is_and_tells_whether_it_was_aligned() -> None:
    assert write_sheet(SOURCE, [write_part(0, 3, without_face=1, profiles=1)], SHEET)
    sheet = Image.open(SHEET)
    scale = THUMBNAIL_PX / WIDTH_PX
    above = (THUMBNAIL_PX - HEIGHT_PX * scale) / 2  # a wide picture has grey above and below
    for number, color in ((1, REJECTED_COLOR), (2, ALIGNED_COLOR)):
        left = MARGIN_PX + number * (THUMBNAIL_PX + MARGIN_PX)
        for x, y in ((BOX[0], BOX[1]), (BOX[2], BOX[3]), (BOX[0], BOX[3])):
            place = round(left + x * scale), round(MARGIN_PX + above + y * scale)
            around = [
                sheet.getpixel((place[0] + dx, place[1] + dy)) for dx in (-1, 0, 1) for dy in (-1, 0, 1)
            ]
            assert color in around
    first = sheet.crop((MARGIN_PX, MARGIN_PX, MARGIN_PX + THUMBNAIL_PX, MARGIN_PX + THUMBNAIL_PX))
    shown = {color for _, color in first.getcolors() or ()}
    assert not shown & {ALIGNED_COLOR, REJECTED_COLOR}


def test_the_images_are_evenly_chosen_from_all_new_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []
    monkeypatch.setattr(
        pictures,
        "write_contact_sheet",
        lambda rows, path, describe, boxes: drawn.append([describe(row)[1] for row in rows]),
    )
    write_sheet(SOURCE, [write_part(0, 70), write_part(1, 50)], SHEET)
    (shown,) = drawn
    numbers = [int(title.removeprefix("Face ")) for title in shown]
    places = [number if number < 1000 else number - 1000 + 70 for number in numbers]
    assert places == [5 * place + 2 for place in range(24)]


def test_a_caption_tells_what_became_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        pictures,
        "write_contact_sheet",
        lambda rows, path, describe, boxes: said.extend(tuple(describe(row)) for row in rows),
    )
    write_sheet(SOURCE, [write_part(0, 3, without_face=1, profiles=1)], SHEET)
    assert said == [
        ("no_face", "Face 0", "no licence said"),
        ("profile", "Face 1", "CC0 1.0"),
        ("1 face", "Face 2", "no licence said"),
    ]


def test_only_what_is_shown_is_read_with_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int | None]] = []
    of_all = parts.read_table

    def noted(path: Path, columns: list[str] | None = None, **options: int | None) -> object:
        if columns is None or "bytes" in columns:
            read.append((path.name, options.get("row_group")))
        return of_all(path, columns, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(parts, "read_table", noted)
    write_sheet(SOURCE, [write_part(0, 3), write_part(1, 64)], SHEET)
    assert read == [("part-00000.parquet", 0), ("part-00001.parquet", 0), ("part-00001.parquet", 1)]


def test_without_new_images_there_is_no_sheet() -> None:
    assert not write_sheet(SOURCE, [], SHEET)
    assert not SHEET.exists()
