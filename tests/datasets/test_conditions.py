import numpy as np
import pytest
import torch

from pipeline.datasets.conditions import (
    flip_images,
    flip_points,
    landmark_planes,
    to_images,
    to_tensor,
)
from pipeline.faces.ibug import eye_centers


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(4, 60, (68, 2)).astype(np.float32)


def test_mirroring_twice_gives_the_same_points(points: np.ndarray) -> None:
    np.testing.assert_allclose(flip_points(flip_points(points, 64), 64), points, atol=1e-5)


def test_mirroring_swaps_the_eyes(points: np.ndarray) -> None:
    left, right = eye_centers(points)
    new_left, new_right = eye_centers(flip_points(points, 64))
    np.testing.assert_allclose(new_left, (63 - right[0], right[1]), rtol=1e-5)
    np.testing.assert_allclose(new_right, (63 - left[0], left[1]), rtol=1e-5)


def test_the_outer_corners_of_the_eyes_and_mouth_stay_outer(points: np.ndarray) -> None:
    mirrored = flip_points(points, 64)
    for one, other in [(36, 45), (48, 54), (0, 16), (17, 26), (31, 35), (60, 64)]:
        assert mirrored[one, 0] == pytest.approx(63 - points[other, 0], rel=1e-5)
    assert mirrored[30, 0] == pytest.approx(63 - points[30, 0], rel=1e-5)


@pytest.mark.parametrize("kind", ["points", "lines"])
def test_a_plane_is_0_but_for_the_landmarks(points: np.ndarray, kind: str) -> None:
    plane = landmark_planes(points, 64, kind)
    assert plane.shape == (1, 64, 64)
    assert plane.dtype == np.float32
    assert set(np.unique(plane)) == {0.0, 1.0}
    x, y = points.round().astype(int).T
    assert plane[0, y, x].all()


def test_points_are_small(points: np.ndarray) -> None:
    assert landmark_planes(points, 64, "points").mean() < 0.2


def test_unknown_points_give_an_empty_plane() -> None:
    assert not landmark_planes(np.full((68, 2), np.nan), 32).any()


def test_the_mirrored_plane_is_the_plane_of_the_mirrored_points(points: np.ndarray) -> None:
    whole = points.round()
    mirrored = landmark_planes(whole, 64)[..., ::-1]
    np.testing.assert_array_equal(landmark_planes(flip_points(whole, 64), 64), mirrored)


def test_pixels_survive_the_way_to_a_tensor_and_back() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    tensor = to_tensor(images)
    assert tensor.shape == (2, 3, 8, 8)
    assert tensor.dtype == torch.float32
    assert tensor.min() >= -1
    assert tensor.max() <= 1
    np.testing.assert_array_equal(to_images(tensor), images)


def test_a_plane_is_shown_in_grey() -> None:
    assert (to_images(torch.zeros(1, 1, 4, 4)) == 128).all()


def test_images_mirror_left_to_right() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    np.testing.assert_array_equal(flip_images(images)[0, :, 0], images[0, :, 1])
