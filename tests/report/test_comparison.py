"""The comparison: who is called better, what is marked, what is shown first, and what is not measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.metrics.intervals import Estimate
from pipeline.report.comparison import Standing, gather, in_pieces, overlap, standing
from pipeline.report.figures import listed, plain, rounded
from tests.report.measured_experiments import COMMAND, WAY, estimate, numbers, write_measured

pytestmark = pytest.mark.usefixtures("in_folder")


def compared(**experiments: dict[str, Any]) -> dict[str, Any]:
    """Return the only table of experiments with these numbers."""
    for name, values in experiments.items():
        write_measured(name, {WAY: values})
    [way] = gather(list(experiments))
    return way


def cells(way: dict[str, Any], number: str, table: int = 0) -> dict[str, dict[str, Any]]:
    """Return the cells of one column by experiment."""
    place = [column.name for column in way["tables"][table]["columns"]].index(number)
    return {row["experiment"]: row["cells"][place] for row in way["tables"][table]["rows"]}


def test_better_is_said_only_where_intervals_do_not_overlap() -> None:
    way = compared(
        cut={"kid_tagger": estimate(0.10, 0.01)},
        cyclegan={"kid_tagger": estimate(0.09, 0.01)},
        landmarks={"kid_tagger": estimate(0.05, 0.01)},
    )
    assert way["sentences"] == [
        "landmarks is better than cut and cyclegan in KID (tagger) (intervals do not overlap)"
    ]
    assert {name: cell["mark"] for name, cell in cells(way, "kid_tagger").items()} == {
        "landmarks": "best",
        "cyclegan": "",
        "cut": "",
    }


def test_those_that_cannot_be_told_apart_from_the_best_are_marked_with_it() -> None:
    way = compared(
        a={"one_face": estimate(0.9, 0.05)},
        b={"one_face": estimate(0.86, 0.05)},
        c={"one_face": estimate(0.5, 0.05)},
    )
    assert way["sentences"] == [
        "a is better than c in one face (intervals do not overlap); b cannot be told apart from it"
    ]
    assert [cell["mark"] for cell in cells(way, "one_face").values()] == ["among", "among", ""]


def test_where_all_overlap_nothing_is_marked() -> None:
    way = compared(a={"kid_tagger": estimate(0.1, 0.05)}, b={"kid_tagger": estimate(0.12, 0.05)})
    assert way["sentences"] == ["No difference can be told in KID (tagger): the intervals overlap"]
    assert [cell["mark"] for cell in cells(way, "kid_tagger").values()] == ["", ""]


def test_numbers_without_intervals_make_nobody_better() -> None:
    fid = {"a": {"value": 30.0, "images": 25}, "b": {"value": 300.0, "images": 25}}
    way = compared(**{name: {"outputs": 25, "fid_tagger": value} for name, value in fid.items()})
    assert "None is called better in FID (tagger)" in way["sentences"][0]
    assert [cell["mark"] for cell in cells(way, "fid_tagger").values()] == ["", ""]
    assert cells(way, "fid_tagger")["a"]["notes"] == ["N 25, too few"]
    assert (way["few"], way["has_fid"]) == (True, True)


@pytest.mark.parametrize(
    ("one", "other", "expected"), [((1, 2), (2, 3), True), ((1, 2), (2.1, 3), False), ((1, 9), (4, 5), True)]
)
def test_intervals_overlap(one: tuple[float, float], other: tuple[float, float], expected: bool) -> None:
    first, second = (Estimate(low, low, high) for low, high in (one, other))
    assert overlap(first, second) is overlap(second, first) is expected


def test_what_says_only_how_much_has_no_best() -> None:
    assert standing({"a": Estimate(1, 0, 2), "b": Estimate(9, 8, 10)}, "none") == Standing()
    assert standing({"a": Estimate(1, 0, 2)}, "lower") == Standing()


def test_kid_comes_first_below_2048_images_and_fid_from_there_on() -> None:
    values = {"kid_tagger": estimate(0.1, 0.01), "fid_tagger": {"value": 9.0, "images": 3000}}
    few = compared(a=values | {"outputs": 2047})
    assert [column.name for column in few["tables"][0]["columns"]] == ["kid_tagger", "fid_tagger"]
    many = compared(a=values | {"outputs": 2048})
    assert [column.name for column in many["tables"][0]["columns"]] == ["fid_tagger", "kid_tagger"]
    assert cells(many, "fid_tagger")["a"]["notes"] == ["N 3000"]


def test_at_most_twelve_columns_are_shown_first_and_the_others_are_not_lost() -> None:
    way = compared(a=numbers(0.1), b=numbers(0.2))
    first, others = ([column.name for column in table["columns"]] for table in way["tables"])
    assert len(first) == 12
    assert first[:2] == ["kid_tagger", "fid_tagger"]
    assert not set(first) & set(others)
    assert {"copies_tagger", "one_face", "landmark_consistency", "color_consistency.skin"} <= set(first)
    assert {"density_tagger", "pose_shift.roll_deg", "condition_swap.landmarks_pixels"} <= set(others)


def test_the_best_stands_first_and_who_lacks_the_number_last() -> None:
    way = compared(
        lacks={"outputs": 25},
        worse={"kid_tagger": estimate(0.2, 0.01)},
        best={"kid_tagger": estimate(0.1, 0.01)},
    )
    assert [row["experiment"] for row in way["tables"][0]["rows"]] == ["best", "worse", "lacks"]


def test_an_interval_over_seeds_takes_the_place_of_that_over_faces() -> None:
    over = {"kid_tagger": {"mean": 0.2, "low": 0.1, "high": 0.3, "n": 3}}
    cell = cells(compared(a={"kid_tagger": estimate(0.5, 0.01), "seeds": over}), "kid_tagger")["a"]
    assert (cell["value"], cell["interval"], cell["notes"]) == ("0.20", "0.10 to 0.30", ["3 seeds"])


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_what_is_no_number_is_not_measured(value: float | None) -> None:
    of_nan = {"kid_tagger": {"value": value, "low": value, "high": value}}
    way = compared(a=of_nan, b={"kid_tagger": estimate(0.1, 0.01)}, c={"kid_tagger": estimate(0.2, 0.01)})
    assert cells(way, "kid_tagger")["a"]["estimate"] is None
    assert way["sentences"] == ["b is better than c in KID (tagger) (intervals do not overlap)"]


def test_a_number_whose_interval_is_none_is_compared_with_nobody() -> None:
    bad = {"kid_tagger": {"value": 0.1, "low": math.nan, "high": 0.2}}
    way = compared(a=bad, b={"kid_tagger": estimate(0.4, 0.01)})
    assert cells(way, "kid_tagger")["a"]["interval"] == ""
    assert "None is called better" in way["sentences"][0]


def test_what_was_not_measured_says_why_and_what_to_type() -> None:
    way = compared(a=numbers(0.1))
    assert [(each["name"], each["experiments"]) for each in way["missing"]] == [
        ("FID (inception)", ""),
        ("LPIPS (alex)", ""),
    ]
    assert way["missing"][0]["reason"] == [(False, "weights missing: run "), (True, COMMAND)]


def test_a_reason_of_some_experiments_names_them_and_stands_in_their_cells() -> None:
    write_measured("told", {WAY: {"color_consistency": {"skin": estimate(9, 1)}}}, {WAY: {}})
    write_measured("untold", {WAY: {"outputs": 3}}, {WAY: {"color_consistency": "it is not told any"}})
    [way] = gather(["told", "untold"])
    assert way["missing"][0]["experiments"] == "untold"
    cell = cells(way, "color_consistency.skin")["untold"]
    assert cell == {"estimate": None, "reason": "not measured: it is not told any", "notes": []}


def test_of_how_many_outputs_a_number_is_known_stands_beside_it() -> None:
    of_few = estimate(0.1, 0.05, found=6, of=25)
    of_none = {"value": None, "low": None, "high": None, "found": 0, "of": 25}
    way = compared(few={"landmark_consistency": of_few}, none={"landmark_consistency": of_none})
    found = cells(way, "landmark_consistency")
    assert [found[name]["notes"] for name in ("few", "none")] == [["found 6 of 25"], ["found 0 of 25"]]
    assert found["none"]["estimate"] is None


def test_each_way_has_a_table_of_the_experiments_that_go_it() -> None:
    write_measured("both", {WAY: numbers(0.1), "anime_to_photo": numbers(0.2)})
    write_measured("one", {WAY: numbers(0.1)})
    write_measured("tagger", {"tags": {"mean_average_precision": estimate(0.6, 0.1)}}, {})
    tables = {
        way["title"]: [row["experiment"] for row in way["tables"][0]["rows"]]
        for way in gather(["both", "one", "tagger"])
    }
    assert tables == {"photo → anime": ["both", "one"], "anime → photo": ["both"], "tags": ["tagger"]}


def test_no_experiments_are_no_tables() -> None:
    assert gather([]) == []


@pytest.mark.parametrize("content", ["", "[]", '{"photo_to_anime": 3}', "{"])
def test_a_broken_file_of_numbers_is_named_with_what_mends_it(content: str) -> None:
    Path("metrics").mkdir()
    Path("metrics/a.json").write_text(content)
    with pytest.raises(UserError, match=r"metrics/a\.json: .*evaluate@a"):
        gather(["a"])


def test_missing_files_of_reasons_are_no_reasons() -> None:
    write_measured("a", {WAY: numbers(0.1)})
    Path("samples/a/not_measured.json").unlink()
    [way] = gather(["a"])
    assert way["missing"] == []


def test_numbers_have_the_digits_that_their_interval_bears() -> None:
    assert rounded(Estimate(0.0123456, 0.0101, 0.0145)) == ("0.0123", "0.0101 to 0.0145")
    assert rounded(Estimate(123.456, 100.0, 150.0)) == ("123", "100 to 150")
    assert rounded(Estimate(-0.00001234, -0.0005, 0.0005)) == ("0.0000", "-0.0005 to 0.0005")
    assert rounded(Estimate(0.5, 0.5, 0.5)) == ("0.5", "")
    assert (plain(25), plain(25.0), plain(0.123456), plain(None), plain(math.nan)) == (
        "25",
        "25",
        "0.1235",
        "no number",
        "no number",
    )


def test_names_are_listed_as_in_a_sentence() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([*"abcdefgh"], most=3) == "a, b, c and 5 others"


def test_commands_stand_apart_from_words() -> None:
    assert in_pieces("no weights") == [(False, "no weights")]
    assert in_pieces(f"run `{COMMAND}`, or none") == [(False, "run "), (True, COMMAND), (False, ", or none")]
