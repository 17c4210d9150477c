"""A stage maps each row by itself: what goes in comes out or is rejected, and only what is new costs time."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import parts
from pipeline.errors import UserError
from pipeline.params import ByRole, LocalEngine
from pipeline.stages import detect, partwise
from tests.toy_stage import (
    LANDMARKS,
    SOURCE,
    Options,
    computed,
    forget,
    image_id,
    rows_of,
    run,
    set_up,
    write_raw,
)


@pytest.fixture(autouse=True)
def project(in_folder: Path) -> Path:
    set_up(in_folder)
    return in_folder


def test_every_image_comes_out_in_order_or_is_rejected_with_a_reason() -> None:
    images = [f"image {number}".encode() for number in range(75)]
    images[5], images[40], images[70] = b"crash", b"raise", b"empty"
    write_raw(0, images)
    run()
    rows = rows_of(0)
    assert [row["image_id"] for row in rows] == [image_id(data) for data in images]
    rejected = {images[place]: row for place, row in enumerate(rows) if row["reason"]}
    assert {data: row["reason"] for data, row in rejected.items()} == {
        b"crash": "worker_crashed",
        b"raise": "failed",
        b"empty": "no_face",
    }
    assert rejected[b"raise"]["detail"] == "RuntimeError: what is this?"


def test_a_new_part_is_all_that_is_computed() -> None:
    write_raw(0, [b"one", b"two"])
    before = run()
    write_raw(1, [b"three"])
    after = run()
    assert computed() == 1
    assert after["part-00000.parquet"] == before["part-00000.parquet"]
    assert len(after) == 2


def test_without_the_cache_the_bytes_are_the_same() -> None:
    write_raw(0, [f"image {number}".encode() for number in range(50)])
    warm = run()
    forget()
    assert run() == warm
    assert computed() == 1


def test_the_number_of_processes_changes_neither_the_bytes_nor_what_is_known() -> None:
    write_raw(0, [f"image {number}".encode() for number in range(50)] + [b"raise", b"empty"])
    write_raw(1, [b"crash", *[f"picture {number}".encode() for number in range(7)]])
    with_two = run()
    assert run(engine=LocalEngine(workers=1)) == with_two
    assert computed() == 0
    forget()
    assert run(engine=LocalEngine(workers=1)) == with_two
    assert computed() == 2


def test_faces_meet_their_image_wherever_their_row_lies() -> None:
    """Faces outnumber images or are fewer, so their rows do not lie in the same row groups."""
    contents = [bytes([number]) * 3 for number in range(100)] + [b"empty", b"raise"]
    write_raw(0, contents)
    run()
    run(stage=LANDMARKS)
    rows = parts.read_rows(parts.folder("landmarks", SOURCE) / parts.part_name(0))
    assert [(row["image_id"], row["yaw_deg"]) for row in rows] == [
        (image_id(data), data[0]) for data in contents[:100]
    ]


def test_what_the_user_must_put_right_ends_the_stage() -> None:
    write_raw(0, [b"one", b"no weights"])
    with pytest.raises(UserError, match="weights are missing"):
        run()


def test_an_image_that_crashed_once_by_chance_is_not_lost(in_folder: Path) -> None:
    write_raw(0, [b"one", b"crash once", b"two"])
    run(Options(marker=str(in_folder / "marker")))
    assert (in_folder / "marker").exists()
    assert [row["reason"] for row in rows_of(0)] == [None, None, None]


def test_a_change_of_the_listed_code_is_computed_anew(project: Path) -> None:
    write_raw(0, [b"one"])
    run()
    code = project / "pipeline" / "faces" / "detection.py"
    code.write_text(code.read_text() + "\n# another line\n")
    run()
    assert computed() == 1


def test_a_change_of_other_code_is_not(project: Path) -> None:
    write_raw(0, [b"one"])
    run()
    (project / "pipeline" / "faces" / "colors.py").write_text("")
    run()
    assert computed() == 0


def test_a_change_of_the_options_is_computed_anew() -> None:
    write_raw(0, [b"one"])
    run()
    run(Options("something else"))
    assert computed() == 1


def test_a_change_of_other_parameters_is_not(project: Path) -> None:
    write_raw(0, [b"one"])
    run()
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("max_faces: 8", "max_faces: 7"))
    run()
    assert computed() == 0


def test_what_people_say_of_an_image_reaches_the_stage_and_its_part_alone_is_computed() -> None:
    write_raw(0, [b"one", b"two"])
    write_raw(1, [b"three"])
    before = run()
    one = {parts.part_name(0): {image_id(b"one"): "a hand"}}
    after = run(said=one)
    assert computed() == 1
    assert [row["detail"] for row in rows_of(0)] == ["a hand", None]
    forget()
    assert run(said=one) == after
    run(said={parts.part_name(0): {image_id(b"one"): "a foot"}})
    assert computed() == 1
    assert run(said={}) == run() != after
    assert before.keys() == after.keys()


def test_what_is_said_of_nothing_costs_nothing() -> None:
    write_raw(0, [b"one"])
    before = run()
    assert run(said={}) == before
    assert (
        run(said=partwise.said_by_part(SOURCE, (), lambda row: row["image_id"] == image_id(b"two"))) == before
    )
    assert computed() == 0


def test_what_is_taken_down_is_rejected_unseen() -> None:
    write_raw(0, [b"one", b"two"])
    said = partwise.said_by_part(SOURCE, ("url",), lambda row: row["image_id"] == image_id(b"one"))
    assert said == {parts.part_name(0): {image_id(b"one"): True}}
    image = {"image_id": "i", "bytes": b"no image", "role": None}
    (row,) = detect.detect(detect.Options(ByRole(None)), image, True)
    assert (row["stage"], row["reason"]) == ("detect", "taken_down")


def test_the_output_of_a_part_that_is_gone_goes_too() -> None:
    write_raw(0, [b"one"])
    write_raw(1, [b"two"])
    run()
    (parts.folder("raw", SOURCE) / parts.part_name(1)).unlink()
    assert list(run()) == ["part-00000.parquet"]


def test_a_source_without_parts_has_an_empty_output() -> None:
    assert run() == {}
    assert parts.folder("detections", SOURCE).is_dir()
