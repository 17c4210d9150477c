"""Files that are refused in a real browser: each with a sentence, and the page goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.served import Application, served
from benchmarks.workspace import Workspace
from pipeline.images import MAX_PIXELS
from tests.serve.browser.page import Page
from tests.serve.browser.pictures import blank_png, rendered, written
from tests.serve.browser.small_project import FROM_PHOTO
from tests.serve.small_zoo import ALONE, portrait

pytestmark = pytest.mark.long
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def application(project: Workspace) -> Iterator[Application]:
    with served(project.folder, "--max-upload-mb", "1") as application:
        yield application


@pytest.mark.parametrize(
    ("name", "data", "reason", "advice"),
    [
        ("page.jpg", b"<!DOCTYPE html><title>404</title>", "not_an_image", "give a picture: JPEG"),
        ("cut.jpg", portrait(ALONE[0], 512)[:20_000], "undecodable", "damaged or cut short"),
        ("vast.png", blank_png(20_000, MAX_PIXELS // 20_000 + 1), "too_many_pixels", "reduce the picture"),
        ("empty.jpg", b"", "not_an_image", "give a picture: JPEG"),
    ],
    ids=["html named jpg", "cut short", "too many pixels", "empty"],
)
def test_a_file_that_is_no_picture_is_refused_with_a_sentence(
    application: Application, visit: Visit, tmp_path: Path, name: str, data: bytes, reason: str, advice: str
) -> None:
    page = visit(application)
    page.give(written(tmp_path, name, data))
    page.read(f"#advice [data-reason={reason}]", "what to change", advice)
    goes_on(page, tmp_path)


def test_a_huge_file_is_refused_with_a_sentence(
    application: Application, visit: Visit, tmp_path: Path
) -> None:
    page = visit(application)
    page.give(written(tmp_path, "huge.jpg", portrait(ALONE[0]) + b"\0" * 3_000_000))
    page.read("body", "maximum allowed size", "huge.jpg")
    goes_on(page, tmp_path)
    assert all(path.stat().st_size < 1_100_000 for path in application.temporary.rglob("*"))


def goes_on(page: Page, folder: Path) -> None:
    """A good picture is taken after the refused one."""
    page.give(rendered(folder, ALONE[1]))
    page.read("#advice", "one face")
    page.wait_for_answers(set(FROM_PHOTO))
