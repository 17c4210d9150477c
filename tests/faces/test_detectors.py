from pathlib import Path

import numpy as np
import pytest

from pipeline import images
from pipeline.faces import detectors
from pipeline.faces.detection import Search, find_faces, search_at
from pipeline.faces.detectors import load_detector
from pipeline.faces.detectors.base import Detection
from pipeline.faces.landmarks.agreement import is_upright
from pipeline.faces.landmarks.marking import mark_cartoon


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


def test_landmarks_of_a_cartoon_stay_near_the_detectors_eyes(real_pictures: Path) -> None:
    rgb = picture(real_pictures / "anime" / "kano_test.png")
    for face in load_detector("animeface")(rgb):
        eyes = np.array([face.points["left_eye"], face.points["right_eye"]])
        apart = np.linalg.norm(eyes[1] - eyes[0])
        marked = mark_cartoon(rgb, face.points, "dlib-68")
        assert marked.disagreement is not None
        assert marked.disagreement < 0.35
        assert np.linalg.norm(marked.eyes - eyes, axis=1).max() < 0.35 * apart
        assert face.eye_size is not None
        assert 0.1 < face.eye_size < 0.5


def test_boxes_are_in_the_pictures_own_pixels() -> None:
    def middle(rgb: np.ndarray) -> list[Detection]:
        height, width = rgb.shape[:2]
        assert max(height, width) == 640
        return [Detection((width / 4, height / 4, width / 2, height / 2), 0.9, {"left_eye": (width / 3, 10)})]

    (face,) = search_at(np.zeros((600, 1280, 3), np.uint8), middle, 640)
    assert face.box_xyxy == (320, 150, 640, 300)
    assert face.points["left_eye"] == pytest.approx((1280 / 3, 20))


def test_the_best_faces_come_first_and_weak_ones_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def several(rgb: np.ndarray) -> list[Detection]:
        return [Detection((0, 0, 9, 9), score) for score in (0.4, 0.7, 0.9, 0.6)]

    monkeypatch.setattr(detectors, "load_detector", lambda name: several)
    search = Search("real", ("several",), max_faces=2, check=False)
    found = find_faces(np.zeros((64, 64, 3), np.uint8), search)
    assert [face.score for face in found.faces] == [0.9, 0.7]
    assert found.detector == "several"
