"""What a run leaves for the UI: pictures inside their URL, and Markdown that no words of a site can break."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError

from flows import results
from flows.showing import counted, data_url, markdown_table


def test_a_large_picture_becomes_a_small_one_in_its_url(tmp_path: Path) -> None:
    Image.effect_noise((2000, 1000), 50).save(tmp_path / "sheet.png")
    head, _, body = data_url(tmp_path / "sheet.png").partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as picture:
        assert picture.size == (900, 450)
    assert len(body) < (tmp_path / "sheet.png").stat().st_size / 4


def test_a_small_picture_keeps_its_size_and_its_side_up(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    picture.paste((0, 0, 255, 255), (0, 10, 40, 20))
    picture.save(tmp_path / "sheet.png")
    body = data_url(tmp_path / "sheet.png").partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(body))) as shown:
        assert shown.size == (40, 20)
        top, bottom = shown.getpixel((20, 3)), shown.getpixel((20, 17))
    assert top[0] > 200 > 60 > top[2]
    assert bottom[2] > 200 > 60 > bottom[0]


def test_what_is_no_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sheet.png").write_text("<html>")
    with pytest.raises(UnidentifiedImageError):
        data_url(tmp_path / "sheet.png")


def test_counts_are_said_largest_first() -> None:
    assert (
        counted({"no_face": 3, "too_small": 12, "blurred": 3}) == "too_small (12), blurred (3), no_face (3)"
    )
    assert counted({}) == "none"


def test_a_cell_cannot_break_its_table() -> None:
    table = markdown_table([("licence", "CC | BY\n4.0")])
    assert table.splitlines() == ["| | |", "|---|---|", "| licence | CC &#124; BY 4.0 |"]


def test_the_funnel_is_a_row_for_each_source() -> None:
    funnel = {
        "demo": {
            "discovered": 3,
            "kept": 1,
            "rejected": {"crawl": {"not_found": 1}, "detect": {"no_face": 1}},
            "groups": {"one": {"crawled": 2}},
        }
    }
    (row,) = results.funnel_rows(funnel)
    assert row == {
        "source": "demo",
        "discovered": 3,
        "kept": 1,
        "rejected": "crawl: not_found (1); detect: no_face (1)",
    }


def test_every_number_of_the_metrics_is_a_row_named_by_its_place() -> None:
    metrics = {
        "photo_to_anime": {
            "outputs": 25,
            "kid_tagger": {"value": 0.051234, "low": 0.04, "high": 0.0625},
            "fid_tagger": {"value": 31.25, "images": 25},
            "color_consistency": {"skin": {"value": None, "low": None, "high": None, "compared": 0}},
            "copies_pixels": {"value": 0.1, "low": 0, "high": 0.2, "of": 25, "held_out": {"value": 0.0}},
            "by_tag": {"smiling": {"value": 1.0}},
            "seeds": {"kid_tagger": {"mean": 0.05, "low": 0.04, "high": 0.06, "n": 3}},
            "median": None,
        }
    }
    assert [(row["metric"], row["value"]) for row in results.metric_rows("demo", metrics)] == [
        ("photo_to_anime outputs", 25),
        ("photo_to_anime kid_tagger", "0.05123 (0.04 to 0.0625)"),
        ("photo_to_anime fid_tagger", "31.25, images 25"),
        ("photo_to_anime color_consistency skin", "no number, compared 0"),
        ("photo_to_anime copies_pixels", "0.1 (0 to 0.2), of 25"),
        ("photo_to_anime seeds kid_tagger", "0.05 (0.04 to 0.06), n 3"),
    ]
    assert {row["experiment"] for row in results.metric_rows("demo", metrics)} == {"demo"}
