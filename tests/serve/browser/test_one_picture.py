"""One picture in a real browser: its faces, every model's answer, and what can be done with one of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.served import Application, served
from benchmarks.workspace import Workspace
from tests.serve.browser.page import Page
from tests.serve.browser.pictures import NO_FACE, TWO_FACES, as_png, differ, expected, held, rendered, written
from tests.serve.browser.small_project import FROM_PHOTO, OF_ULTRASOUND
from tests.serve.small_zoo import ALONE, portrait

pytestmark = pytest.mark.long
Visit = Callable[..., Page]


def test_a_portrait_shows_its_face_and_every_models_answer(
    application: Application, project: Workspace, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application)
    assert "not medical predictions" in page.text("#notice")
    picture = rendered(tmp_path, ALONE[0])
    page.give(picture)
    page.read("#advice", "one face")
    assert page.image_of("#picture")
    assert page.image_of("#face")
    assert re.search(r"skin: .*#[0-9a-f]{6}", page.text("#face"))
    cards = page.wait_for_answers(set(FROM_PHOTO))
    for name, card in cards.items():
        assert card.get_attribute("data-state") == "done"
        assert re.search(r"to \w+, \d+\.\d+ s", card.text), card.text
        assert differ(page.answer(name), expected(project.folder, picture, name)) <= 2
    assert page.hosts() == {application.address.removeprefix("http://")}


def test_of_several_faces_another_can_be_chosen(
    application: Application, project: Workspace, visit: Visit, tmp_path: Path
) -> None:
    page, picture = visit(application), rendered(tmp_path, TWO_FACES)
    page.give(picture)
    page.read("#advice", "2 faces")
    page.wait_for_answers(set(FROM_PHOTO))
    first = page.answer("both-ways")
    assert differ(first, expected(project.folder, picture, "both-ways", 0)) <= 2
    page.click("#face-choice input[value='1']")
    second = expected(project.folder, picture, "both-ways", 1)
    page.until(lambda: differ(page.answer("both-ways"), second) <= 2, "the answer for the second face")
    assert differ(first, second) > 2


def test_a_picture_without_a_face_says_why_and_what_to_change(
    application: Application, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application)
    page.give(rendered(tmp_path, NO_FACE))
    page.read("#advice [data-reason=no_face]", "show the whole face")
    assert page.all("#answers .answer") == []


def test_a_rejected_face_says_why_and_is_translated_all_the_same(
    application: Application, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application)
    page.give(rendered(tmp_path, ALONE[0], 64))
    page.read("#advice [data-reason=too_small]", "what to change", "come closer")
    page.wait_for_answers(set(FROM_PHOTO))


def test_of_a_face_that_is_not_aligned_no_model_is_asked(
    application: Application, visit: Visit, real_pictures: Path
) -> None:
    page = visit(application)
    page.give(real_pictures / "real/aflw2000_image00251.jpg")
    page.read("#advice [data-reason=profile]", "turn towards the camera")
    page.read("#answers", "No model is asked")
    assert page.all("#answers .answer") == []


def test_in_a_picture_that_is_the_face_two_clicks_mark_it(
    application: Application, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application)
    page.click("#domain input[value=ultrasound]")
    page.give(rendered(tmp_path, NO_FACE))
    page.wait_for_answers({OF_ULTRASOUND})
    whole = page.answer(OF_ULTRASOUND)
    page.click_inside("#picture img", 0.25, 0.25)
    page.click_inside("#picture img", 0.75, 0.75)
    page.until(lambda: differ(page.answer(OF_ULTRASOUND), whole) > 2, "the answer for the marked face")


def test_an_answer_is_asked_for_again_with_its_models_controls(
    application: Application, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application)
    page.give(rendered(tmp_path, ALONE[0]))
    page.wait_for_answers(set(FROM_PHOTO))
    page.choose("#model", "from-landmarks, to anime")
    page.until(lambda: page.all("#control-noise-seed input"), "the control of the randomness")
    before = page.answer("from-landmarks")
    page.type_into("#control-noise-seed input", "7")
    page.click("#again")
    page.until(lambda: differ(page.answer("from-landmarks"), before) > 0, "another answer")


@pytest.mark.parametrize("name", ["attending", "weighing"])
def test_maps_are_shown_where_the_model_has_them(
    application: Application, visit: Visit, tmp_path: Path, name: str
) -> None:
    page = visit(application)
    page.give(rendered(tmp_path, ALONE[0]))
    page.wait_for_answers(set(FROM_PHOTO))
    page.choose("#model", f"{name}, to anime")
    assert page.image_of("#maps")


@pytest.mark.parametrize("visitor", ["first", "second", "third"])
def test_every_visitor_sees_the_first_answer_closer(
    application: Application, visit: Visit, tmp_path: Path, visitor: str
) -> None:
    """The later ones find the models read, so that the answers follow each other at once."""
    page = visit(application)
    give_and_wait(page, tmp_path)
    chosen = "return document.querySelector('#model input').value"
    page.until(lambda: "attending" in page.script(chosen), "the first model's name")
    page.until(lambda: len(page.all("#pasted img")) == 2, "the photograph before and after")


def test_what_is_downloaded_says_that_it_is_generated(
    application: Application, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application)
    give_and_wait(page, tmp_path)
    sizes = {}
    for button in ("download-result", "download-pasted", "download-sheet"):
        file = page.downloaded(f"#{button}")
        with Image.open(file) as image:
            assert image.format == "PNG"
            assert "not a medical prediction" in image.text["Description"]
            sizes[button] = image.size
    assert sizes["download-result"] == (32, 32)
    assert sizes["download-pasted"] == (400, 400)


def test_a_picture_can_be_taken_with_the_camera(
    application: Application, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application, camera=written(tmp_path, "camera.mjpeg", portrait(ALONE[0], 512)))
    page.click("#give-paste-button")
    page.click("#paste button[aria-label='Capture from camera']")
    page.click("#paste [title='grant webcam access'] button")
    page.click("#paste button[aria-label='capture photo']")
    page.read("#advice", "one face")
    page.wait_for_answers(set(FROM_PHOTO))


def test_a_picture_can_be_pasted(
    application: Application, project: Workspace, visit: Visit, tmp_path: Path
) -> None:
    picture = written(tmp_path, "portrait.png", as_png(portrait(ALONE[0], 512)))
    page = visit(application)
    page.copy(picture.read_bytes())
    page.click("#give-paste-button")
    page.click("#paste button[aria-label='Paste from clipboard']")
    page.wait_for_answers(set(FROM_PHOTO))
    assert differ(page.answer("both-ways"), expected(project.folder, picture, "both-ways")) <= 2


def test_a_face_of_the_test_split_can_be_picked(application: Application, visit: Visit) -> None:
    page = visit(application)
    page.click("#give-test-face-button")
    page.click("#test-faces-show")
    page.click("#test-faces button.thumbnail-item")
    page.read("#advice", "one face")
    page.wait_for_answers(set(FROM_PHOTO))


def test_a_broken_model_fails_alone(project: Workspace, visit: Visit, tmp_path: Path) -> None:
    weights = next((project.folder / "models/both-ways").rglob("*.safetensors"))
    whole = weights.read_bytes()
    try:
        weights.write_bytes(b"cut short")
        with served(project.folder) as application:
            page = visit(application)
            page.give(rendered(tmp_path, ALONE[0]))
            cards = page.wait_for_answers(set(FROM_PHOTO))
            states = {name: card.get_attribute("data-state") for name, card in cards.items()}
            assert states == {**dict.fromkeys(FROM_PHOTO, "done"), "both-ways": "failed"}
            assert "damaged" in cards["both-ways"].text
            assert str(project.folder) not in page.text("body")
    finally:
        weights.write_bytes(whole)


def test_where_memory_is_for_one_model_all_answer_all_the_same(
    project: Workspace, visit: Visit, tmp_path: Path
) -> None:
    sizes = [held(project.folder / "models", name) for name in FROM_PHOTO]
    assert sum(sizes) > 1.1 * max(sizes)
    with served(project.folder, "--memory-gb", f"{1.1 * max(sizes) / 2**30:.9f}") as application:
        page = visit(application)
        for index in ALONE[:2]:
            picture = rendered(tmp_path, index)
            page.give(picture)
            own = expected(project.folder, picture, "both-ways")
            page.until(lambda own=own: differ(page.answer("both-ways"), own) <= 2, "its answer")
            cards = page.wait_for_answers(set(FROM_PHOTO))
            assert {card.get_attribute("data-state") for card in cards.values()} == {"done"}


def test_two_users_at_once_get_their_own_answers(
    application: Application, project: Workspace, visit: Visit, tmp_path: Path
) -> None:
    pictures = [rendered(tmp_path, index) for index in ALONE[:2]]
    pages = [visit(application) for _ in pictures]
    for page, picture in zip(pages, pictures, strict=True):
        page.give(picture)
    for page in pages:
        page.wait_for_answers(set(FROM_PHOTO))
    own = [expected(project.folder, picture, "both-ways") for picture in pictures]
    assert [
        differ(page.answer("both-ways"), answer) <= 2 for page, answer in zip(pages, own, strict=True)
    ] == [True] * 2
    assert differ(own[0], own[1]) > 2


def test_file_names_and_texts_are_shown_as_text(
    application: Application, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application)
    page.give(written(tmp_path, "<img src=x onerror=document.title='run'>.jpg", b"<script>no</script>"))
    page.read("#advice [data-reason=not_an_image]")
    assert page.driver.title == "Likeness"


def give_and_wait(page: Page, folder: Path) -> None:
    page.give(rendered(folder, ALONE[0], 400))
    page.wait_for_answers(set(FROM_PHOTO))
    page.until(lambda: len(page.all("#before-after img")) == 2, "before and after")
