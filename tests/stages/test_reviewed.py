"""What people say of faces is honoured: corrected eyes by the landmarks, bad faces by the catalogue."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline import images, parts
from pipeline.datasets.catalogue import faces_meant
from pipeline.faces.alignment import transform
from pipeline.faces.detection import Search
from pipeline.faces.detectors.animeface import draw_known_face
from pipeline.params import ByRole
from pipeline.reviews import BadFace, Eyes, add_bad_face, add_corrected_eyes
from pipeline.sources.demo import portraits
from pipeline.stages import align, catalogue, colors, detect, landmarks
from pipeline.takedowns import Takedown, add_lines
from tests.datasets.small_catalogue import face, table
from tests.toy_stage import computed, set_up

Row = dict[str, Any]
DAY = "2026-01-31"
SOURCE = "drawings"
DRAWN = landmarks.Marking("cartoon", "dlib-68", max_disagreement=0.3, max_abs_yaw_deg=45)
REAL = landmarks.Marking("real", "dlib-68", max_disagreement=0.165, max_abs_yaw_deg=45)
CUT = align.Cut("cartoon", "eyes", "none", size_px=128, eye_y=0.45, eye_distance=0.3, format="png")
PLACES = [(0.35 * 128, 0.45 * 128), (0.65 * 128, 0.45 * 128)]
# Where the known face, enlarged to 200 px and drawn at (100, 100), has its eyes and its mouth.
POINTS = {"left_eye": (173.0, 210.0), "right_eye": (227.0, 210.0), "mouth": (200.0, 248.0)}
BOX = (120, 120, 280, 280)
EYES: Eyes = ((172.0, 211.0), (229.0, 209.0))


def drawing(shade: int = 220) -> np.ndarray:
    """Draw the known face on a page whose colour makes it another picture."""
    rgb = np.full((400, 400, 3), (200, shade, 240), np.uint8)
    rgb[100:300, 100:300] = cv2.resize(draw_known_face(), (200, 200), interpolation=cv2.INTER_CUBIC)
    return rgb


def detected(points: dict[str, tuple[float, float]], image_id: str = "i", number: int = 0) -> Row:
    named = [{"name": name, "x": x, "y": y} for name, (x, y) in points.items()]
    own = {"image_id": image_id, "face_id": f"{image_id}-{number}", "box_xyxy": list(BOX), "points": named}
    return dict.fromkeys(parts.DETECTIONS.names) | own | {"score": 0.9, "detector": "animeface", "colors": []}


def portrait() -> tuple[np.ndarray, Row]:
    """Return a rendered portrait and its face as detection leaves it."""
    rgb = portraits.draw(0, 1).pixels
    (found,) = detect.faces_of(Search("real", ("blazeface", "dlib-hog")), "i", rgb)
    return rgb, found


def marked(marking: landmarks.Marking, rgb: np.ndarray, found: Row, by_hand: Eyes | None = None) -> Row:
    """Return the row of `landmarks` with all its columns."""
    row = landmarks.landmarks_of(marking, rgb, found, by_hand)
    return dict.fromkeys(parts.LANDMARKS.names) | row


# One face.


def test_corrected_eyes_lie_at_the_alignments_places_and_agreeing_landmarks_stay() -> None:
    found = detected(POINTS)
    before, after = marked(DRAWN, drawing(), found), marked(DRAWN, drawing(), found, EYES)
    assert before["eyes"] != after["eyes"] == [list(eye) for eye in EYES]
    assert (before["model"], after["model"]) == ("dlib-68", "dlib-68, eyes by hand")
    assert after["roll_deg"] == pytest.approx(-2.01, abs=0.01)
    assert 0 < after["landmark_quality"] <= 1
    assert np.shape(after["points_68"]) == (68, 2)
    crop = align.align_face(CUT, drawing(), after)
    np.testing.assert_allclose(
        transform(np.array(EYES), np.reshape(crop["matrix"], (2, 3))), PLACES, atol=1e-6
    )
    moved = transform(np.array(before["eyes"]), np.reshape(crop["matrix"], (2, 3)))
    assert np.abs(moved - PLACES).max() > 0.5, "the crop is another one"


def test_a_drawn_face_without_eyes_is_rescued_with_its_eyes_only() -> None:
    found = detected({"mouth": POINTS["mouth"], "left_eye": POINTS["left_eye"]})
    blank = np.full((400, 400, 3), 200, np.uint8)
    none = landmarks.Marking("cartoon", "none", 0.3, 45)
    assert marked(none, blank, found)["reason"] == "eye_missing"
    rescued = marked(none, blank, found, EYES)
    assert (rescued["reason"], rescued["model"], rescued["points_68"]) == (None, "eyes by hand", None)
    assert (rescued["yaw_deg"], rescued["pitch_deg"], rescued["landmark_quality"]) == (None, None, None)
    crop = dict.fromkeys(parts.ALIGNED.names) | align.align_face(CUT, drawing(), rescued)
    assert crop["reason"] is None
    assert crop["occlusion"] is None
    (color,) = colors.colors(colors.Options(), crop, [rescued], [found])
    assert color == {"image_id": "i", "face_id": "i-0"}


def test_a_real_face_that_the_mesh_does_not_believe_is_rescued() -> None:
    grey = np.full((400, 400, 3), 90, np.uint8)
    found = detected({})
    assert marked(REAL, grey, found)["reason"] == "bad_landmarks"
    rescued = marked(REAL, grey, found, EYES)
    assert (rescued["reason"], rescued["model"]) == (None, "eyes by hand")
    assert rescued["eyes"] == [list(eye) for eye in EYES]


def test_landmarks_that_do_not_agree_with_the_eyes_are_dropped() -> None:
    rgb, found = portrait()
    seen = marked(REAL, rgb, found)
    assert seen["points_68"] is not None
    left, right = np.array(seen["eyes"])
    down = np.array([0, 0.5 * np.linalg.norm(right - left)])
    after = marked(REAL, rgb, found, (tuple(left + down), tuple(right + down)))
    assert (after["reason"], after["points_68"], after["yaw_deg"]) == (None, None, None)
    same = marked(REAL, rgb, found, (tuple(left), tuple(right)))
    np.testing.assert_allclose(same["points_68"], seen["points_68"], atol=0.1 * np.linalg.norm(right - left))
    assert same["yaw_deg"] is not None


def test_a_profile_stays_one() -> None:
    rgb, found = portrait()
    strict = landmarks.Marking("real", "dlib-68", 0.165, max_abs_yaw_deg=1e-6)
    eyes = marked(REAL, rgb, found)["eyes"]
    assert marked(strict, rgb, found, eyes)["reason"] == "profile"


@pytest.mark.parametrize("method", ["ffhq", "landmarks"])
def test_a_face_with_eyes_only_is_not_cut_out_by_landmarks(method: Any) -> None:
    cut = align.Cut("cartoon", method, "none", 128, 0.45, 0.3, "png")
    row = dict.fromkeys(parts.LANDMARKS.names) | {"image_id": "i", "face_id": "i-0", "eyes": EYES}
    rejected = align.align_face(cut, drawing(), row)
    assert (rejected["stage"], rejected["reason"]) == ("align", "bad_landmarks")
    assert repr(method) in rejected["detail"]


def test_of_two_faces_the_one_around_the_eyes_is_corrected() -> None:
    beside = detected(POINTS, number=1) | {"box_xyxy": [300, 0, 380, 80]}
    image = {"image_id": "i", "bytes": images.encode(drawing(), "png"), "role": None}
    first, second = landmarks.landmarks(
        landmarks.Options(ByRole(DRAWN)), image, [beside, detected(POINTS)], [EYES]
    )
    assert "by hand" not in first["model"]
    assert second["eyes"] == [list(eye) for eye in EYES]


# A source.


@pytest.fixture
def drawings(in_folder: Path) -> list[str]:
    """A project with two drawings in parts of their own, as detection leaves them; their ids."""
    set_up(in_folder)
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    entry = {"kind": "folder", "path": ".", "domain": "anime"}
    values |= {"sources": {SOURCE: entry}, "experiments": {}, "schedules": {}, "metrics": {"tagger": "none"}}
    Path("params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    listed = []
    for number, shade in enumerate((220, 120)):
        data = images.encode(drawing(shade), "png")
        listed.append(hashlib.sha256(data).hexdigest())
        raw = {"image_id": listed[-1], "bytes": data, "source": SOURCE, "url": f"file:{number}.png"}
        found = detected(POINTS, listed[-1])
        for name, row, schema in (("raw", raw, parts.RAW), ("detections", found, parts.DETECTIONS)):
            parts.write_rows(parts.folder(name, SOURCE) / parts.part_name(number), [row], schema)
    return listed


def written(name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in parts.list_parts(parts.folder(name, SOURCE))}


def through_all() -> None:
    for stage in (landmarks, align, colors):
        stage.run(SOURCE)
    catalogue.run()


def catalogued() -> dict[str, Row]:
    return {row["image_id"]: row for row in parts.read_rows(catalogue.FOLDER / "faces.parquet")}


def test_one_correction_computes_one_part_and_ends_as_a_full_run_does(drawings: list[str]) -> None:
    landmarks.run(SOURCE)
    before = written("landmarks")
    Path("corrected_eyes.csv").write_bytes((REPOSITORY / "corrected_eyes.csv").read_bytes())
    landmarks.run(SOURCE)
    assert computed() == 0, "nothing is said of any image"
    add_corrected_eyes("f" * 64, EYES, DAY)
    landmarks.run(SOURCE)
    assert computed() == 0, "it is about an image of another source"
    add_corrected_eyes(drawings[1], EYES, DAY)
    landmarks.run(SOURCE)
    assert computed() == 1
    after = written("landmarks")
    assert [name for name in after if after[name] != before[name]] == [parts.part_name(1)]
    for path in Path(".cache/parts").rglob("*.parquet"):
        path.unlink()
    landmarks.run(SOURCE)
    assert computed() == 2
    assert written("landmarks") == after
    Path("corrected_eyes.csv").unlink()
    landmarks.run(SOURCE)
    assert written("landmarks") == before, "a line that is deleted is forgotten"


def test_a_bad_face_is_not_kept_and_nothing_is_lost(
    drawings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    add_bad_face(drawings[0], (200, 200), "a mask", DAY)
    add_corrected_eyes(drawings[1], EYES, DAY)
    through_all()
    faces = catalogued()
    bad, corrected = (faces[image_id] for image_id in drawings)
    assert (bad["kept"], bad["stage"], bad["reason"], bad["detail"]) == (
        False,
        "catalogue",
        "marked_bad",
        "a mask",
    )
    assert "by hand" in corrected["model"]
    rejected = parts.read_rows(catalogue.FOLDER / "rejections.parquet")
    assert len(faces) == sum(row["kept"] for row in faces.values()) + len(rejected) == 2
    assert (bad["face_id"], "marked_bad") in {(row["face_id"], row["reason"]) for row in rejected}
    assert "mean no face" not in capsys.readouterr().err
    Path("bad_faces.csv").unlink()
    catalogue.run()
    assert catalogued()[drawings[0]]["reason"] != "marked_bad"


def test_a_line_that_means_no_face_is_named_unless_its_image_was_taken_down(
    drawings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    add_lines([Takedown("image", "d" * 64, "asked for", DAY)])
    add_bad_face("d" * 64, (1, 1), "blurred", DAY)
    add_bad_face(drawings[0], (399, 1), "a slip of the mouse", DAY)
    for number in range(11):
        add_corrected_eyes(f"{number:064x}", EYES, DAY)
    through_all()
    said = capsys.readouterr().err
    assert "bad_faces.csv: 1 of 2 lines mean no face that was found" in said
    assert f"image {drawings[0]}, the face at (399, 1)" in said
    assert "corrected_eyes.csv: 11 of 11 lines mean no face" in said
    assert "and 1 more" in said
    assert "d" * 64 not in said


def test_a_mark_means_one_face_in_each_source_that_has_the_image() -> None:
    image_id = f"{7:064x}"
    box = {"image_id": image_id, "box_xyxy": [0, 0, 40, 40]}
    rows = [
        face(1, "photo", box_xyxy=[0, 0, 40, 40]),
        face(7, "photo", **box),
        face(8, "photo", **box | {"box_xyxy": [30, 30, 90, 90]}),
        face(9, "anime", **box),
    ]
    line = BadFace(image_id, 32, 32, "blurred", DAY)
    assert sorted(row for row, _ in faces_meant(table(rows), [line])) == [1, 3]
