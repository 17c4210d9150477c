"""`rating page` and `rating add`, as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.commands.rating import app
from pipeline.errors import UserError
from pipeline.report.votes import COLUMNS, read_names, read_ratings
from tests.report.measured_experiments import WAY, numbers, write_measured, write_samples

pytestmark = pytest.mark.usefixtures("in_folder")


def typed(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_page_is_written_rated_and_its_votes_added_once() -> None:
    for number, name in enumerate(("cut", "munit")):
        write_measured(name, {WAY: numbers(0.1)})
        write_samples(name, faces=2, seed=number)
    said = typed("page", "cut", "munit", "--way", WAY, "--out", "blind/rate.html")
    assert "blind/rate.html: 2 pairs of photo_to_anime" in said
    assert "rating add VOTES.csv --names blind/rate.json" in said

    left, right = read_names(Path("blind/rate.json"))[WAY]
    vote = f"ann,photo-0,{WAY},{left},{right},left,2026-01-31T12:00:00Z"
    Path("votes.csv").write_text(f"{','.join(COLUMNS)}\n{vote}\n")
    added = typed("add", "votes.csv", "--names", "blind/rate.json")
    assert "1 votes added, 0 were there already" in added
    assert {read_ratings()[0].left, read_ratings()[0].right} == {"cut", "munit"}
    assert "0 votes added, 1 were there already" in typed("add", "votes.csv", "--names", "blind/rate.json")


def test_votes_that_are_not_there_are_said() -> None:
    with pytest.raises(UserError, match=r"votes\.csv: no such file"):
        typed("add", "votes.csv")
