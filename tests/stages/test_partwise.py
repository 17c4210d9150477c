"""A stage maps each row by itself: what goes in comes out or is rejected, and only what is new costs time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.real_pictures import REPOSITORY
from pipeline import parts
from pipeline.stages import partwise
from pipeline.stages.partwise import Row

SOURCE = "demo-portraits"


@dataclass(frozen=True)
class Options:
    words: str


def measure(options: Options, image: Row) -> list[Row]:
    """Stand in for detection: a face of as many pixels as the image has bytes."""
    if image["bytes"] == b"crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if image["bytes"] == b"raise":
        raise RuntimeError("what is this?")
    if image["bytes"] == b"empty":
        return [partwise.rejection("detect", image, "no_face", options.words)]
    size = len(image["bytes"])
    return [
        {"image_id": image["image_id"], "face_id": f"{image['image_id']}-0", "box_xyxy": [0, 0, size, size]}
    ]


STAGE = partwise.PartStage("detect", ("raw",), "detections", parts.DETECTIONS, measure)


@pytest.fixture(autouse=True)
def project(in_folder: Path) -> Path:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, in_folder)
    shutil.copytree(
        REPOSITORY / "pipeline", in_folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__")
    )
    return in_folder


def write_raw(number: int, contents: list[bytes]) -> None:
    rows = [
        {"image_id": hashlib.sha256(data).hexdigest(), "bytes": data, "source": SOURCE} for data in contents
    ]
    parts.write_rows(parts.folder("raw", SOURCE) / parts.part_name(number), rows, parts.RAW)


def run(words: str = "nothing here", taken_down: dict[str, frozenset[str]] | None = None) -> dict[str, bytes]:
    partwise.run(STAGE, SOURCE, Options(words), (), workers=2, taken_down=taken_down)
    return {path.name: path.read_bytes() for path in parts.list_parts(parts.folder("detections", SOURCE))}


def rows_of(number: int) -> list[Row]:
    return parts.read_rows(parts.folder("detections", SOURCE) / parts.part_name(number))


def computed() -> int:
    """Return how many parts the last run computed."""
    return json.loads(partwise.LOG.read_text().splitlines()[-1])["computed"]


def test_every_image_comes_out_in_order_or_is_rejected_with_a_reason() -> None:
    images = [f"image {number}".encode() for number in range(75)]
    images[5], images[40], images[70] = b"crash", b"raise", b"empty"
    write_raw(0, images)
    run()
    rows = rows_of(0)
    assert [row["image_id"] for row in rows] == [hashlib.sha256(data).hexdigest() for data in images]
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
    shutil.rmtree(".cache")
    shutil.rmtree(parts.folder("detections", SOURCE))
    assert run() == warm
    assert computed() == 1


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
    run("something else")
    assert computed() == 1


def test_a_change_of_other_parameters_is_not(project: Path) -> None:
    write_raw(0, [b"one"])
    run()
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("max_faces: 8", "max_faces: 7"))
    run()
    assert computed() == 0


def test_what_is_taken_down_is_rejected_unseen_and_its_part_alone_is_computed() -> None:
    write_raw(0, [b"one", b"two"])
    write_raw(1, [b"three"])
    run()
    one = hashlib.sha256(b"one").hexdigest()
    run(taken_down={parts.part_name(0): frozenset({one})})
    assert computed() == 1
    assert [row["reason"] for row in rows_of(0)] == ["taken_down", None]


def test_the_output_of_a_part_that_is_gone_goes_too() -> None:
    write_raw(0, [b"one"])
    write_raw(1, [b"two"])
    run()
    (parts.folder("raw", SOURCE) / parts.part_name(1)).unlink()
    assert list(run()) == ["part-00000.parquet"]


def test_a_source_without_parts_has_an_empty_output() -> None:
    assert run() == {}
    assert parts.folder("detections", SOURCE).is_dir()
