"""Portraits and cartoons: deterministic, varied, and true to their landmarks."""

import hashlib

import cv2
import numpy as np
import pytest

from pipeline.sources.demo import cartoons, portraits
from pipeline.sources.demo.plan import face_count, is_hidden

STYLES = pytest.mark.parametrize("draw", [portraits.draw, cartoons.draw], ids=["portrait", "cartoon"])


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


@STYLES
def test_the_same_seed_and_index_give_the_same_bytes(draw):
    for index in (0, 8, 17):
        assert digest(draw(3, index).pixels) == digest(draw(3, index).pixels)


@STYLES
def test_other_seeds_and_indices_give_other_pictures(draw):
    digests = {digest(draw(seed, index).pixels) for seed in (0, 1) for index in range(4)}
    assert len(digests) == 8


@STYLES
def test_the_number_of_threads_changes_nothing(draw):
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = digest(draw(0, 2).pixels)
        cv2.setNumThreads(4)
        assert digest(draw(0, 2).pixels) == alone
    finally:
        cv2.setNumThreads(before)


@STYLES
def test_pictures_are_rgb_of_the_promised_size(draw):
    pixels = draw(0, 0).pixels
    assert pixels.shape == (512, 512, 3)
    assert pixels.dtype == np.uint8


@STYLES
def test_the_plan_decides_how_many_faces_there_are(draw):
    for index in (0, 8, 17):
        assert len(draw(0, index).faces) == face_count(index)
    assert not draw(0, 11).faces[0].findable
    assert draw(0, 12).faces[0].findable


def test_five_to_eight_percent_of_the_faces_are_hidden():
    hidden = sum(is_hidden(index) for index in range(240))
    assert 0.05 <= hidden / 240 <= 0.08


@STYLES
@pytest.mark.parametrize("index", [0, 1, 2, 3, 4, 8])
def test_landmarks_lie_inside_the_picture_and_in_order(draw, index):
    for face in draw(5, index).faces:
        points = face.landmarks_68
        assert points.shape == (68, 2)
        assert points.min() >= 0
        assert points.max() <= 511
        assert face.left_eye[0] < face.right_eye[0]
        assert points[0, 0] < points[8, 0] < points[16, 0]
        mouth = points[48:68].mean(axis=0)
        assert max(face.left_eye[1], face.right_eye[1]) < mouth[1] < points[8, 1]
        assert points[48, 0] < points[54, 0]
        x0, y0, x1, y1 = face.box_xyxy
        assert x0 < face.left_eye[0] < face.right_eye[0] < x1
        assert y0 < mouth[1] < y1


@STYLES
def test_the_iris_has_the_promised_colour_near_the_promised_eye(draw):
    near = 0
    for index in (0, 1, 2, 3, 4, 6):
        picture = draw(0, index)
        face = picture.faces[0]
        x, y = (round(v) for v in face.left_eye)
        patch = picture.pixels[y - 9 : y + 10, x - 9 : x + 10].reshape(-1, 3).astype(float)
        wanted = np.array(face.left_eye_rgb, dtype=float)
        ratios = patch / np.maximum(np.linalg.norm(patch, axis=1, keepdims=True), 1)
        alike = ratios @ (wanted / np.linalg.norm(wanted))
        near += bool((alike > 0.985).mean() > 0.05)
    assert near >= 5
