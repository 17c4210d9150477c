"""Cartoon faces: how drawn pictures are searched, what is taken for a face, and where its eyes are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import images
from pipeline.errors import UserError
from pipeline.faces.detection import Search, find_faces
from pipeline.faces.detectors import animeface, load_detector
from pipeline.faces.detectors.animeface import both_eyes_seen, draw_known_face
from pipeline.faces.detectors.base import Detection
from pipeline.faces.drawn import confirmed, merged, search_drawn
from pipeline.faces.landmarks.drawn_eyes import find_irises
from pipeline.faces.landmarks.marking import Unmarkable, mark_cartoon

FACE = draw_known_face()
SKY = (200, 220, 240)


def page(height: int, width: int, *places: tuple[int, int], side: int = 200) -> np.ndarray:
    """Draw a page with the known face at places (x, y)."""
    rgb = np.full((height, width, 3), SKY, np.uint8)
    for x, y in places:
        rgb[y : y + side, x : x + side] = cv2.resize(FACE, (side, side), interpolation=cv2.INTER_CUBIC)
    return rgb


def search(rgb: np.ndarray, long_side_px: int = 640, group_long_side_px: int = 1280) -> list[Detection]:
    return search_drawn(rgb, load_detector("animeface"), long_side_px, group_long_side_px)


def test_the_detector_is_refused_where_it_does_not_find_the_known_face(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As happened with Pillow 12, where the package by itself finds nothing and says nothing."""
    animeface.AnimeFace()
    monkeypatch.setattr(animeface._nvxs, "detect", lambda picture: [])
    with pytest.raises(UserError, match=r"animeface.*make setup"):
        animeface.AnimeFace()


def test_each_face_of_a_page_is_found_once() -> None:
    faces = search(page(400, 640, (50, 100), (380, 100)))
    centers = sorted((face.box_xyxy[0] + face.box_xyxy[2]) / 2 for face in faces)
    assert centers == pytest.approx([150, 480], abs=20)


def test_the_same_picture_gives_the_same_faces_with_the_same_colors() -> None:
    """The package's search for colours starts by lot."""
    rgb = page(400, 640, (50, 100), (380, 100))
    settings = Search("cartoon", ("animeface",))
    first = find_faces(rgb, settings)
    assert all(find_faces(rgb, settings) == first for _ in range(4))


def test_the_single_most_likely_face_is_max_faces_1() -> None:
    rgb = page(400, 640, (50, 100), (380, 100))
    both = find_faces(rgb, Search("cartoon", ("animeface",))).faces
    assert len(both) == 2
    (best,) = find_faces(rgb, Search("cartoon", ("animeface",), max_faces=1)).faces
    assert best == both[0]
    assert best.score == max(face.score for face in both)


def test_small_faces_of_a_large_picture_are_found_at_the_size_for_groups() -> None:
    places = [(x, y) for x in (100, 500, 900) for y in (100, 600)]
    rgb = page(1000, 1280, *places, side=130)
    assert len(search(rgb, 320, 320)) < len(places)
    assert len(search(rgb, 320, 1280)) == len(places)


def test_a_face_that_fills_its_picture_is_found() -> None:
    """Detectors want room around a face: it gets a border."""
    tight = page(200, 200, (0, 0))[30:175, 28:172]
    assert not load_detector("animeface")(tight)
    (face,) = search(tight)
    assert all(0 <= x <= 144 and 0 <= y <= 145 for x, y in face.points.values())


def test_faces_on_a_long_strip_are_found_and_those_in_an_overlap_once() -> None:
    rng = np.random.default_rng(0)
    rgb = page(4000, 400, (100, 300), (100, 1700), (100, 3600))
    # A drawing without any gutter: a wavy line runs down its side.
    rgb[:, 5:25] = rng.integers(0, 256, (4000, 20, 3), np.uint8)
    tops = sorted(face.points["left_eye"][1] for face in search(rgb))
    assert tops == pytest.approx([410, 1810, 3710], abs=25)
    assert not load_detector("animeface")(cv2.resize(rgb, (64, 640), interpolation=cv2.INTER_AREA))


def test_two_finds_of_one_face_are_one_the_likelier() -> None:
    likely, weak = Detection((0, 0, 100, 100), 0.9), Detection((10, 10, 105, 105), 0.6)
    beside = Detection((90, 0, 190, 100), 0.7)
    assert merged([weak, beside, likely]) == [likely, beside]


def test_a_face_is_found_again_in_other_views_and_chance_is_not() -> None:
    rgb, detector = page(400, 400, (100, 100)), load_detector("animeface")
    (face,) = detector(rgb)
    again = confirmed(rgb, face, detector)
    assert again is not None
    assert again.points["left_eye"] == pytest.approx(face.points["left_eye"], abs=8)
    elsewhere = Detection((200, 280, 300, 380), 1.0, face.points)
    assert confirmed(rgb, elsewhere, detector) is None


def test_eyes_that_cannot_both_be_seen() -> None:
    rgb = np.zeros((100, 200, 3), np.uint8)
    rgb[::2] = 255
    assert both_eyes_seen(rgb, (40, 40, 20, 20), (120, 40, 22, 18))
    assert not both_eyes_seen(rgb, (40, 40, 20, 20), (120, 40, 0, 0)), "missing"
    assert not both_eyes_seen(rgb, (40, 40, 20, 20), (120, 40, 8, 8)), "much smaller"
    assert not both_eyes_seen(rgb, (40, 40, 20, 20), (48, 40, 20, 20)), "overlapping"
    assert not both_eyes_seen(rgb, (40, 40, 20, 20), (210, 40, 20, 20)), "outside the picture"
    rgb[:, 100:] = 128
    assert not both_eyes_seen(rgb, (40, 40, 20, 20), (120, 40, 20, 20)), "without contrast"


def test_a_face_with_a_hidden_eye_is_rejected_as_eye_missing() -> None:
    with pytest.raises(Unmarkable) as problem:
        mark_cartoon(page(400, 400, (100, 100)), {"mouth": (200, 250), "left_eye": (170, 210)}, "dlib-68")
    assert problem.value.reason == "eye_missing"


def test_eyes_where_none_are_drawn_are_rejected() -> None:
    blank = page(400, 400)
    points = {"left_eye": (150, 200), "right_eye": (250, 200), "mouth": (200, 280)}
    with pytest.raises(Unmarkable) as problem:
        mark_cartoon(blank, points, "dlib-68")
    assert problem.value.reason == "eye_missing"


def test_irises_are_found_from_some_way_off() -> None:
    truth = np.array([(35.0, 53.0), (61.0, 53.0)])
    for off in ((0, 0), (2, -2), (-2, 2)):
        found = find_irises(FACE, truth + off)
        assert np.linalg.norm(found.centers - truth, axis=1).max() < 0.08 * 26


def test_a_face_of_which_only_the_box_is_known_is_marked_by_the_model_alone() -> None:
    rgb = page(400, 400, (100, 100))
    (face,) = load_detector("animeface")(rgb)
    marked = mark_cartoon(rgb, {}, "dlib-68", face.box_xyxy)
    assert marked.points_68 is not None
    assert marked.disagreement is not None
    with pytest.raises(Unmarkable, match="eye_missing"):
        mark_cartoon(rgb, {}, "none", face.box_xyxy)


def test_the_faces_of_a_real_drawing_are_found_and_a_city_has_none(real_pictures: Path) -> None:
    search = Search("cartoon", ("animeface",))
    drawing = images.decode((real_pictures / "anime" / "kano_test.png").read_bytes())
    assert len(find_faces(drawing, search).faces) == 5
    city = images.decode((real_pictures / "neg" / "wbc_london1.jpg").read_bytes())
    assert find_faces(city, search).faces == []
