"""What people say of the dataset's faces is kept for the next run, and can be withdrawn until then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.real_pictures import REPOSITORY
from pipeline import parts
from pipeline.crawl.lock import locked
from pipeline.errors import UserError
from pipeline.params import Params, load_params
from pipeline.reviews import read_bad_faces, read_corrected_eyes
from pipeline.serve import reviewing
from pipeline.serve.reviewing import Reviews
from pipeline.stages import align
from pipeline.stages.crawl import state_path
from pipeline.takedowns import load_takedowns
from pipeline.turns import turn
from tests.serve.small_catalogue import FACES, PART, SOURCE, image_id, picture, write_catalogue, write_parts

LEFT, RIGHT, OTHER = FACES[0], FACES[1], FACES[2]
EYES = [(18.0, 34.0), (34.0, 35.0)]


@pytest.fixture(autouse=True)
def catalogue(in_folder: Path) -> None:
    write_catalogue()
    write_parts()


@pytest.fixture
def params() -> Params:
    return load_params(REPOSITORY / "params.yaml")


# Marks.


def test_a_mark_is_of_one_face_of_its_picture() -> None:
    reviewing.mark_bad(RIGHT, "  a  statue ")
    (line,) = read_bad_faces()
    assert (line.image_id, line.x, line.y, line.reason) == (image_id(0), 70, 38, "a statue")
    assert Reviews().of(RIGHT).bad == (line,)
    assert Reviews().of(LEFT).bad == Reviews().of(OTHER).bad == ()
    assert Reviews().images() == {image_id(0)}


def test_a_mark_is_withdrawn_and_others_stay() -> None:
    for row in (LEFT, RIGHT, OTHER):
        reviewing.mark_bad(row, "blurred")
    assert reviewing.unmark(RIGHT) == 1
    assert [Reviews().of(row).bad != () for row in (LEFT, RIGHT, OTHER)] == [True, False, True]
    assert reviewing.unmark(RIGHT) == 0
    assert [reviewing.unmark(row) for row in (LEFT, OTHER)] == [1, 1]
    assert Path("bad_faces.csv").read_text() == "image_id,x,y,reason,date\n"
    reviewing.mark_bad(LEFT, "again")
    assert len(read_bad_faces()) == 1


def test_a_face_is_marked_once_and_with_a_reason() -> None:
    with pytest.raises(UserError, match="say in a few words"):
        reviewing.mark_bad(LEFT, " ")
    reviewing.mark_bad(LEFT, "a doll")
    with pytest.raises(UserError, match="already"):
        reviewing.mark_bad(LEFT, "a doll")
    assert len(read_bad_faces()) == 1


def test_a_mark_of_a_face_that_leaves_the_picture_is_in_the_picture() -> None:
    reviewing.mark_bad(LEFT | {"box_xyxy": [-50.0, 20.0, 40.0, 56.0]}, "cut off")
    assert read_bad_faces()[0].x == 0


# Eyes.


@pytest.mark.parametrize("points", [EYES, EYES[::-1]])
def test_eyes_are_kept_as_seen_in_the_picture(points: list[tuple[float, float]]) -> None:
    assert reviewing.correct_eyes(LEFT, points) == tuple(EYES)
    assert Reviews().of(LEFT).by_hand() == tuple(EYES)
    assert Reviews().of(RIGHT).by_hand() is None
    assert reviewing.withdraw_eyes(RIGHT) == 0
    assert reviewing.withdraw_eyes(LEFT) == 1
    assert read_corrected_eyes() == []


def test_new_eyes_take_the_place_of_old_ones() -> None:
    reviewing.correct_eyes(LEFT, EYES)
    reviewing.correct_eyes(LEFT, [(19, 34), (35, 35)])
    assert [line.left_x for line in read_corrected_eyes()] == [19]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([(20, 30), (20, 30)], "at least 1 px"),
        ([(60, 34), (80, 34)], "another face"),
        ([(-4, 34), (20, 34)], "not a place in a picture"),
    ],
)
def test_eyes_that_cannot_be_this_faces_are_refused(points: list[tuple[float, float]], said: str) -> None:
    with pytest.raises(UserError, match=said):
        reviewing.correct_eyes(LEFT, points)
    assert not Path("corrected_eyes.csv").exists()


def test_the_preview_is_the_crop_that_align_makes(params: Params) -> None:
    rgb = picture(0)
    shown = reviewing.preview(LEFT, rgb, EYES[::-1], params)
    told: dict[str, Any] = {"eyes": [list(eye) for eye in EYES], "points_68": None}
    cut = align.cut_of(params.domains["photo"], params.align)
    aligned = align.align_face(cut, rgb, LEFT | told)
    assert shown.shape == (256, 256, 3)
    assert np.array_equal(shown, reviewing.images.decode(aligned["bytes"]))
    with pytest.raises(UserError, match="degenerate_eyes"):
        reviewing.preview(LEFT, rgb, [(20, 30), (20, 30)], params)


def test_only_faces_with_eyes_have_theirs_corrected(params: Params) -> None:
    assert reviewing.has_eyes(LEFT, params)
    assert not reviewing.has_eyes(LEFT | {"domain": "ultrasound"}, params)
    assert not reviewing.has_eyes(LEFT | {"domain": "unknown"}, params)
    assert not reviewing.has_eyes({"image_id": image_id(4)}, params)


# Taking down.


def raw_ids() -> list[str]:
    return [row["image_id"] for row in parts.read_rows(parts.folder("raw", SOURCE) / PART, ["image_id"])]


def test_a_picture_is_taken_down_at_once() -> None:
    said = reviewing.remove_for_good(RIGHT, "image", " asked\nfor ")
    assert "images removed from the raw parts: 1" in said
    assert image_id(0) not in raw_ids()
    assert len(raw_ids()) == 4
    assert load_takedowns().images == {image_id(0)}
    assert "asked for" in Path("takedowns.csv").read_text()


def test_all_pictures_of_somebody_are_taken_down() -> None:
    reviewing.remove_for_good(LEFT, "subject", "asked for")
    assert raw_ids() == []
    assert load_takedowns().subjects == {"Jane"}


def test_a_take_down_wants_a_reason_and_a_subject_that_is_known() -> None:
    with pytest.raises(UserError, match="say why"):
        reviewing.remove_for_good(LEFT, "image", "  ")
    with pytest.raises(UserError, match="no subject"):
        reviewing.remove_for_good(LEFT | {"subject": None}, "subject", "asked for")
    assert len(raw_ids()) == 5


def test_nothing_is_taken_down_beside_a_stage_or_a_crawl() -> None:
    Path(".state").mkdir(exist_ok=True)
    with turn(), pytest.raises(UserError, match="at work here; wait until it has ended"):
        reviewing.remove_for_good(LEFT, "image", "asked for")
    with locked(state_path(SOURCE)), pytest.raises(UserError, match="wait for it"):
        reviewing.remove_for_good(LEFT, "image", "asked for")
    assert len(raw_ids()) == 5
    assert not Path("takedowns.csv").exists()
