"""A recrawl from its beginning to its conclusion, on made-up tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import parts
from pipeline.errors import UserError
from pipeline.stages.crawl import failure_path
from pipeline.watch import history, recrawls
from pipeline.watch.recrawls import begin, conclude, recrawl
from pipeline.watch.wording import describe
from tests.watch.small_tables import SOURCE, set_up, state, write_part, write_refusals, write_summary


@pytest.fixture(autouse=True)
def project(in_folder: Path) -> Path:
    set_up(in_folder)
    return in_folder


def begun_with(images: int = 100) -> None:
    """Begin a recrawl of a source that was crawled before, by nobody who watched."""
    write_part(0, images, without_face=5)
    write_refusals([("https://example.org/gone.png", "not_found")])
    begin(SOURCE)


def test_what_is_new_is_counted_and_what_was_there_before_is_not() -> None:
    begun_with()
    write_part(1, 30, without_face=2, profiles=3)
    write_refusals(
        [
            ("https://example.org/gone.png", "not_found"),
            ("https://example.org/new.png", "http_error"),
            ("https://example.org/twice.png", "duplicate"),
        ]
    )
    write_summary(
        discovered=133,
        new=30,
        known=100,
        refused={"not_found": 1, "http_error": 1, "duplicate": 1},
        requests=40,
    )
    found = recrawl(SOURCE)
    assert found["parts"] == ["part-00001.parquet"]
    assert (found["met"], found["new"], found["known"], found["requests"]) == (133, 30, 100, 40)
    assert (found["images"], found["with_faces"], found["aligned"], found["faces"]) == (30, 28, 25, 25)
    assert found["licences"] == {"CC0 1.0": 15, "none said": 15}
    assert found["rejected"] == {
        "crawl": {"duplicate": 1, "http_error": 1},
        "detect": {"no_face": 2},
        "landmarks": {"profile": 3},
    }
    assert found["measures"]["rejected"] == pytest.approx(1 / 31, abs=1e-4)
    assert found["measures"]["faces"] == pytest.approx(25 / 30, abs=1e-4)
    assert found["measures"]["drift"] < 1
    assert (found["outside"], found["down"]) == ([], None)
    assert Path(found["sheet"]).exists()
    assert json.loads(json.dumps(found)) == found
    assert "nothing about it is unusual" in describe(found)


def test_saying_it_again_says_the_same_and_changes_nothing() -> None:
    begun_with()
    write_part(1, 30)
    write_summary(discovered=130)
    before = sorted(Path(".state").iterdir())
    assert recrawl(SOURCE) == recrawl(SOURCE)
    assert sorted(Path(".state").iterdir()) == before


def test_other_pictures_than_those_before_are_outside_without_any_history() -> None:
    begun_with()
    write_part(1, 40, without_face=38)
    write_summary(discovered=140, new=40)
    found = recrawl(SOURCE)
    assert [outside["measure"] for outside in found["outside"]] == ["faces"]
    assert "unusual: 2 of 40 new images show a face" in describe(found)


def test_faces_of_another_kind_are_outside() -> None:
    begun_with()
    write_part(1, 40, sharpness=10_000)
    write_summary(discovered=140, new=40)
    (outside,) = recrawl(SOURCE)["outside"]
    assert outside["measure"] == "drift"
    assert "sharpness" in outside["message"]


def test_a_source_that_shows_nothing_any_more_is_outside() -> None:
    begun_with()
    write_part(1, 30)
    write_summary(discovered=130, new=30)
    conclude(SOURCE, "accepted")
    begin(SOURCE)
    write_summary()
    found = recrawl(SOURCE)
    assert [outside["measure"] for outside in found["outside"]] == ["met"]
    assert "where the recrawl before met 130" in found["outside"][0]["message"]
    assert found["sheet"] is None


def test_pages_that_need_not_be_read_again_are_met() -> None:
    begun_with()
    write_part(1, 30)
    write_summary(discovered=130, new=30)
    conclude(SOURCE, "accepted")
    begin(SOURCE)
    write_summary(passed=12)
    found = recrawl(SOURCE)
    assert (found["met"], found["outside"]) == (12, [])


def test_a_conclusion_remembers_the_recrawl_and_what_nobody_watched() -> None:
    begun_with()
    write_part(1, 30)
    write_summary(discovered=130, new=30)
    assert conclude(SOURCE, "approved") == f"{SOURCE}: its recrawl is approved"
    unwatched, approved = history.load(SOURCE)
    assert (unwatched.verdict, unwatched.parts, unwatched.images) == (
        "unwatched",
        ["part-00000.parquet"],
        100,
    )
    assert (unwatched.aligned, unwatched.refused, unwatched.met) == (95, 1, None)
    assert (approved.verdict, approved.parts, approved.images, approved.met) == (
        *("approved", ["part-00001.parquet"]),
        *(30, 130),
    )
    assert approved.spreads["yaw"].faces == 30
    assert [path.name for path in Path(".state").iterdir()] == [f"{SOURCE}.history.jsonl"]
    assert "nothing to conclude" in conclude(SOURCE, "approved")
    assert len(history.load(SOURCE)) == 2


def test_the_next_recrawl_begins_behind_the_last() -> None:
    begun_with()
    write_part(1, 30)
    write_summary()
    conclude(SOURCE, "accepted")
    begin(SOURCE)
    write_part(2, 25)
    write_summary()
    assert recrawl(SOURCE)["parts"] == ["part-00002.parquet"]
    conclude(SOURCE, "accepted")
    assert [record.images for record in history.load(SOURCE)] == [100, 30, 25]


def test_a_recrawl_that_was_killed_goes_on_where_it_began() -> None:
    begun_with()
    note = state("recrawl")
    write_part(1, 30)
    write_refusals(
        [("https://example.org/gone.png", "not_found"), ("https://example.org/b.png", "too_large")]
    )
    assert "was not concluded; it goes on from there" in begin(SOURCE)
    assert state("recrawl") == note
    write_summary(discovered=130, known=130)
    found = recrawl(SOURCE)
    assert (found["images"], found["rejected"]["crawl"]) == (30, {"too_large": 1})


def test_a_conclusion_that_was_killed_is_not_remembered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    begun_with()
    write_part(1, 30)
    write_summary()
    note = Path(f".state/{SOURCE}.recrawl.json").read_text()
    conclude(SOURCE, "accepted")
    Path(f".state/{SOURCE}.recrawl.json").write_text(note)
    conclude(SOURCE, "accepted")
    assert len(history.load(SOURCE)) == 2
    Path(f".state/{SOURCE}.recrawl.json").write_text(note)
    assert "begins with 2 parts" in begin(SOURCE)


def test_what_was_discarded_is_remembered_though_its_parts_are_gone() -> None:
    begun_with()
    name = write_part(1, 40, without_face=40)
    write_summary(discovered=140, new=40)
    found = recrawl(SOURCE)
    for table in ("raw", "detections", "landmarks", "aligned", "colors"):
        (parts.folder(table, SOURCE) / name).unlink()
    conclude(SOURCE, "discarded", found)
    discarded = history.load(SOURCE)[-1]
    assert (discarded.verdict, discarded.images, discarded.aligned) == ("discarded", 40, 0)
    begin(SOURCE)
    write_part(1, 30)
    write_summary()
    assert recrawl(SOURCE)["parts"] == [name]


def test_a_held_source_is_not_recrawled() -> None:
    held = Path(f".state/{SOURCE}.held.json")
    held.parent.mkdir()
    held.write_text("{}")
    with pytest.raises(
        UserError, match=rf"is in quarantine; .*quarantine approve {SOURCE}` or .*discard {SOURCE}`"
    ):
        begin(SOURCE)


def test_a_name_that_is_no_source_is_said() -> None:
    with pytest.raises(UserError, match=r"params.yaml: sources: 'demo-portrait' is not one of the sources"):
        begin("demo-portrait")


def test_without_a_beginning_there_is_nothing_to_say() -> None:
    with pytest.raises(UserError, match=rf"no recrawl of {SOURCE} is under way; .*watch begin {SOURCE}"):
        recrawl(SOURCE)


def test_a_crawl_of_before_does_not_count() -> None:
    write_summary(finished="2020")
    begin(SOURCE)
    with pytest.raises(UserError, match=rf"has not come to its end; .*crawl@{SOURCE}"):
        recrawl(SOURCE)


def test_a_broken_note_is_said() -> None:
    begin(SOURCE)
    Path(f".state/{SOURCE}.recrawl.json").write_text("{")
    with pytest.raises(UserError, match="is not what `watch begin` wrote; delete it"):
        recrawl(SOURCE)


def test_before_the_stages_have_run_only_the_crawl_is_told_and_nothing_is_concluded() -> None:
    begun_with()
    name = write_part(1, 30)
    (parts.folder("colors", SOURCE) / name).unlink()
    write_summary(discovered=130, new=30)
    found = recrawl(SOURCE)
    assert (found["images"], found["faces"], found["outside"], found["sheet"]) == (30, 0, [], None)
    with pytest.raises(UserError, match=rf"is missing; type `dvc repro colors@{SOURCE}`"):
        conclude(SOURCE, "accepted")
    assert history.load(SOURCE) == []


def test_a_site_that_answers_with_nothing_but_errors_is_down() -> None:
    begun_with()
    write_summary(discovered=3, refused={"http_error": 2, "unreachable": 1})
    assert recrawl(SOURCE)["down"] == "none of 3 items could be had: http_error 2, unreachable 1"
    write_summary(discovered=3, refused={"http_error": 2, "not_found": 1})
    assert recrawl(SOURCE)["down"] is None
    write_summary(discovered=4, known=1, refused={"http_error": 3})
    assert recrawl(SOURCE)["down"] is None


def test_a_crawl_that_could_not_begin_says_whether_the_site_is_down() -> None:
    begun_with()
    failure = {"finished": "9999", "message": "start: HTTP 503", "passing": True}
    parts.write_json(failure_path(SOURCE), failure)
    found = recrawl(SOURCE)
    assert (found["down"], found["met"], found["outside"]) == ("start: HTTP 503", 0, [])
    assert describe(found).endswith("the site is down: start: HTTP 503")
    parts.write_json(failure_path(SOURCE), {**failure, "passing": False})
    with pytest.raises(UserError, match="has not come to its end"):
        recrawl(SOURCE)


def test_the_sheet_of_an_earlier_recrawl_does_not_stay() -> None:
    begun_with()
    write_part(1, 30)
    write_summary()
    assert recrawl(SOURCE)["sheet"] == str(recrawls.sheet_path(SOURCE))
    conclude(SOURCE, "accepted")
    begin(SOURCE)
    write_summary(known=130, discovered=130)
    assert recrawl(SOURCE)["sheet"] is None
    assert not recrawls.sheet_path(SOURCE).exists()
