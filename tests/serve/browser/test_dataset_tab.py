"""The tab of the dataset: faces are found by what they are, and marked as bad or shown where their eyes are."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import requests

from benchmarks.served import Application, served
from benchmarks.workspace import Workspace
from tests.serve.browser.page import Page
from tests.serve.browser.small_project import SOURCES

pytestmark = pytest.mark.long
Visit = Callable[..., Page]


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_catalogue_is_filtered_by_the_reason_of_a_rejection(
    application: Application, project: Workspace, visit: Visit
) -> None:
    funnel = json.loads((project.folder / "data/catalogue/funnel.json").read_text())
    rejected = funnel["portraits"]["rejected"]["detect"]["no_face"]
    page = visit(application)
    page.show_tab("dataset")
    page.until(lambda: page.all("#ds-gallery button.thumbnail-item"), "faces")
    page.choose("#ds-reason", f"no_face (detect): {rejected}")
    page.read("#ds-count", f"{rejected} of ")
    assert len(page.all("#ds-gallery button.thumbnail-item")) == rejected


def test_a_face_is_marked_as_bad_and_the_mark_withdrawn(
    application: Application, project: Workspace, visit: Visit
) -> None:
    kept = {face["image_id"] for face in faces(project) if face["kept"]}
    page = visit(application)
    open_first_kept(page)
    page.type_into("#ds-bad-reason textarea, #ds-bad-reason input", "hidden by a hand")
    page.click("#ds-bad")
    page.read("#ds-marks", "hidden by a hand")
    (line,) = lines_of(project.folder / "bad_faces.csv")
    assert line["reason"] == "hidden by a hand"
    assert line["image_id"] in kept
    page.click("#ds-unmark")
    page.until(lambda: lines_of(project.folder / "bad_faces.csv") == [], "no line")


def test_two_clicks_correct_the_eyes(application: Application, project: Workspace, visit: Visit) -> None:
    page = visit(application)
    open_first_kept(page)
    page.click_inside("#ds-original img", 0.4, 0.45)
    page.read("#ds-said", "the right eye")
    page.click_inside("#ds-original img", 0.6, 0.45)
    assert page.image_of("#ds-eyes-preview")
    page.click("#ds-eyes-save")
    page.read("#ds-marks", "by hand")
    (line,) = lines_of(project.folder / "corrected_eyes.csv")
    (face,) = [face for face in faces(project) if face["image_id"] == line["image_id"]]
    for place, name in ((0.4, "left_x"), (0.6, "right_x")):
        assert float(line[name]) == pytest.approx(place * face["width_px"], abs=0.02 * face["width_px"])
    page.click("#ds-eyes-withdraw")
    page.until(lambda: lines_of(project.folder / "corrected_eyes.csv") == [], "no line")


def test_links_lead_to_the_page_a_picture_came_from(application: Application, visit: Visit) -> None:
    page = visit(application)
    open_first_kept(page)
    for link in page.all("#ds-details a"):
        assert (link.get_attribute("href") or "").startswith(("http://", "https://"))
        assert "noopener" in (link.get_attribute("rel") or "")


def test_what_is_taken_down_is_given_out_no_more(project: Workspace, visit: Visit, tmp_path: Path) -> None:
    own = Workspace(tmp_path / "project", SOURCES)
    shutil.copytree(project.folder, own.folder, ignore=shutil.ignore_patterns("temp*"), dirs_exist_ok=True)
    with served(own.folder) as application:
        page = visit(application)
        open_first_kept(page)
        seen = [page.image_of(place) for place in ("#ds-gallery", "#ds-original", "#ds-crop")]
        assert [requests.get(address).status_code for address in seen] == [200] * 3
        page.click("#ds-takedown")
        page.type_into("#ds-takedown-reason textarea, #ds-takedown-reason input", "its owner asked")
        page.click("#ds-takedown-confirm")
        page.read("#ds-details", "this picture was taken down")
        (line,) = lines_of(own.folder / "takedowns.csv")
        assert line["reason"] == "its owner asked"
        assert line["value"] in raw_widths(project)
        assert line["value"] not in raw_widths(own)
        assert not {requests.get(address).status_code for address in seen} & {200}


def test_from_elsewhere_nothing_can_be_marked(project: Workspace, visit: Visit) -> None:
    with served(project.folder, "--host", "0.0.0.0") as application:
        page = visit(application)
        page.show_tab("dataset")
        page.click("#ds-kept input[value=kept]")
        page.click("#ds-gallery button.thumbnail-item")
        page.read("#ds-details", "found by")
        page.read("#ds-read-only", "only where the application is bound to this machine")
        for button in ("bad", "eyes-save", "takedown"):
            assert not any(each.is_displayed() for each in page.all(f"#ds-{button}"))


def open_first_kept(page: Page) -> None:
    page.show_tab("dataset")
    page.click("#ds-kept input[value=kept]")
    page.click("#ds-gallery button.thumbnail-item")
    page.until(lambda: page.find("#ds-bad").is_displayed(), "the face's details")


def faces(project: Workspace) -> list[dict]:
    widths = raw_widths(project)
    rows = pq.read_table(
        project.folder / "data/catalogue/faces.parquet", columns=["image_id", "kept"]
    ).to_pylist()
    return [row | {"width_px": widths[row["image_id"]]} for row in rows]


def raw_widths(project: Workspace) -> dict[str, int]:
    raw = pq.read_table(project.folder / "data/raw/portraits", columns=["image_id", "width_px"]).to_pylist()
    return {row["image_id"]: row["width_px"] for row in raw}
