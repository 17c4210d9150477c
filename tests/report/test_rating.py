"""Rating by people: a page that tells no names, votes that are checked and merged once, and their table."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import parts
from pipeline.errors import UserError
from pipeline.evaluation.tables import TRANSLATED
from pipeline.report import people
from pipeline.report.rating import LARGEST_PX, write_page
from pipeline.report.votes import COLUMNS, RATINGS, Rating, merge, named, read_names, read_ratings
from tests.report.measured_experiments import WAY, numbers, write_measured, write_samples

pytestmark = pytest.mark.usefixtures("in_folder")
OUT = Path("rating.html")
NAMES = Path("rating.json")


@pytest.fixture
def two(in_folder: Path) -> None:
    for number, name in enumerate(("cyclegan-secret", "munit-secret")):
        write_measured(name, {WAY: numbers(0.1)})
        write_samples(name, faces=3, size_px=300, seed=number)


def content(path: Path = OUT) -> dict[str, Any]:
    embedded = re.search(
        r'<script type="application/json" id="content">(.*?)</script>', path.read_text(), re.S
    )
    assert embedded is not None
    return json.loads(embedded[1])


def write_votes(rows: list[dict[str, str]], path: Path = Path("votes.csv")) -> Path:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(buffer.getvalue())
    return path


def vote(**changed: str) -> dict[str, str]:
    return {
        "rater": "ann",
        "face_id": "photo-0",
        "way": WAY,
        "left": "a",
        "right": "b",
        "choice": "left",
        "time": "2026-01-31T12:00:00.123Z",
        **changed,
    }


def rating(**changed: str) -> Rating:
    return Rating(**vote(**changed))


@pytest.mark.usefixtures("two")
def test_the_page_shows_every_pair_and_tells_no_names() -> None:
    assert write_page(OUT, None, []) == (WAY, 3)
    page, found = OUT.read_text(), content()
    assert "secret" not in page
    assert [face for face, _, _ in found["pairs"]] == ["photo-0", "photo-1", "photo-2"]
    ids = read_names(NAMES)[WAY]
    assert sorted(ids.values()) == ["cyclegan-secret", "munit-secret"]
    assert {of for _, *pair in found["pairs"] for of in pair} == set(ids)
    assert all(list(of) == sorted(of) for of in found["outputs"].values())


@pytest.mark.usefixtures("two")
def test_the_page_needs_no_network_and_its_pictures_tell_nothing_but_pixels() -> None:
    write_page(OUT, WAY, ["munit-secret", "cyclegan-secret"])
    assert not re.search(r"<link|<iframe|@import|url\(|fetch\(|src=\"http", OUT.read_text())
    picture = content()["outputs"]["photo-0"].popitem()[1]
    with Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))) as opened:
        assert opened.size == (LARGEST_PX, LARGEST_PX)
        assert not opened.getexif()


@pytest.mark.usefixtures("two")
def test_a_page_that_is_written_again_keeps_its_ids_and_a_new_one_has_others() -> None:
    write_page(OUT, None, [])
    names, first = read_names(NAMES), content()
    write_page(OUT, None, [])
    assert (read_names(NAMES), content()) == (names, first)
    write_page(Path("other.html"), None, [])
    assert read_names(Path("other.json"))[WAY].keys().isdisjoint(names[WAY])


@pytest.mark.usefixtures("two")
def test_other_pictures_are_another_page_for_the_browser_that_keeps_votes() -> None:
    write_page(OUT, None, [])
    before = content()["page"]
    write_samples("munit-secret", faces=3, size_px=300, seed=77)
    write_page(OUT, None, [])
    assert content()["page"] != before


@pytest.mark.usefixtures("two")
def test_only_faces_that_two_experiments_have_in_common_are_asked_of() -> None:
    write_samples("munit-secret", faces=1)
    assert write_page(OUT, None, [])[1] == 1


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("way", "names", "message"),
    [
        (None, ["cyclegan-secret"], "no two experiments have samples"),
        (WAY, ["cyclegan-secret"], "samples of 1 experiments"),
        ("photo_to_photo", [], "samples of 0 experiments"),
        (None, ["cyclegan-secret", "nobody"], r"samples/nobody/translated\.parquet: no such file"),
        ("anime_to_photo", ["cyclegan-secret", "munit-secret"], "no samples of the way"),
    ],
)
def test_what_cannot_be_compared_is_said(way: str | None, names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        write_page(OUT, way, names)
    assert not OUT.exists()


@pytest.mark.usefixtures("two")
def test_a_page_does_not_overwrite_its_names() -> None:
    with pytest.raises(UserError, match=r"must end in \.html"):
        write_page(Path("rating.json"), None, [])


def test_of_several_ways_one_must_be_chosen() -> None:
    for name in ("a", "b"):
        write_measured(name, {WAY: numbers(0.1)})
        write_samples(name, faces=2)
        path = Path("samples") / name / "translated.parquet"
        rows = parts.read_rows(path)
        parts.write_rows(path, rows + [row | {"translation": "anime_to_photo"} for row in rows], TRANSLATED)
    with pytest.raises(UserError, match="give --way: one of anime_to_photo, photo_to_anime"):
        write_page(OUT, None, [])
    assert write_page(OUT, WAY, [])[1] == 2


def test_votes_are_named_and_merged_once() -> None:
    names = {WAY: {"1f": "cut", "2e": "munit"}}
    votes = [rating(left="1f", right="2e"), rating(left="2e", right="1f", face_id="photo-1", choice="tie")]
    found = named(votes, names, Path("votes.csv"))
    assert merge(found) == 2
    assert merge(found) == 0
    assert [(each.left, each.right, each.choice) for each in read_ratings()] == [
        ("cut", "munit", "left"),
        ("munit", "cut", "tie"),
    ]


def test_a_question_keeps_its_first_answer_whichever_side_it_was_on() -> None:
    assert merge([rating()]) == 1
    assert merge([rating(left="b", right="a", choice="left"), rating(rater="bob")]) == 1
    assert [each.rater for each in read_ratings()] == ["ann", "bob"]
    assert read_ratings()[0].choice == "left"


def test_nothing_new_leaves_the_file_as_it_is() -> None:
    merge([rating()])
    before = RATINGS.stat().st_mtime_ns
    merge([rating()])
    assert RATINGS.stat().st_mtime_ns == before


def test_names_with_commas_quotes_and_other_letters_are_kept() -> None:
    merge([rating(rater='Łucja "Lu", 2nd')])
    assert read_ratings()[0].rater == 'Łucja "Lu", 2nd'


def test_a_file_with_a_byte_order_mark_is_read() -> None:
    path = write_votes([vote()])
    path.write_text("\ufeff" + path.read_text())
    assert read_ratings(path) == [rating()]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"choice": "both"}, "line 2: choice must be left, tie, right"),
        ({"right": "a"}, "line 2: left and right must differ"),
        ({"rater": " "}, "line 2: rater must be 1 to 200 printable characters"),
        ({"face_id": "x" * 201}, "line 2: face_id must be 1 to 200"),
        ({"rater": "a\x1b[31m"}, "line 2: rater must be"),
        ({"time": "yesterday"}, "line 2: time must be as 2026"),
    ],
)
def test_a_bad_vote_is_named_by_line_and_field(changed: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_ratings(write_votes([vote(**changed)]))


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "rater,face_id\n"])
def test_a_file_of_something_else_says_what_its_first_line_must_be(text: str) -> None:
    Path("votes.csv").write_text(text)
    with pytest.raises(UserError, match="its first line must be rater,face_id,way,left,right,choice,time"):
        read_ratings(Path("votes.csv"))


@pytest.mark.parametrize("line", ["ann,photo-0", "ann,photo-0,w,a,b,left,2026-01-31T12:00:00Z,more"])
def test_a_line_of_too_few_or_too_many_values_is_named(line: str) -> None:
    Path("votes.csv").write_text(",".join(COLUMNS) + f"\n{line}\n")
    with pytest.raises(UserError, match="line 2: must have 7 values"):
        read_ratings(Path("votes.csv"))


def test_what_is_no_text_is_named() -> None:
    Path("votes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"votes\.csv: not UTF-8"):
        read_ratings(Path("votes.csv"))


def test_votes_of_another_page_are_refused_whole() -> None:
    votes = [rating(left="1f", right="2e"), rating(left="1f", right="ff", face_id="photo-1")]
    with pytest.raises(UserError, match="of ann on face photo-1: right: 'ff' is no id of the page"):
        named(votes, {WAY: {"1f": "cut", "2e": "munit"}}, Path("votes.csv"))
    with pytest.raises(UserError, match="way 'photo_to_anime' is not one of the page's"):
        named(votes, {"other": {}}, Path("votes.csv"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"experiments": 3}'])
def test_names_of_something_else_are_refused(text: str) -> None:
    NAMES.write_text(text)
    with pytest.raises(UserError, match="not written by `rating page`"):
        read_names(NAMES)
    with pytest.raises(UserError, match="--names must be"):
        read_names(Path("missing.json"))


def test_the_table_says_who_is_better_and_who_cannot_be_compared() -> None:
    merge([rating(face_id=f"photo-{n}", choice="left" if n % 10 else "right") for n in range(40)])
    merge([rating(face_id=f"photo-{n}", left="c", right="d") for n in range(3)])
    [way] = people.gather()
    assert (way["votes"], way["raters"], way["faces"], way["apart"]) == (43, 1, 40, True)
    first, second = way["groups"]
    assert first["sentence"] == "a is better than b (intervals do not overlap)"
    assert [(row["experiment"], row["won"], row["lost"]) for row in first["rows"]] == [
        ("a", 36, 4),
        ("b", 4, 36),
    ]
    assert first["rows"][0]["chance"] == "0.90"
    assert (first["added"], second["added"]) == (None, "0.5")


def test_a_vote_each_way_tells_no_difference() -> None:
    merge([rating(), rating(face_id="photo-1", choice="right")])
    [way] = people.gather()
    assert way["groups"][0]["sentence"] == "no difference can be told: the intervals overlap"


def test_no_ratings_are_no_tables() -> None:
    assert people.gather() == []
    RATINGS.write_text(",".join(COLUMNS) + "\n")
    assert people.gather() == []


def test_intervals_do_not_depend_on_the_order_of_the_file() -> None:
    votes = [rating(face_id=f"photo-{n}", choice="left" if n % 3 else "right") for n in range(12)]
    merge(votes)
    [before] = people.gather()
    RATINGS.unlink()
    merge([votes[place] for place in np.random.default_rng(0).permutation(12)])
    assert people.gather() == [before]
