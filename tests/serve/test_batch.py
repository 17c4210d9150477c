"""`translate EXPERIMENT IN OUT`: every face and every picture is accounted for, however often it was ended."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks.real_pictures import REPOSITORY
from pipeline.cli import app
from pipeline.errors import UserError
from pipeline.serve import batch
from pipeline.serve.advice import ADVICE
from pipeline.serve.journal import NAME, journal
from pipeline.sources.demo.plan import face_count
from pipeline.sources.files import ZipLimits
from tests.broken_pictures import ENDS, write_broken_pictures
from tests.serve.small_zoo import ALONE, portrait, write_model

Row = dict[str, str]
TWO = next(index for index in range(60) if face_count(index) == 2)


@pytest.fixture
def project(in_folder: Path) -> Path:
    """A folder with params.yaml, the models `x` and `y`, and a folder of portraits: three alone, two together."""
    (in_folder / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    write_model(in_folder / "models", "x")
    write_model(in_folder / "models", "y", seed=1)
    (in_folder / "in/more").mkdir(parents=True)
    for name, index in (("a.jpg", ALONE[0]), ("b.jpg", ALONE[1]), ("more/a.jpg", ALONE[2])):
        (in_folder / "in" / name).write_bytes(portrait(index))
    (in_folder / "in/more/two.jpg").write_bytes(portrait(TWO, 512))
    return in_folder


def translate(*arguments: str) -> str:
    """Run the command as a user would; return what it printed."""
    result = CliRunner().invoke(app, ["translate", *arguments], catch_exceptions=False)
    return result.output


def table(out: str = "out") -> list[Row]:
    with Path(out, batch.TABLE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pictures(out: str = "out") -> dict[str, bytes]:
    found = sorted(Path(out).rglob("*.png"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def untimed(rows: list[Row]) -> list[Row]:
    return [row | {"seconds": ""} for row in rows]


def test_a_folder_becomes_a_picture_for_each_face_and_a_table(project: Path) -> None:
    said = translate("x", "in", "out")
    assert "out/translated.csv: 4 pictures, 5 faces translated" in said
    rows = table()
    assert [(row["file"], row["face"], row["output"]) for row in rows] == [
        ("a.jpg", "0", "faces/a.jpg-0.png"),
        ("b.jpg", "0", "faces/b.jpg-0.png"),
        ("more/a.jpg", "0", "faces/more/a.jpg-0.png"),
        ("more/two.jpg", "0", "faces/more/two.jpg-0.png"),
        ("more/two.jpg", "1", "faces/more/two.jpg-1.png"),
    ]
    assert list(pictures()) == [row["output"] for row in rows]
    left, top, right, bottom = map(float, rows[0]["box_xyxy"].split())
    assert 0 < left < right < 256
    assert 0 < top < bottom < 256
    assert all(float(row["seconds"]) >= 0 and not row["reason"] for row in rows)
    with Image.open("out/faces/a.jpg-0.png") as image:
        assert image.size == (32, 32)
        assert "experiment x" in image.text["Description"]


def test_faces_are_pasted_into_their_photograph_and_marked_where_that_is_asked(project: Path) -> None:
    translate("x", "in/more", "out", "--paste", "--visible-mark")
    rows = table()
    assert {row["pasted"] for row in rows} == {"pasted/a.jpg.png", "pasted/two.jpg.png"}
    before = np.asarray(Image.open("in/more/two.jpg")).astype(int)
    with Image.open("out/pasted/two.jpg.png") as image:
        assert "experiment x" in image.text["Description"]
        changed = np.abs(np.asarray(image) - before).max(axis=2) > 0
    for row in rows[1:]:
        left, top, right, bottom = (int(float(side)) for side in row["box_xyxy"].split())
        assert changed[top:bottom, left:right].mean() > 0.8
    assert changed[-4:, -20:].any()  # the mark
    assert changed.mean() < 0.6


def test_what_is_no_picture_is_a_row_with_its_reason_and_what_to_change(project: Path) -> None:
    write_broken_pictures(project / "bad")
    (project / "bad/damaged.zip").write_bytes(b"PK no zip")
    said = translate("x", "bad", "out")
    assert f"{len(ENDS) + 1} pictures, 0 faces translated" in said
    rows = table()
    assert {row["file"]: row["reason"] for row in rows} == {**ENDS, "damaged.zip": "unreadable"}
    assert all(row["advice"] == ADVICE[row["reason"]] and not row["output"] for row in rows)


def test_a_rejected_face_is_a_row_with_what_to_change(project: Path) -> None:
    (project / "in/small.jpg").write_bytes(portrait(ALONE[3], 64))
    translate("x", "in/small.jpg", "out")
    (row,) = table()
    assert (row["reason"], row["advice"], row["output"]) == ("too_small", ADVICE["too_small"], "")
    assert row["detail"].startswith("eye_distance_px")


def test_a_zip_gives_what_its_folder_gives_and_nothing_lands_outside(project: Path) -> None:
    with zipfile.ZipFile("in.zip", "w") as archive:
        for path in sorted(Path("in").rglob("*.jpg")):
            archive.write(path, path.relative_to("in"))
    translate("x", "in", "out")
    translate("x", "in.zip", "of-zip")
    assert untimed(table("of-zip")) == untimed(table())
    assert pictures("of-zip") == pictures()
    with zipfile.ZipFile("evil.zip", "w") as archive:
        archive.writestr("../../escaped.jpg", Path("in/a.jpg").read_bytes())
        archive.writestr("/absolute.jpg", Path("in/b.jpg").read_bytes())
    before = {path for path in project.parent.rglob("*") if "evil" not in path.parts}
    translate("x", "evil.zip", "evil")
    assert {path for path in project.parent.rglob("*") if "evil" not in path.parts} == before
    assert [row["file"] for row in table("evil")] == ["../../escaped.jpg", "/absolute.jpg"]
    assert all(
        Path("evil", row["output"]).resolve().is_relative_to(project / "evil") for row in table("evil")
    )
    assert all(Path("evil", row["output"]).exists() for row in table("evil"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_of_a_zip_is_lost(project: Path) -> None:
    with zipfile.ZipFile("in.zip", "w") as archive:
        for name in ("a.jpg", "a.jpg", "A.jpg"):
            archive.write("in/a.jpg", name)
        archive.writestr("b.zip", b"PK no zip is looked for in here")
        archive.writestr("empty.jpg", b"")
    translate("x", "in.zip", "out")
    assert [(row["file"], row["reason"]) for row in table()] == [
        ("A.jpg", ""),
        ("a (2).jpg", ""),
        ("a.jpg", ""),
        ("b.zip", "not_an_image"),
        ("empty.jpg", "not_an_image"),
    ]
    assert table()[3]["detail"] == "zips in zips are not looked into; give it by itself"
    assert len({row["output"].casefold() for row in table()[:3]}) == 3
    assert len(pictures()) == 3
    Path("in/b.jpg").rename("in/A.jpg")  # and where it came later, its neighbour moves
    (project / "in/B.jpg").write_bytes(portrait(ALONE[3]))
    translate("x", "in", "of-folder")
    Path("in/b.jpg").write_bytes(portrait(ALONE[4]))
    translate("x", "in", "of-folder")
    translate("x", "in", "at-once")
    assert untimed(table("of-folder")) == untimed(table("at-once"))
    assert pictures("of-folder") == pictures("at-once")


def test_a_zip_over_the_limits_is_refused_and_in_a_folder_a_row(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile("in/many.zip", "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.jpg", b"")
    monkeypatch.setattr(batch, "pictures_in", partial(batch.pictures_in, limits=ZipLimits(4, 1_000)))
    assert "IN: in/many.zip: the zip holds 5 files, more than 4; divide it" in refused(
        "x", "in/many.zip", "no"
    )
    translate("x", "in", "out")
    assert (table()[-1]["file"], table()[-1]["reason"]) == ("many.zip", "too_large")


def test_a_zip_bomb_is_a_row(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MAX_BYTES", 1_000_000)
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.png", bytes(30_000_000))
        archive.write("in/a.jpg", "a.jpg")
    translate("x", "bomb.zip", "out")
    assert [row["reason"] for row in table()] == ["", "too_large"]


def test_a_second_run_does_nothing(project: Path) -> None:
    translate("x", "in", "out")
    written = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    before = Path("out", batch.TABLE).read_bytes()
    translate("x", "in", "out")
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")} == written
    assert Path("out", batch.TABLE).read_bytes() == before


class Ended(BaseException):
    """The process was ended."""


def test_a_run_that_was_ended_at_any_face_goes_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run comes one face further than to the end of the picture before; what it left half-written is no harm."""
    translate("x", "in", "all", "--paste")
    genuine, asked = batch.Zoo.translate, 0

    def ends(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked % 3 == 0:
            raise Ended
        return genuine(*arguments)

    monkeypatch.setattr(batch.Zoo, "translate", ends)
    for _ in range(2):
        with pytest.raises(Ended):
            translate("x", "in", "out", "--paste")
        with Path("out", NAME).open("ab") as file:
            file.write(b'{"file": "b.jpg", "vers')
        Path("out/faces/.a.png.1.tmp").write_bytes(b"half")
    translate("x", "in", "out", "--paste")
    assert untimed(table()) == untimed(table("all"))
    assert pictures() == pictures("all")
    assert not list(Path("out").rglob(".*.tmp"))


def crashing(monkeypatch: pytest.MonkeyPatch, given: bytes, how: BaseException | None = None) -> list[bytes]:
    """Let the process end, without a word to the journal or by an exception, when it looks at a picture."""
    looked_at: list[bytes] = []
    genuine = batch.look

    def look(data: bytes, *more: Any) -> Any:
        looked_at.append(data)
        if data != given:
            return genuine(data, *more)
        if how is None:
            monkeypatch.setattr(batch.Journal, "leave", lambda *_: None)  # as a segmentation fault leaves it
        raise how or Ended

    monkeypatch.setattr(batch, "look", look)
    return looked_at


def test_a_picture_that_ends_the_process_twice_is_a_row(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fatal = Path("in/a.jpg").read_bytes()
    looked_at = crashing(monkeypatch, fatal)
    with pytest.raises(Ended):
        translate("x", "in", "out")
    assert looked_at == [fatal]
    with pytest.raises(Ended):
        translate("x", "in", "out")
    assert looked_at[-1] == fatal  # once more, after all others
    assert len(looked_at) == 5
    said = translate("x", "in", "out")
    assert "4 pictures, 4 faces translated\n  1 rejected: worker_crashed" in said
    (row,) = [row for row in table() if row["file"] == "a.jpg"]
    assert (row["reason"], row["advice"]) == ("worker_crashed", ADVICE["worker_crashed"])
    assert row["detail"] == "the process ended 2 times while it worked on this picture"
    assert len(looked_at) == 5
    os.utime("in/a.jpg", (1, 1))
    with pytest.raises(Ended):  # changed, so it is tried again
        translate("x", "in", "out")


@pytest.mark.parametrize("how", [KeyboardInterrupt(), SystemExit(143), UserError("weights are missing")])
def test_leaving_is_not_held_against_a_picture(
    project: Path, monkeypatch: pytest.MonkeyPatch, how: BaseException
) -> None:
    with monkeypatch.context() as patched:
        crashing(patched, Path("in/a.jpg").read_bytes(), how)
        for _ in range(3):
            CliRunner().invoke(app, ["translate", "x", "in", "out"])
    assert "5 faces translated" in translate("x", "in", "out")


@pytest.mark.parametrize(
    ("number", "ends"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_lets_the_picture_at_hand_be_finished(
    project: Path, monkeypatch: pytest.MonkeyPatch, number: int, ends: type[BaseException]
) -> None:
    genuine = batch.look

    def look(*arguments: Any) -> Any:
        os.kill(os.getpid(), number)
        return genuine(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(batch, "look", look)
        result = CliRunner().invoke(app, ["translate", "x", "in", "out"])
    assert result.exit_code != 0
    assert isinstance(result.exception, ends) or ends is KeyboardInterrupt
    assert list(pictures()) == ["faces/a.jpg-0.png"]
    assert "5 faces translated" in translate("x", "in", "out")


def test_a_picture_that_vanished_and_came_back_is_done_again(project: Path) -> None:
    translate("x", "in", "out")
    before, made = table(), pictures()
    Path("in/a.jpg").rename("a.jpg")
    translate("x", "in", "out")
    assert "faces/a.jpg-0.png" not in pictures()
    Path("a.jpg").rename("in/a.jpg")
    translate("x", "in", "out")
    assert untimed(table()) == untimed(before)
    assert pictures() == made


def test_new_and_changed_pictures_are_done_and_vanished_ones_are_gone(project: Path) -> None:
    translate("x", "in", "out", "--paste")
    kept = Path("out/faces/b.jpg-0.png").stat().st_mtime_ns
    Path("in/more/two.jpg").write_bytes(portrait(ALONE[3], 300))
    Path("in/a.jpg").unlink()
    Path("in/new.jpg").write_bytes(portrait(ALONE[4]))
    translate("x", "in", "out", "--paste")
    assert [row["output"] for row in table()] == [
        f"faces/{name}-0.png" for name in ("b.jpg", "more/a.jpg", "more/two.jpg", "new.jpg")
    ]
    assert set(pictures()) == {row[name] for row in table() for name in ("output", "pasted")}
    assert Path("out/faces/b.jpg-0.png").stat().st_mtime_ns == kept


def refused(*arguments: str) -> str:
    with pytest.raises(UserError) as refusal:
        translate(*arguments)
    return str(refusal.value)


def test_what_is_asked_wrongly_is_refused_before_anything_is_written(project: Path) -> None:
    (project / "full").mkdir()
    (project / "full/thesis.doc").touch()
    assert "OUT: in/out lies in in" in refused("x", "in", "in/out")
    assert "OUT: full holds something else" in refused("x", "in", "full")
    assert "IN: nothing does not exist" in refused("x", "nothing", "out")
    assert "'z' is not one of the trained models: x, y" in refused("z", "in", "out")
    assert "--from webtoon: x translates from photo, anime" in refused("x", "in", "out", "--from", "webtoon")
    assert not Path("out").exists()


def test_a_gpu_that_is_not_there_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--accelerator cuda: there is no GPU" in refused("x", "in", "out", "--accelerator", "cuda")


@pytest.mark.parametrize(
    ("arguments", "differing"),
    [
        (("y", "in", "out"), "experiment, weights"),
        (("x", "in", "out", "--paste"), "paste"),
        (("x", "in", "out", "--from", "anime"), "from, to, faces"),
        (("x", "in/more", "out"), "in"),
    ],
)
def test_other_settings_do_not_mix_with_a_runs_results(
    project: Path, arguments: tuple[str, ...], differing: str
) -> None:
    for path in Path("in").rglob("*.jpg"):
        path.unlink()
    translate("x", "in", "out")
    assert f"begun with other settings ({differing})" in refused(*arguments)


def test_only_one_run_at_a_time_writes_to_a_folder(project: Path) -> None:
    with journal(Path("out"), {"experiment": "x"}):
        assert "another translation into out is running" in refused("x", "in", "out")


def test_a_folder_that_cannot_be_written_ends_the_run_and_loses_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(batch.parts, "atomic_path", full)
        assert "No space left on device" in refused("x", "in", "out")
    translate("x", "in", "out")
    assert len(table()) == 5


@pytest.mark.long
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(project: Path) -> None:
    for index in ALONE[5:15]:
        Path("in", f"{index}.jpg").write_bytes(portrait(index))
    translate("x", "in", "all", "--paste")
    command = [sys.executable, "-m", "pipeline", "translate", "x", "in", "out", "--paste"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    kills = 0
    for more in (1, 3, 4):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        before = finished()
        deadline = time.monotonic() + 120
        while process.poll() is None and finished() < before + more and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 2
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    assert untimed(table()) == untimed(table("all"))
    assert pictures() == pictures("all")
    assert not list(Path("out").rglob(".*.tmp"))


def finished() -> int:
    path = Path("out", NAME)
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_real_photographs_are_all_accounted_for(project: Path, real_pictures: Path) -> None:
    given = project / "real"
    given.mkdir()
    chosen = sorted((real_pictures / "real").iterdir())[:12]
    for path in chosen:
        (given / path.name).symlink_to(path)
    translate("x", "real", "out")
    rows = table()
    assert {row["file"] for row in rows} == {path.name for path in chosen}
    assert all(bool(row["output"]) != bool(row["reason"]) for row in rows)
    assert sum(bool(row["output"]) for row in rows) >= 6
    assert set(pictures()) == {row["output"] for row in rows if row["output"]}
