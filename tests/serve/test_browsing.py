"""The dataset is looked through: what filters find, page by page, and what is shown of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import parts
from pipeline.errors import UserError
from pipeline.serve import catalogued
from pipeline.serve.browsing import Browser, Filter, Index, Near
from pipeline.serve.reviewing import Reviews
from pipeline.serve.told import link, told
from pipeline.takedowns import Takedown, Takedowns, add_lines, load_takedowns
from tests.serve.small_catalogue import FACES, LOST, face, image_id, picture, write_catalogue, write_parts

NOTHING = Takedowns()


@pytest.fixture
def index(in_folder: Path) -> Index:
    write_catalogue()
    return Browser().index()


# Finding.


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (Filter(), [0, 1, 2, 3, 4, 5, 6]),
        (Filter(source="faces"), [0, 1, 2, 3, 4, 5, 6]),
        (Filter(source="elsewhere"), []),
        (Filter(domain="photo"), [0, 1, 3, 4]),
        (Filter(split="test"), [2]),
        (Filter(kept=True), [0, 1, 2]),
        (Filter(kept=False), [3, 4, 5, 6]),
        (Filter(reason=("catalogue", "profile")), [3]),
        (Filter(reason=("detect", "no_face")), [5]),
        (Filter(reason=("crawl", "not_found")), [6]),
        (Filter(reason=("crawl", "no_face")), []),
        (Filter(tag="smile"), [0, 1, 3]),
        (Filter(tag="number 2"), [3]),
        (Filter(tag="unheard of"), []),
        (Filter(yaw_deg=(10, 20)), [2, 3]),
        (Filter(yaw_deg=(None, 0)), [0, 1]),
        (Filter(pitch_deg=(0, None)), []),
        (Filter(images=frozenset([image_id(0), image_id(4)])), [0, 1, 5]),
        (Filter(images=frozenset()), []),
        (Filter(domain="photo", tag="smile", kept=True, yaw_deg=(-5, 5)), [0, 1]),
    ],
)
def test_filters_find_what_passes_all_of_them(index: Index, wanted: Filter, places: list[int]) -> None:
    assert index.find(wanted).tolist() == places


def test_the_nearest_colour_comes_first(index: Index) -> None:
    red = Near("hair", (190, 50, 40), 15)
    assert index.find(Filter(near=red)).tolist() == [2, 0, 1]
    assert index.find(Filter(near=replace(red, within=0.5))).tolist() == [2]
    assert index.find(Filter(near=Near("hair", (40, 40, 200), 1), kept=False)).tolist() == [3]
    assert index.find(Filter(near=Near("eyes", (40, 40, 200), 100))).tolist() == []


def test_of_two_eyes_the_nearer_one_counts(in_folder: Path) -> None:
    brown, green = (90, 60, 40), (70, 150, 70)
    write_catalogue([face(0, left_eye_rgb=brown, right_eye_rgb=green), face(1, right_eye_rgb=brown)])
    assert Browser().index().find(Filter(near=Near("eyes", green, 5))).tolist() == [0]
    assert Browser().index().find(Filter(near=Near("eyes", brown, 5))).tolist() == [0, 1]


def test_the_choices_are_those_of_the_data(index: Index) -> None:
    assert (len(index), index.faces) == (7, 5)
    assert index.values("domain") == ["anime", "photo"]
    assert index.tags(2) == ["smile", "number 0"]
    assert index.reasons() == {
        ("catalogue", "profile"): 1,
        ("landmarks", "bad_landmarks"): 1,
        ("detect", "no_face"): 1,
        ("crawl", "not_found"): 1,
    }


def test_rows_come_in_the_order_that_is_asked_for(index: Index) -> None:
    rows = index.rows([6, 2, 0, 5], ["face_id", "title"])
    assert [row.get("title") for row in rows] == [None, "Picture 1", "Picture 0", None]
    assert [row.get("reason") for row in rows] == ["not_found", None, None, "no_face"]
    assert rows[1].keys() == {"face_id", "title"}
    assert index.rows([3])[0]["detail"] == "yaw_deg 40.0, at most 35.0"


def test_rows_are_found_in_tables_of_many_groups(in_folder: Path) -> None:
    faces = [face(number) for number in range(3 * parts.ROW_GROUP_SIZE + 5)]
    write_catalogue(faces, [])
    index = Browser().index()
    places = [100, 0, 31, 32, 64, 100]
    assert [row["title"] for row in index.rows(places)] == [f"Picture {place}" for place in places]
    assert index.find(Filter(tag="number 77")).tolist() == [77]


def test_an_empty_catalogue_has_nothing(in_folder: Path) -> None:
    write_catalogue([], [])
    index = Browser().index()
    assert (len(index), index.reasons(), index.tags(5)) == (0, {}, [])
    assert index.find(Filter(near=Near("skin", (1, 2, 3), 50))).tolist() == []


def test_without_a_catalogue_it_says_what_to_type(in_folder: Path) -> None:
    with pytest.raises(UserError, match="dvc repro catalogue"):
        Browser().index()


def test_a_new_catalogue_is_read(in_folder: Path) -> None:
    browser = Browser()
    write_catalogue()
    before = browser.index()
    assert browser.index() is before
    write_catalogue(FACES[:1], LOST)
    assert len(browser.index()) == 3


# What is shown.


@pytest.fixture
def rows(index: Index) -> list[catalogued.Row]:
    write_parts()
    return index.rows(range(7), catalogued.COLUMNS)


def test_a_face_is_shown_by_its_crop_else_by_its_box(rows: list[catalogued.Row]) -> None:
    assert np.array_equal(catalogued.crop_of(rows[2]), picture(102))
    assert catalogued.crop_of(rows[4]) is None
    assert np.array_equal(catalogued.picture_of(rows[4]), picture(3))
    shown = [catalogued.thumbnail(row, NOTHING) for row in rows]
    assert {image.shape for image in shown} == {(catalogued.THUMBNAIL_PX, catalogued.THUMBNAIL_PX, 3)}
    assert (shown[4] == catalogued._BOX).all(axis=-1).any()
    assert not (shown[0] == catalogued._BOX).all(axis=-1).any()


def test_what_is_taken_down_or_gone_is_a_card(rows: list[catalogued.Row]) -> None:
    add_lines([Takedown("image", image_id(0), "asked", "2026-01-31")])
    listed = load_takedowns()
    card = catalogued.thumbnail(rows[0], listed)
    assert np.array_equal(card, catalogued.thumbnail(rows[1], listed))
    assert not np.array_equal(card, catalogued.thumbnail(rows[0], NOTHING))
    subject = Takedowns(subjects=frozenset(["Jane"]))
    assert all(np.array_equal(catalogued.thumbnail(row, subject), card) for row in rows[:5])
    for table in ("raw", "aligned"):
        (parts.folder(table, "faces") / "part-00000.parquet").unlink()
    assert catalogued.picture_of(rows[0]) is None
    assert catalogued.thumbnail(rows[0], NOTHING).shape == card.shape


def test_the_boxes_of_a_picture_are_in_their_order(rows: list[catalogued.Row]) -> None:
    assert list(catalogued.boxes_of(rows[1])) == [f"{image_id(0)}-0", f"{image_id(0)}-1"]
    assert catalogued.boxes_of(rows[5]) == {}
    assert catalogued.boxes_of(rows[6]) == {}


def test_eyes_are_drawn_where_they_are_in_the_reduced_picture() -> None:
    small, scale = catalogued.reduced(np.zeros((400, 200, 3), np.uint8), 200)
    assert small.shape == (200, 100, 3)
    drawn = catalogued.with_face(
        small, {"eyes": [[40, 100], [80, 100]], "box_xyxy": None}, scale, [(120, 300)]
    )
    assert drawn[50, 20].tolist() == drawn[50, 40].tolist() == list(catalogued._EYE)
    assert drawn[150, 60].tolist() == list(catalogued._BY_HAND)
    assert not small.any()


def test_all_that_is_known_of_a_face_is_told(index: Index) -> None:
    said = told(index.rows([3])[0])
    for word in (
        "profile",
        "yaw_deg 40.0, at most 35.0",
        "turn towards the camera",
        "20.00°",
        "CC0",
        "by Roe",
    ):
        assert word in said
    page = '<a href="https://site.test/2.html" target="_blank" rel="noopener noreferrer">Picture 2</a>'
    assert page in said
    lost = told(index.rows([5])[0])
    assert "show the whole face" in lost
    assert "so it is" in lost


def test_what_a_site_said_is_escaped() -> None:
    evil = '<img src=x onerror="alert(1)">'
    row = face(
        0,
        **dict.fromkeys(("title", "author", "licence", "subject", "hair_name", "extra"), evil),
        **{"tags": [evil], "stage": evil, "reason": evil, "detail": evil},
        page_url='https://site.test/"onmouseover="alert(1)',
    )
    said = told(row)
    assert "<img" not in said
    assert '"onmouseover' not in said
    assert said.count("&lt;img") >= 9


@pytest.mark.parametrize(
    "url",
    [None, "", "javascript:alert(1)", "file:/home/me/1.jpg", "data:text/html,x", "https://", "http://["],
)
def test_only_websites_are_linked(url: str | None) -> None:
    assert link(url, "there") == "there"
    said = told(face(0, url=url, page_url=url, title=None))
    assert "javascript" not in said
    assert "/home" not in said


# What the tab asks for.


def asked(**given: Any) -> Filter:
    """Return the filter of the tab's components, all as they stand at first but those given."""
    tab = pytest.importorskip("pipeline.serve.tabs.dataset_filters")
    first = {
        "kept": "all",
        **dict.fromkeys(("source", "domain", "split", "reason", "tag"), ""),
        **{"yaw_from": -90, "yaw_to": 90, "pitch_from": -90, "pitch_to": 90},
        **{"part": "any", "color": "#8a5a3c", "within": 10},
    }
    return tab.filter_of(Reviews(), *(first | given).values())


def test_the_tab_asks_for_everything_at_first(in_folder: Path) -> None:
    assert asked() == Filter()
    assert asked(tag=None, color=None, part="skin") == Filter()


def test_the_tab_asks_for_what_is_chosen(in_folder: Path) -> None:
    assert asked(kept="left out", reason="detect/no_face") == Filter(kept=False, reason=("detect", "no_face"))
    assert asked(yaw_from=-5, pitch_to=0, tag=" a/b ") == Filter(
        yaw_deg=(-5, None), pitch_deg=(None, 0), tag="a/b"
    )
    for color in ("#8a5a3c", "rgb(138, 90, 60)", "rgba(137.8, 90.2, 60.0, 1)"):
        assert asked(part="hair", color=color).near == Near("hair", (138, 90, 60), 10)
    assert asked(kept="with a mark").images == frozenset()
