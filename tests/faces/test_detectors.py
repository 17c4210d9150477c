import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import images
from pipeline.faces.detection import find_faces
from pipeline.faces.detectors import load_detector
from pipeline.faces.detectors.base import Detection
from pipeline.faces.ibug import eye_centers
from pipeline.faces.landmarks import is_upright, predict_68, predict_68_cartoon


def picture(path: Path) -> np.ndarray:
    return images.decode(path.read_bytes())


def test_animeface_works_with_the_installed_pillow(real_pictures: Path) -> None:
    """With Pillow 12 the package by itself finds nothing and says nothing."""
    faces = load_detector("animeface")(picture(real_pictures / "anime" / "kano_test.png"))
    assert len(faces) == 5
    for face in faces:
        left, right, mouth = (np.array(face.points[name]) for name in ("left_eye", "right_eye", "mouth"))
        assert left[0] < right[0]
        assert is_upright(np.stack([left, right]), mouth)
        assert set(face.colors) == {"skin", "hair", "left_eye", "right_eye"}


@pytest.mark.parametrize("name", ["dlib-hog", "animeface"])
@pytest.mark.parametrize("shape", [(16, 16), (16, 640), (640, 16)])
def test_odd_shapes_have_no_face_and_do_not_crash(name: str, shape: tuple[int, int]) -> None:
    assert load_detector(name)(np.zeros((*shape, 3), np.uint8)) == []


def test_eyes_of_photographs_are_found_within_a_tenth_of_their_distance(real_pictures: Path) -> None:
    truth = json.loads((real_pictures / "truth_68_points.json").read_text())
    near_frontal = [name for name, face in truth.items() if face["src"] == "300w"]
    for name in near_frontal:
        rgb = picture(real_pictures / name)
        (face, *_) = find_faces(rgb, load_detector("dlib-hog"), 640, 0.5, 8)
        known = np.array(truth[name]["pts"])
        found, expected = eye_centers(predict_68(rgb, face.box_xyxy)), eye_centers(known)
        assert np.linalg.norm(found - expected, axis=1).max() < 0.1 * np.linalg.norm(
            expected[1] - expected[0]
        )


def test_landmarks_of_a_cartoon_stay_near_the_detectors_eyes(real_pictures: Path) -> None:
    rgb = picture(real_pictures / "anime" / "kano_test.png")
    for face in load_detector("animeface")(rgb):
        eyes = np.array([face.points["left_eye"], face.points["right_eye"]])
        apart = np.linalg.norm(eyes[1] - eyes[0])
        off = np.linalg.norm(eye_centers(predict_68_cartoon(rgb, face.points)) - eyes, axis=1)
        assert off.max() < 0.35 * apart


def test_boxes_are_in_the_pictures_own_pixels() -> None:
    def middle(rgb: np.ndarray) -> list[Detection]:
        height, width = rgb.shape[:2]
        assert max(height, width) == 640
        return [Detection((width / 4, height / 4, width / 2, height / 2), 0.9, {"left_eye": (width / 3, 10)})]

    (face,) = find_faces(np.zeros((600, 1280, 3), np.uint8), middle, 640, 0.5, 8)
    assert face.box_xyxy == (320, 150, 640, 300)
    assert face.points["left_eye"] == pytest.approx((1280 / 3, 20))


def test_the_best_faces_come_first_and_weak_ones_not_at_all() -> None:
    def several(rgb: np.ndarray) -> list[Detection]:
        return [Detection((0, 0, 9, 9), score) for score in (0.4, 0.7, 0.9, 0.6)]

    found = find_faces(np.zeros((64, 64, 3), np.uint8), several, 640, 0.5, 2)
    assert [face.score for face in found] == [0.9, 0.7]
