"""Real faces: found in any roll, told from animals and plots, marked where a person would, profiles refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import images
from pipeline.faces.detection import Search, find_faces
from pipeline.faces.ibug import eye_centers
from pipeline.faces.landmarks.marking import Unmarkable, mark_real
from pipeline.faces.mesh import fit_mesh
from pipeline.sources.demo import portraits

SEARCH = Search("real", ("blazeface",))
ANIMALS = ("afhq_flickr_dog_000094.jpg", "afhq_pixabay_cat_000276.jpg", "dlib_dogs.jpg", "ptb_cat.12486.jpg")


def picture(path: Path) -> np.ndarray:
    return images.decode(path.read_bytes())


def truth_of(folder: Path) -> dict[str, dict]:
    return json.loads((folder / "truth_68_points.json").read_text())


def eye_error(eyes: np.ndarray, points_68: np.ndarray) -> float:
    """Return the mean error of the eye centres over the distance of the outer eye corners."""
    width = np.linalg.norm(points_68[45] - points_68[36])
    return float(np.linalg.norm(eyes - eye_centers(points_68), axis=1).mean() / width)


@pytest.mark.parametrize("model", ["dlib-68", "mesh-68"])
def test_eyes_of_near_frontal_photographs_are_marked_where_people_mark_them(
    real_pictures: Path, model: str
) -> None:
    near_frontal = {name: face for name, face in truth_of(real_pictures).items() if face["src"] == "300w"}
    assert len(near_frontal) == 3
    for name, face in near_frontal.items():
        rgb = picture(real_pictures / name)
        (found,) = find_faces(rgb, SEARCH).faces
        marked = mark_real(rgb, found.box_xyxy, found.points, model)
        assert eye_error(marked.eyes, np.array(face["pts"])) < {"dlib-68": 0.02, "mesh-68": 0.05}[model]


def test_profiles_are_refused_by_name(real_pictures: Path) -> None:
    profiles = [name for name, face in truth_of(real_pictures).items() if abs(face.get("yaw_deg", 0)) > 50]
    for name in profiles:
        rgb = picture(real_pictures / name)
        (found,) = find_faces(rgb, SEARCH).faces
        with pytest.raises(Unmarkable) as refused:
            mark_real(rgb, found.box_xyxy, found.points, "dlib-68", max_abs_yaw_deg=45)
        assert refused.value.reason == "profile"


@pytest.mark.parametrize("turns", [1, 2])
def test_a_face_on_its_side_or_upside_down_is_marked_as_well_as_upright(
    real_pictures: Path, turns: int
) -> None:
    rgb = picture(real_pictures / "real" / "lfpw_image_0004.png")
    upright = mark_in(rgb)
    height, width = rgb.shape[:2]
    turned = mark_in(np.ascontiguousarray(np.rot90(rgb, turns)))
    there = {
        1: np.stack([upright[:, 1], width - upright[:, 0]], axis=1),
        2: np.array([width, height]) - upright,
    }[turns]
    apart = np.linalg.norm(upright[1] - upright[0])
    assert np.linalg.norm(turned - there, axis=1).max() < 0.05 * apart


def mark_in(rgb: np.ndarray) -> np.ndarray:
    """Return the eyes of the only face."""
    (found,) = find_faces(rgb, SEARCH).faces
    return mark_real(rgb, found.box_xyxy, found.points, "dlib-68").eyes


@pytest.mark.parametrize("name", ANIMALS)
def test_animals_are_no_faces(real_pictures: Path, name: str) -> None:
    found = find_faces(picture(real_pictures / "neg" / name), Search("real", ("blazeface", "mtcnn")))
    assert found.faces == []


def test_what_the_check_refuses_is_counted_and_the_next_detector_is_asked(real_pictures: Path) -> None:
    cats = picture(real_pictures / "neg" / "afhq_pixabay_cat_000276.jpg")
    without = find_faces(cats, Search("real", ("mtcnn",), min_score=0.0, check=False))
    checked = find_faces(cats, Search("real", ("mtcnn",), min_score=0.0))
    assert checked.refused + len(checked.faces) == len(without.faces)


@pytest.mark.parametrize("shape", [(16, 16), (16, 640), (640, 16), (2000, 33)])
def test_blank_pictures_of_odd_shapes_have_no_face(shape: tuple[int, int]) -> None:
    found = find_faces(np.zeros((*shape, 3), np.uint8), Search("real", ("blazeface", "dlib-hog", "mtcnn")))
    assert (found.faces, found.detector) == ([], "mtcnn")


def test_the_mesh_is_sure_of_a_face_and_not_of_noise() -> None:
    drawn = portraits.draw(0, 1)
    (found,) = find_faces(drawn.pixels, SEARCH).faces
    assert fit_mesh(drawn.pixels, found.box_xyxy).presence > 0.9
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert fit_mesh(noise, (50, 50, 250, 250)).presence < 0.5


def test_boxes_are_in_the_pictures_own_pixels_at_any_size() -> None:
    pixels = portraits.draw(0, 1).pixels
    doubled = cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    (once,), (twice,) = find_faces(pixels, SEARCH).faces, find_faces(doubled, SEARCH).faces
    assert np.array(twice.box_xyxy) == pytest.approx(2 * np.array(once.box_xyxy), abs=0.05 * pixels.shape[0])


def test_a_box_without_a_face_is_not_marked() -> None:
    with pytest.raises(Unmarkable, match="bad_landmarks"):
        mark_real(np.full((200, 200, 3), 90, np.uint8), (50, 50, 150, 150), {}, "dlib-68")
