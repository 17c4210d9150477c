"""The shipped face embedding: the same for the same face, at any size, and nearer for the same person."""

from __future__ import annotations

import cv2
import dlib
import numpy as np
import pytest

from benchmarks.demo_faces import DRAWERS
from pipeline.faces import alignment
from pipeline.faces.embedding import embed, load_resnet
from pipeline.faces.warping import warp


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Four rendered people, aligned by their true eyes at 150 px."""
    draw, _ = DRAWERS["portrait"]
    shown = [(picture.pixels, picture.faces[0]) for picture in (draw(0, index) for index in range(4))]
    return np.array([aligned(pixels, np.array([face.left_eye, face.right_eye])) for pixels, face in shown])


def aligned(pixels: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    return warp(pixels, alignment.eye_similarity(eyes, 150, 0.45, 0.3), 150)


def test_is_what_dlib_says_of_the_chip(faces: np.ndarray) -> None:
    found = embed(faces[:1])
    assert found.shape == (1, 128)
    assert found.dtype == np.float64
    batch = load_resnet().compute_face_descriptor([faces[0]])
    assert found[0] == pytest.approx(np.array(batch[0]), abs=1e-5)
    assert isinstance(load_resnet(), dlib.face_recognition_model_v1)


def test_is_the_same_each_time_and_in_any_company(faces: np.ndarray) -> None:
    assert np.array_equal(embed(faces)[2:3], embed(faces[2:3]))


def test_a_face_at_64_px_stays_nearest_to_itself(faces: np.ndarray) -> None:
    small = np.array([cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA) for face in faces])
    apart = np.linalg.norm(embed(small)[:, None] - embed(faces), axis=-1)
    assert apart.argmin(axis=1).tolist() == [0, 1, 2, 3]


def test_no_faces_have_no_descriptors_and_a_constant_image_a_finite_one() -> None:
    assert embed(np.empty((0, 64, 64, 3), np.uint8)).shape == (0, 128)
    assert np.isfinite(embed(np.full((1, 64, 64, 3), 128, np.uint8))).all()


@pytest.mark.parametrize("shape", [(64, 64, 3), (1, 64, 32, 3), (1, 64, 64)])
def test_what_is_no_square_face_is_a_clear_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="N×S×S×3"):
        embed(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        embed(np.full((1, 64, 64, 3), np.nan))
