"""What people say of faces is kept in two lists, which an editor fills as well as the application."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.reviews import (
    BAD_FACES_FILE,
    BadFace,
    CorrectedEyes,
    add_bad_face,
    add_corrected_eyes,
    eyes_by_image,
    faces_with_eyes,
    read_bad_faces,
    read_corrected_eyes,
    remove_lines,
)

DAY = "2026-01-31"
IMAGE, OTHER = "a" * 64, "b" * 64
EYES = ((100.0, 80.0), (140.0, 82.0))


def test_a_bad_face_is_listed_once(in_folder: Path) -> None:
    assert read_bad_faces() == []
    assert add_bad_face(IMAGE, (412.004, 230), 'a "doll",\nno face', DAY)
    assert not add_bad_face(IMAGE, (412, 230.001), "still a doll", "2026-02-01")
    assert add_bad_face(IMAGE, (12, 30), "half of it is missing", DAY)
    assert Path("bad_faces.csv").read_text().splitlines() == [
        "image_id,x,y,reason,date",
        f'{IMAGE},412.0,230.0,"a ""doll"", no face",{DAY}',
        f"{IMAGE},12.0,30.0,half of it is missing,{DAY}",
    ]
    assert read_bad_faces()[0] == BadFace(IMAGE, 412.0, 230.0, 'a "doll", no face', DAY)


def test_eyes_are_listed_from_left_to_right_in_whatever_order_they_were_clicked(in_folder: Path) -> None:
    assert add_corrected_eyes(IMAGE, EYES[::-1], DAY)
    assert read_corrected_eyes() == [CorrectedEyes(IMAGE, 100.0, 80.0, 140.0, 82.0, DAY)]
    assert not add_corrected_eyes(IMAGE, EYES, "2026-02-01"), "they are there already"


def test_a_new_correction_replaces_that_of_the_same_face_and_no_other(in_folder: Path) -> None:
    beside = ((200.0, 80.0), (240.0, 82.0))
    for image_id, eyes in ((IMAGE, EYES), (IMAGE, beside), (OTHER, EYES)):
        assert add_corrected_eyes(image_id, eyes, DAY)
    better = ((104.0, 85.0), (143.0, 86.0))
    assert add_corrected_eyes(IMAGE, better, DAY)
    assert eyes_by_image(read_corrected_eyes()) == {IMAGE: [beside, better], OTHER: [EYES]}


def test_what_was_said_can_be_taken_back(in_folder: Path) -> None:
    for x in (1, 2):
        add_bad_face(IMAGE, (x, 5), "blurred", DAY)
    first, second = read_bad_faces()
    assert remove_lines([first], BAD_FACES_FILE) == 1
    assert remove_lines([first], BAD_FACES_FILE) == remove_lines([], BAD_FACES_FILE) == 0
    assert read_bad_faces() == [second]
    assert remove_lines([second], BAD_FACES_FILE) == 1
    assert Path("bad_faces.csv").read_text() == "image_id,x,y,reason,date\n"


def test_lines_of_several_threads_are_all_there(in_folder: Path) -> None:
    def mark(number: int) -> bool:
        add_corrected_eyes(IMAGE, ((100 * number, 5), (100 * number + 40, 5)), DAY)
        return add_bad_face(IMAGE, (number // 2, 7), "blurred", DAY)

    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(mark, range(40)))
    assert sum(added) == len(read_bad_faces()) == 20
    assert len(read_corrected_eyes()) == 40
    assert not list(in_folder.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("image_id", "point", "reason", "day", "named"),
    [
        ("abc", (1, 2), "x", DAY, "image_id"),
        (IMAGE.upper(), (1, 2), "x", DAY, "image_id"),
        (IMAGE, (-1, 2), "x", DAY, "x: -1.0"),
        (IMAGE, (1, float("nan")), "x", DAY, "y: nan"),
        (IMAGE, (1, 2), " \n", DAY, "reason"),
        (IMAGE, (1, 2), "x", "31.1.2026", "date"),
        (IMAGE, (1, 2), "x", "2026-02-30", "date"),
    ],
)
def test_a_mark_that_cannot_be_meant_is_refused(
    in_folder: Path, image_id: str, point: tuple[float, float], reason: str, day: str, named: str
) -> None:
    with pytest.raises(UserError, match=rf"bad_faces\.csv: {named}"):
        add_bad_face(image_id, point, reason, day)
    assert not Path("bad_faces.csv").exists()


@pytest.mark.parametrize("eyes", [((5, 5), (5, 5)), ((5, 5), (5, 90)), ((float("inf"), 5), (9, 5))])
def test_eyes_that_cannot_be_meant_are_refused(in_folder: Path, eyes: tuple) -> None:
    with pytest.raises(UserError, match=r"corrected_eyes\.csv"):
        add_corrected_eyes(IMAGE, eyes, DAY)
    assert not Path("corrected_eyes.csv").exists()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"{IMAGE},1,2,3,4", "has 5 columns instead of 6"),
        (f"{IMAGE},1,two,3,4,{DAY}", "left_y: 'two' is not a number"),
        (f"{IMAGE},1,2,inf,4,{DAY}", "right_x"),
        (f"{IMAGE},30,2,10,4,{DAY}", "left_x: 30.0 must be at least 1 px left of right_x 10.0"),
        (f"abc,1,2,3,4,{DAY}", "image_id"),
        (f"{IMAGE},1,2,3,4,", "date"),
        (f'{IMAGE},1,2,3,4,"{DAY}', "is not CSV"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(in_folder: Path, line: str, problem: str) -> None:
    header = "image_id,left_x,left_y,right_x,right_y,date"
    Path("corrected_eyes.csv").write_text(f"{header}\n{IMAGE},1,2,3,4,{DAY}\n{line}\n")
    with pytest.raises(UserError, match=rf"corrected_eyes\.csv: line \d: .*{problem}") as error:
        read_corrected_eyes()
    assert "line 3" in str(error.value) or "CSV" in problem
    before = Path("corrected_eyes.csv").read_bytes()
    with pytest.raises(UserError):
        add_corrected_eyes(OTHER, EYES, DAY)
    assert Path("corrected_eyes.csv").read_bytes() == before, "what somebody typed is not written over"


@pytest.mark.parametrize(
    "content", [b"", b"image_id,x,y\n", "image_id,x,y,reason,date\n\xe4".encode("latin-1")]
)
def test_a_list_that_is_none_is_refused(in_folder: Path, content: bytes) -> None:
    Path("bad_faces.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"bad_faces\.csv: (line 1 must be|is not UTF-8)"):
        read_bad_faces()


def test_what_a_spreadsheet_has_saved_is_read(in_folder: Path) -> None:
    text = f"image_id,x,y,reason,date\r\n{IMAGE},1,2.5,rotated,{DAY}\r\n\r\n"
    Path("bad_faces.csv").write_bytes(text.encode("utf-8-sig"))
    assert read_bad_faces() == [BadFace(IMAGE, 1.0, 2.5, "rotated", DAY)]


def test_the_lists_that_are_shipped_are_empty() -> None:
    root = Path(__file__).parent.parent
    assert read_bad_faces(root / "bad_faces.csv") == []
    assert read_corrected_eyes(root / "corrected_eyes.csv") == []


# Which face is meant.

LARGE, SMALL, FAR = (0, 0, 100, 100), (60, 60, 100, 100), (300, 0, 340, 60)


@pytest.mark.parametrize(
    ("point", "meant"),
    [((10, 10), 0), ((85, 85), 1), ((62, 61), 0), ((310, 5), 2), ((200, 200), None)],
)
def test_a_mark_means_the_box_that_it_lies_in(point: tuple[float, float], meant: int | None) -> None:
    assert BadFace(IMAGE, *point, "x", DAY).face_among([LARGE, SMALL, FAR]) == meant


def test_eyes_are_those_of_the_box_around_them_or_of_one_that_is_near() -> None:
    inside, above, nowhere = ((20, 40), (60, 40)), ((305, -15), (330, -15)), ((190, 190), (210, 190))
    assert faces_with_eyes([inside, above, nowhere], [LARGE, FAR]) == {0: inside, 1: above}
    later = ((30, 45), (65, 45))
    assert faces_with_eyes([inside, later], [LARGE, FAR]) == {0: later}, "the last word counts"
    assert faces_with_eyes([inside], []) == {}
