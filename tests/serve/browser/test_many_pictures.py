"""The tab of many pictures: a zip in, a zip with pictures and a table out."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.served import Application
from tests.serve.browser.page import Page
from tests.serve.browser.pictures import NO_FACE
from tests.serve.small_zoo import ALONE, portrait

pytestmark = pytest.mark.long


def test_a_zip_comes_back_as_a_zip_with_a_table(
    application: Application, visit: Callable[..., Page], tmp_path: Path
) -> None:
    given = tmp_path / "given.zip"
    with zipfile.ZipFile(given, "w") as archive:
        for index in (*ALONE[:2], NO_FACE):
            archive.writestr(f"album/{index}.jpg", portrait(index))
        archive.writestr("page.jpg", "<!DOCTYPE html>")
    page = visit(application)
    page.show_tab("batch")
    page.give(given, "#batch-upload")
    page.until(lambda: "given" in page.text("#batch-upload"), "the uploaded zip")
    page.choose("#batch-model", "both-ways")
    page.click("#batch-start")
    page.until(lambda: page.find("#batch-download").is_enabled(), "the results")
    with zipfile.ZipFile(page.downloaded("#batch-download")) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("translated.csv"), "utf-8")))
        by_file = {row["file"]: row for row in rows}
        assert {name: row["reason"] for name, row in by_file.items()} == {
            **{f"album/{index}.jpg": "" for index in ALONE[:2]},
            f"album/{NO_FACE}.jpg": "no_face",
            "page.jpg": "not_an_image",
        }
        for index in ALONE[:2]:
            with Image.open(archive.open(by_file[f"album/{index}.jpg"]["output"])) as image:
                assert "not a medical prediction" in image.text["Description"]
