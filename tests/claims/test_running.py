"""The table of claims as a whole: which are run, what is printed and written, and going on after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.claims import arms, running
from pipeline.claims.table import CLAIMS, Claim
from pipeline.claims.verdicts import NotMeasured, compare, missing
from pipeline.commands.claims import claims as command
from pipeline.errors import UserError
from tests.claims.conftest import TOY


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(command)
    return made


@pytest.fixture
def toy(in_folder: Path, quick_faces: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(running, "SMALL", TOY)
    return in_folder


def finding(lab: object) -> list:
    return [
        compare("error", "below 0", new=[1.0, 1.1, 0.9], old=[2.0, 2.1, 1.9]),
        missing("LPIPS", "weights missing"),
    ]


def table(monkeypatch: pytest.MonkeyPatch, **runs: object) -> None:
    rows = tuple(Claim(name, "000", f"Claim {name}.", run) for name, run in runs.items())
    monkeypatch.setattr(running, "CLAIMS", rows)


def test_ids_are_unique_and_begin_with_their_document():
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    assert all(claim.id.startswith(f"{claim.document}-") for claim in CLAIMS)
    assert {claim.document for claim in CLAIMS} == {"000", "001", "002", "003", "004"}


def test_an_unknown_id_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"claims: 000-lamda unknown; there are 000-lambda, 000-match"):
        running.chosen(["000-lambda", "000-lamda"])


def test_chosen_claims_come_in_the_order_of_the_table():
    assert [claim.id for claim in running.chosen(["004-batch", "000-match"])] == ["000-match", "004-batch"]
    assert running.chosen([]) == list(CLAIMS)


def test_what_was_found_is_printed_and_written_as_json_and_markdown(toy: Path, monkeypatch):
    table(monkeypatch, a=finding)
    shown: list[str] = []
    running.run([], False, Path("report"), shown.append)
    assert "holds" in shown[0]
    assert "-1 (-1 to -1) over 3 seeds, t; new 1, old 2" in shown[0]
    assert "not measured" in shown[0]
    written = json.loads((toy / "report/claims.json").read_text())
    assert written["effort"] == "toy"
    assert [one["verdict"] for one in written["claims"][0]["findings"]] == ["holds", "not measured"]
    assert written["claims"][0]["findings"][0]["figure"] == {"value": -1.0, "low": -1.0, "high": -1.0}
    lines = (toy / "report/claims.md").read_text().splitlines()
    assert [line.count("|") for line in lines] == [8] * 4
    assert "not measured: weights missing" in lines[3]


def test_a_claim_that_lacks_something_is_not_measured_and_the_others_are(toy: Path, monkeypatch):
    def without_pictures(lab: object) -> list:
        raise NotMeasured("pictures missing: set LIKENESS_IMAGES")

    table(monkeypatch, a=without_pictures, b=finding)
    results = running.run([], False, Path("report"), lambda text: None)
    assert [one.verdict for result in results for one in result.findings] == [
        "not measured",
        "holds",
        "not measured",
    ]
    assert results[0].findings[0].reason == "pictures missing: set LIKENESS_IMAGES"


@pytest.mark.parametrize("name", ["001-occlusions", "003-generators", "003-recognition"])
def test_claims_about_real_pictures_say_that_these_are_missing(toy: Path, monkeypatch, name: str):
    monkeypatch.setenv("LIKENESS_IMAGES", str(toy / "nowhere"))
    (result,) = running.run([name], False, Path("report"), lambda text: None)
    assert {one.verdict for one in result.findings} == {"not measured"}
    assert "pictures missing: set LIKENESS_IMAGES" in result.findings[0].reason


def test_a_table_that_was_killed_goes_on_and_trains_nothing_again(toy: Path, monkeypatch):
    begun: list[Path] = []
    train = arms.train

    def killed(dataset: Path, *folders: Path) -> None:
        begun.append(dataset)
        if len(begun) == 3:
            raise KeyboardInterrupt
        train(dataset, *folders)

    monkeypatch.setattr(arms, "train", killed)
    ids = ["000-lambda", "004-color-distribution"]
    with pytest.raises(KeyboardInterrupt):
        running.run(ids, False, Path("report"), lambda text: None)
    first = running.run(ids, False, Path("report"), lambda text: None)
    # Two arms and one, of two seeds each, and the one that was killed.
    assert len(begun) == 7
    assert running.run(ids, False, Path("report"), lambda text: None) == first
    assert len(begun) == 7


def test_the_command_lists_the_claims_and_runs_nothing(app: typer.Typer, in_folder: Path):
    listed = CliRunner().invoke(app, ["--list"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [claim.id for claim in CLAIMS]
    assert list(in_folder.iterdir()) == []


def test_the_command_prints_and_writes_where_it_is_told(app: typer.Typer, toy: Path, monkeypatch):
    table(monkeypatch, a=finding, b=finding)
    run = CliRunner().invoke(app, ["b", "--out", "elsewhere"])
    assert run.exit_code == 0
    assert run.stdout.startswith("b: Claim b.")
    assert [each["id"] for each in json.loads((toy / "elsewhere/claims.json").read_text())["claims"]] == ["b"]
