"""The page on a phone: one column, and nothing is wider than the screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.served import Application
from tests.serve.browser.page import PHONE, TABS, Page
from tests.serve.browser.pictures import TWO_FACES, rendered
from tests.serve.browser.small_project import FROM_PHOTO

pytestmark = pytest.mark.long


def test_no_tab_is_wider_than_the_screen(
    application: Application, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit(application, size=PHONE)
    assert page.overflow_px() <= 0
    page.give(rendered(tmp_path, TWO_FACES))
    page.wait_for_answers(set(FROM_PHOTO))
    page.until(lambda: len(page.all("#before-after img")) == 2, "before and after")
    assert page.overflow_px() <= 0
    for tab in ("paste", "test-face"):
        page.click(f"#give-{tab}-button")
        assert page.overflow_px() <= 0, tab
    page.click("#test-faces-show")
    page.until(lambda: page.all("#test-faces button.thumbnail-item"), "the faces of the test split")
    assert page.overflow_px() <= 0
    for tab in TABS:
        page.show_tab(tab)
        assert page.overflow_px() <= 0, tab
    page.click("#ds-gallery button.thumbnail-item")
    page.until(lambda: page.find("#ds-bad").is_displayed(), "the face's details")
    assert page.overflow_px() <= 0
