from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.datasets.conditions import (
    color_planes,
    color_values,
    flip_points,
    known_colors,
    landmark_planes,
    to_images,
    to_tensor,
)
from pipeline.faces.ibug import eye_centers
from pipeline.faces.mean_face import MEAN_FACE

CONTOURS = [(0, 17), (17, 22), (22, 27), (27, 31), (31, 36), (36, 42), (42, 48), (48, 60), (60, 68)]
CLOSED = {36, 42, 48, 60}


@pytest.fixture
def points() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(4, 60, (2, 68, 2)).astype(np.float32))


@pytest.fixture
def face() -> Tensor:
    """The mean face on 64 px."""
    return torch.from_numpy(MEAN_FACE * 18 + [31.5, 24]).float()[None]


def test_mirroring_twice_gives_the_same_points(points: Tensor) -> None:
    torch.testing.assert_close(flip_points(flip_points(points, 64), 64), points)


def test_mirroring_swaps_the_eyes(points: Tensor) -> None:
    left, right = eye_centers(points[0].numpy())
    new_left, new_right = eye_centers(flip_points(points, 64)[0].numpy())
    np.testing.assert_allclose(new_left, (63 - right[0], right[1]), rtol=1e-5)
    np.testing.assert_allclose(new_right, (63 - left[0], left[1]), rtol=1e-5)


def test_the_outer_corners_of_the_eyes_and_mouth_stay_outer(points: Tensor) -> None:
    mirrored = flip_points(points, 64)
    for one, other in [(36, 45), (48, 54), (0, 16), (17, 26), (31, 35), (60, 64), (30, 30)]:
        torch.testing.assert_close(mirrored[:, one, 0], 63 - points[:, other, 0])
        torch.testing.assert_close(mirrored[:, one, 1], points[:, other, 1])


@pytest.mark.parametrize("shape", ["points", "lines"])
def test_a_plane_is_0_but_for_the_landmarks(points: Tensor, shape: str) -> None:
    planes = landmark_planes(points, 64, shape)
    assert planes.shape == (2, 1, 64, 64)
    assert planes.dtype == torch.float32
    assert set(planes.unique().tolist()) == {0.0, 1.0}
    for plane, own in zip(planes[:, 0], points.round().long(), strict=True):
        assert plane[own[:, 1], own[:, 0]].all()


def test_with_pixels_of_0_and_1_a_plane_is_nearly_minus_1_everywhere(face: Tensor) -> None:
    """Document 004: the weights exploded; with 127 they did not."""
    plane = landmark_planes(face, 64, pixels=(0, 1))
    assert plane.min() == -1
    assert plane.max() == pytest.approx(1 / 127.5 - 1)
    assert plane.mean() < -0.99
    default = landmark_planes(face, 64)
    assert (default[plane == -1] == 0).all()
    assert (default[plane > -1] == 1).all()
    assert default.mean() < 0.2
    assert landmark_planes(face, 64, pixels=(127, 255)).min() == pytest.approx(-0.5 / 127.5)


@pytest.mark.parametrize("shape", ["points", "lines"])
@pytest.mark.parametrize("size", [16, 96])
def test_what_is_drawn_is_near_a_landmark_or_a_line(face: Tensor, shape: str, size: int) -> None:
    points = face * size / 64
    drawn = landmark_planes(points, size, shape)[0, 0].bool().numpy()
    distance = _distances(points[0].round().numpy(), size, shape)
    reach = max(size / 64, 0.5 if shape == "points" else 0.75)
    assert drawn[distance <= reach].all()
    assert not drawn[distance > reach + 0.02].any()


def _distances(points: np.ndarray, size: int, shape: str) -> np.ndarray:
    """Return how far each pixel is from the nearest of many points on the lines."""
    places = [points]
    for first, end in CONTOURS if shape == "lines" else []:
        order = [*range(first, end), *([first] if first in CLOSED else [])]
        for one, other in pairwise(order):
            places.append(points[one] + np.linspace(0, 1, 40)[:, None] * (points[other] - points[one]))
    along = np.concatenate(places)
    y, x = np.mgrid[:size, :size]
    return np.sqrt(np.min([(x - px) ** 2 + (y - py) ** 2 for px, py in along], axis=0).round(4))


def test_lines_join_the_landmarks(face: Tensor) -> None:
    lines, points = (landmark_planes(face, 64, shape) for shape in ("lines", "points"))
    assert lines[points == 1].all()
    assert lines.sum() > points.sum()
    between_the_brows = lines[0, 0, 10:22, 30:33]
    assert not between_the_brows.any()


def test_unknown_points_give_an_empty_plane(face: Tensor) -> None:
    unknown = torch.full((68, 2), torch.nan)
    for shape in ("points", "lines"):
        both = landmark_planes(torch.stack([unknown, face[0]]), 64, shape)
        assert (both[0] == 0).all()
        torch.testing.assert_close(both[1:], landmark_planes(face, 64, shape))


def test_points_beside_the_image_are_not_drawn(face: Tensor) -> None:
    assert not landmark_planes(face + 200, 64).any()
    assert not landmark_planes(face - 200, 64, "lines").any()


@pytest.mark.parametrize("shape", ["points", "lines"])
def test_the_mirrored_plane_is_the_plane_of_the_mirrored_points(points: Tensor, shape: str) -> None:
    whole = points.round()
    mirrored = landmark_planes(whole, 64, shape).flip(-1)
    torch.testing.assert_close(landmark_planes(flip_points(whole, 64), 64, shape), mirrored)


def test_pixels_survive_the_way_to_a_tensor_and_back() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    tensor = to_tensor(images)
    assert tensor.shape == (2, 3, 8, 8)
    assert tensor.dtype == torch.float32
    assert tensor.min() >= -1
    assert tensor.max() <= 1
    np.testing.assert_array_equal(to_images(tensor), images)
    torch.testing.assert_close(to_tensor(torch.from_numpy(images)), tensor)


def test_a_plane_is_shown_in_grey() -> None:
    assert (to_images(torch.zeros(1, 1, 4, 4)) == 128).all()


def test_colors_are_skin_hair_and_the_mean_of_the_eyes() -> None:
    told = {"skin_rgb": [255, 0, 127.5], "left_eye_rgb": [0, 0, 0], "right_eye_rgb": [255, 255, 255]}
    values = color_values([told, {"left_eye_rgb": [51, 51, 51]}, {}])
    assert values.shape == (3, 9)
    np.testing.assert_allclose(values[0, :3], [1, -1, 0])
    assert np.isnan(values[0, 3:6]).all()
    np.testing.assert_allclose(values[0, 6:], 0)
    np.testing.assert_allclose(values[1, 6:], -0.6, rtol=1e-6)
    assert np.isnan(values[2]).all()


def test_colors_become_constant_planes_and_an_unknown_one_is_0() -> None:
    values = torch.tensor([[-1.0, 0.5, 1.0, *[torch.nan] * 6]])
    planes = color_planes(values, 4)
    assert planes.shape == (1, 9, 4, 4)
    assert (planes == known_colors(values)[:, :, None, None]).all()
    assert planes[0, :, 0, 0].tolist() == [-1, 0.5, 1, *[0] * 6]
