"""What a visit is made of: a picture that is looked at, a face, and every model's answer."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import images
from pipeline.errors import UserError
from pipeline.reviews import add_corrected_eyes
from pipeline.serve.answers import Waiting, answers
from pipeline.serve.marks import notice
from pipeline.serve.offers import pasted_png, result_png, sheet_png
from pipeline.serve.studio import Limits, Studio, open_studio, shows
from pipeline.serve.visit import Visit, arrive, pasted
from pipeline.serve.zoo import Answer
from tests.serve.small_zoo import ALONE, a_face, portrait, usual_params, write_model

LIMITS = Limits(upload_bytes=1_000_000, models_bytes=None, waiting=4)


@pytest.fixture
def studio(in_folder: Path) -> Studio:
    return open_studio(usual_params(), torch.device("cpu"), LIMITS)


@pytest.fixture(scope="module")
def visit() -> Visit:
    """Return a visit with a portrait, which takes a while to look at."""
    seen, drawn = arrive(
        open_studio(usual_params(), torch.device("cpu"), LIMITS), portrait(ALONE[0]), "photo"
    )
    assert drawn is not None
    return seen


def text_of(png: bytes) -> str:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return image.text["Description"]


def test_a_domain_is_offered_when_a_model_was_trained_with_it(studio: Studio) -> None:
    assert studio.domains() == []
    write_model(Path("models"), "faces")
    assert studio.domains() == ["photo", "anime"]
    assert studio.candidates("photo") == ["faces"]
    assert studio.candidates("ultrasound") == []
    assert studio.zoo.loaded() == []


def test_eyes_that_were_set_by_hand_count(studio: Studio, visit: Visit) -> None:
    assert visit.face is not None
    left, right = (np.array(eye) for eye in visit.face.row["eyes"])
    moved = np.array([left - [0, 4], right - [0, 4]])
    assert add_corrected_eyes(visit.picture.image_id, moved, date="2026-01-01")
    (face,) = studio.look(visit.data, "photo").faces
    np.testing.assert_allclose(face.row["eyes"], moved, atol=0.01)
    assert face.row["model"].endswith("eyes by hand")


def test_domains_are_told_in_plain_words() -> None:
    assert shows("photo") == "a photograph of people (photo)"
    assert shows("something-new") == "something-new"


def test_a_take_down_counts_at_once(studio: Studio, visit: Visit) -> None:
    assert arrive(studio, visit.data, "photo")[0].face is not None
    Path("takedowns.csv").write_text(
        f"what,value,reason,date\nimage,{visit.picture.image_id},asked,2026-01-01\n"
    )
    refused, drawn = arrive(studio, visit.data, "photo")
    assert (refused.picture.reason, refused.face, drawn) == ("taken_down", None, None)


def test_the_likeliest_face_is_chosen_and_its_pixels_are_not_kept(visit: Visit) -> None:
    assert visit.chosen == 0
    assert visit.face is not None
    assert visit.face.crop is not None
    assert visit.picture.rgb is None
    assert visit.rgb().shape == (256, 256, 3)


def test_a_click_on_what_is_shown_leads_to_the_pictures_own_pixels(visit: Visit) -> None:
    assert replace(visit, factor=0.5).to_picture(99.5, 199.5) == (200, 400)


def test_a_file_that_is_too_large_is_refused_with_what_to_change(studio: Studio) -> None:
    with pytest.raises(UserError, match=r"1,000,001 bytes, at most 1,000,000 are taken; reduce"):
        arrive(studio, b"x" * 1_000_001, "photo")


def test_a_page_that_is_called_a_picture_is_no_picture(studio: Studio) -> None:
    seen, drawn = arrive(studio, b"<!doctype html><html></html>", "photo")
    assert drawn is None
    assert (seen.picture.reason, seen.picture.detail) == ("not_an_image", "an HTML page")
    assert seen.picture.advice is not None


def test_answers_come_one_after_the_other_and_a_broken_model_is_one_of_them(studio: Studio) -> None:
    for name in ("a-broken", "b-fine"):
        write_model(Path("models"), name)
    for path in Path("models/a-broken/weights").glob("seed-*/*.safetensors"):
        path.write_bytes(b"no weights")
    steps = list(answers(studio, a_face(), "photo"))
    assert steps[0] == [Waiting("a-broken"), Waiting("b-fine")]
    assert [type(each) for each in steps[1]] == [Answer, Waiting]
    failed, fine = steps[2]
    assert isinstance(failed, Answer)
    assert failed.image is None
    assert failed.problem
    assert isinstance(fine, Answer)
    assert fine.to == "anime"
    assert fine.image is not None


def test_a_model_that_does_not_translate_this_way_gives_no_answer(studio: Studio) -> None:
    write_model(Path("models"), "one-way", "cut")
    assert list(answers(studio, a_face(), "anime"))[-1] == []
    assert [each.experiment for each in list(answers(studio, a_face(), "photo"))[-1]] == ["one-way"]


def test_what_may_be_taken_along_says_that_it_is_generated(studio: Studio, visit: Visit) -> None:
    answer = Answer("faces", "anime", np.full((32, 32, 3), 255, np.uint8), 0.1)
    answered = visit.answered([answer, Answer("broken", "anime", None, 0.0, "it broke")])
    result, photograph = result_png(answer, False), pasted_png(studio, answered, answer, False)
    assert result is not None
    assert photograph is not None
    assert text_of(result) == text_of(photograph) == notice("faces")
    assert images.decode(photograph).shape == (256, 256, 3)
    assert (images.decode(photograph) != visit.rgb()).any()
    sheet = sheet_png(answered, True)
    assert sheet is not None
    assert text_of(sheet) == notice("faces, broken")


def test_without_an_answer_there_is_nothing_to_take_along(studio: Studio, visit: Visit) -> None:
    broken = Answer("broken", "anime", None, 0.0, "it broke")
    assert result_png(broken, False) is None
    assert pasted(studio, visit, broken) is None
    with pytest.raises(UserError, match="broken has not answered yet"):
        visit.answer("broken", "anime")


def test_a_second_answer_takes_the_place_of_the_same_models_first(visit: Visit) -> None:
    first, other = Answer("a", "anime", None, 0.1), Answer("b", "anime", None, 0.1)
    again = Answer("a", "anime", None, 0.2)
    assert visit.answered([first, other]).answered_again(again).answers == (again, other)
    assert visit.answered([first]).choosing(3).answers == ()
