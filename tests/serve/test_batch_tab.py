"""The tab of many pictures: what is given lies on a visitor's desk, is translated there, and goes."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.errors import UserError
from pipeline.serve.batch import TABLE, Wanted
from pipeline.serve.desk import Desk, Finished, Most, Progress
from pipeline.serve.studio import Limits, Studio, open_studio
from tests.serve.small_zoo import ALONE, portrait, usual_params, write_model

X = Wanted("x")


@pytest.fixture
def studio(in_folder: Path) -> Studio:
    """A studio with the model `x`, in a folder of its own."""
    write_model(in_folder / "models", "x")
    return open_studio(usual_params(), torch.device("cpu"), Limits(1_000_000, None, 8))


@pytest.fixture
def upload(in_folder: Path) -> Callable[[str, bytes], Path]:
    """Lay a file where Gradio lays uploads: in a folder of its own."""

    def lay(name: str, data: bytes) -> Path:
        folder = in_folder / "uploads" / str(len(list(in_folder.glob("uploads/*"))))
        folder.mkdir(parents=True)
        (folder / name).write_bytes(data)
        return folder / name

    return lay


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.jpg", data)
    return buffer.getvalue()


def left_on(parent: Path) -> list[str]:
    return sorted(path.name for path in (parent / "desks").rglob("*") if path.is_file())


def worked(
    desk: Desk, studio: Studio, wanted: Wanted = X, most: Most | None = None
) -> tuple[list[Progress], Finished]:
    desk.begin(1_000_000)
    *progress, finished = desk.translated(wanted, studio, most or Most())
    assert isinstance(finished, Finished)
    return [each for each in progress if isinstance(each, Progress)], finished


def test_a_zip_becomes_a_zip_of_results_with_its_table(
    studio: Studio, upload: Callable[[str, bytes], Path], in_folder: Path
) -> None:
    given = upload("in.zip", zipped(a=portrait(ALONE[0]), b=portrait(ALONE[1]), page=b"<html>"))
    desk = Desk(in_folder / "desks", "somebody")
    desk.take([given])
    progress, finished = worked(desk, studio, Wanted("x", pastes=True))
    assert [(each.done, each.total) for each in progress] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with zipfile.ZipFile(finished.archive) as archive:
        assert sorted(archive.namelist()) == [
            "faces/a.jpg-0.png",
            "faces/b.jpg-0.png",
            "pasted/a.jpg.png",
            "pasted/b.jpg.png",
            TABLE,
        ]
        rows = list(csv.DictReader(io.StringIO(archive.read(TABLE).decode())))
    assert rows == finished.rows
    assert [(row["file"], row["reason"]) for row in rows] == [
        ("a.jpg", ""),
        ("b.jpg", ""),
        ("page.jpg", "not_an_image"),
    ]
    assert rows[2]["advice"]
    assert finished.ended is None
    assert not given.exists()
    assert left_on(in_folder) == ["translated.zip", "uploads.json"]
    desk.leave()
    assert left_on(in_folder) == []


def test_several_files_are_all_there_whatever_they_are_called(
    studio: Studio, upload: Callable[[str, bytes], Path], in_folder: Path
) -> None:
    desk = Desk(in_folder / "desks", "somebody")
    alike = [upload("a.jpg", portrait(ALONE[0])), upload("a.jpg", b"<html>"), upload(".b.jpg", b"GIF no")]
    desk.take([*alike, upload("c.zip", b"no zip")])
    _, finished = worked(desk, studio)
    assert [(row["file"], row["reason"]) for row in finished.rows] == [
        ("a (2).jpg", "not_an_image"),
        ("a.jpg", ""),
        ("b.jpg", "not_an_image"),
        ("c.zip", "unreadable"),
    ]


def test_what_is_given_wrongly_is_named_without_a_path(
    studio: Studio, upload: Callable[[str, bytes], Path], in_folder: Path
) -> None:
    desk = Desk(in_folder / "desks", "somebody")
    with pytest.raises(UserError, match="choose a zip or pictures first"):
        desk.begin(1_000_000)
    desk.take([upload("a.jpg", bytes(11))])
    with pytest.raises(UserError, match="the files take 11 bytes, more than 10; give fewer at once"):
        desk.begin(10)
    desk.take([upload("a.jpg", b""), upload("b.jpg", b"")])
    with pytest.raises(UserError, match="2 files are given, more than 1; give fewer at once"):
        worked(desk, studio, most=Most(files=1))
    desk.take([upload("a.jpg", b"")])
    with pytest.raises(UserError, match="'z' is not one of the trained models: x") as refusal:
        worked(desk, studio, Wanted("z"))
    assert str(in_folder) not in str(refusal.value)
    desk.take([upload("no.zip", b"no zip")])
    assert worked(desk, studio)[1].rows[0]["detail"] == "the zip cannot be read: BadZipFile"
    desk.take([upload("bomb.zip", zipped(a=bytes(1_001)))])
    assert worked(desk, studio, most=Most(unpacked_bytes=1_000))[1].rows[0]["reason"] == "too_large"
    with pytest.raises(UserError, match=r"gone.jpg is not here any more; upload it again"):
        desk.take([in_folder / "gone.jpg"])


def test_stopping_leaves_what_is_done_by_then(
    studio: Studio, upload: Callable[[str, bytes], Path], in_folder: Path
) -> None:
    desk = Desk(in_folder / "desks", "somebody")
    desk.take([upload("in.zip", zipped(a=portrait(ALONE[0]), b=portrait(ALONE[1])))])
    desk.begin(1_000_000)
    going = desk.translated(X, studio, Most())
    assert next(going) == Progress(0, 2)
    assert next(going) == Progress(1, 2)
    Desk(in_folder / "desks", "somebody").stop()
    finished = next(going)
    assert isinstance(finished, Finished)
    assert finished.ended == "stopped"
    assert [row["file"] for row in finished.rows] == ["a.jpg"]
    assert finished.counts.pictures == 1


def test_results_take_no_more_than_they_may(
    studio: Studio, upload: Callable[[str, bytes], Path], in_folder: Path
) -> None:
    desk = Desk(in_folder / "desks", "somebody")
    desk.take([upload("in.zip", zipped(a=portrait(ALONE[0]), b=portrait(ALONE[1])))])
    _, finished = worked(desk, studio, most=Most(result_bytes=100))
    assert finished.ended == "the results take more than 100 bytes; give fewer pictures at once"
    assert [row["file"] for row in finished.rows] == ["a.jpg"]


@pytest.mark.parametrize("closed", [False, True])
def test_nothing_is_left_of_a_visitor_who_goes_in_between(
    studio: Studio, upload: Callable[[str, bytes], Path], in_folder: Path, closed: bool
) -> None:
    desk = Desk(in_folder / "desks", "somebody")
    desk.take([upload("in.zip", zipped(a=portrait(ALONE[0]), b=portrait(ALONE[1])))])
    desk.begin(1_000_000)
    going = desk.translated(X, studio, Most())
    next(going)
    next(going)
    Desk(in_folder / "desks", "somebody").leave()
    going.close() if closed else list(going)
    assert left_on(in_folder) == []


def test_two_visitors_who_give_the_same_upload_both_have_it(
    studio: Studio, upload: Callable[[str, bytes], Path], in_folder: Path
) -> None:
    shared = upload("a.jpg", portrait(ALONE[0]))
    first, second = Desk(in_folder / "desks", "first"), Desk(in_folder / "desks", "../../second")
    first.take([shared])
    second.take([shared])
    assert worked(first, studio)[1].counts.translated == 1
    assert not shared.exists()
    second.take([shared, upload("b.jpg", b"")])  # one more is given, and the first is there still
    assert worked(second, studio)[1].counts.translated == 1


def test_what_another_visitor_uploads_under_the_same_name_stays(
    upload: Callable[[str, bytes], Path], in_folder: Path
) -> None:
    shared = upload("a.jpg", b"1")
    desk = Desk(in_folder / "desks", "first")
    desk.take([shared])
    (in_folder / "new").write_bytes(b"1")
    (in_folder / "new").replace(shared)
    desk.leave()
    assert shared.exists()
