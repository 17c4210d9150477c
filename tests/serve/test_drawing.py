"""What is drawn over a picture, and what clicks on it mean."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.serve.drawing import (
    CROP_SHOWN_PX,
    SHOWN_PX,
    face_at,
    shown,
    shown_crop,
    square_between,
    with_corner,
)
from pipeline.serve.looking import Face
from tests.serve.small_zoo import a_face


def boxed(number: int, box: tuple[float, ...], reason: str | None = None) -> Face:
    return Face({"image_id": "i", "face_id": f"i-{number}", "box_xyxy": list(box)}, reason, None, None)


def test_a_large_picture_is_shown_smaller() -> None:
    picture = shown(np.zeros((1000, 2 * SHOWN_PX, 3), np.uint8), (), None)
    assert picture.pixels.shape == (500, SHOWN_PX, 3)
    assert picture.factor == 0.5


def test_a_picture_without_faces_stays_as_it_is() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    np.testing.assert_array_equal(shown(rgb, (), None).pixels, rgb)


def test_a_tiny_picture_is_shown_larger() -> None:
    picture = shown(np.zeros((40, 80, 3), np.uint8), (), None)
    assert picture.pixels.shape == (200, 400, 3)
    assert picture.factor == 5


def test_each_face_has_a_box_in_the_colour_of_its_fate_and_the_chosen_one_the_thickest() -> None:
    rgb = np.zeros((400, 400, 3), np.uint8)
    faces = [boxed(0, (150, 150, 250, 250)), boxed(1, (20, 40, 120, 140), "profile")]
    pixels = shown(rgb, faces, 0).pixels
    kept, rejected = pixels[200, 150], pixels[100, 20]
    assert kept.any()
    assert rejected.any()
    assert (kept != rejected).any()
    assert (pixels[200, 150:155] == kept).all()
    assert not pixels[100, 23:118].any()
    assert not rgb.any()


def test_landmarks_are_drawn_in_the_crop_where_the_matrix_takes_them() -> None:
    face = a_face()
    face.row["points_68"] = [[10.0, 20.0]] * 68
    face.row["eyes"] = [[12.0, 12.0], [36.0, 12.0]]
    face.crop[:] = 0
    pixels = shown_crop(face)
    assert pixels.shape == (CROP_SHOWN_PX, CROP_SHOWN_PX, 3)
    factor = CROP_SHOWN_PX // 48
    for x, y in ((10, 20), (12, 12), (36, 12)):
        assert pixels[y * factor, x * factor].any()
    assert not pixels[30 * factor :].any()


def test_a_face_without_a_crop_cannot_be_shown() -> None:
    with pytest.raises(ValueError, match="i-0 has no crop: profile"):
        shown_crop(boxed(0, (0, 0, 9, 9), "profile"))


def test_a_click_means_the_smallest_box_that_it_is_in() -> None:
    faces = [boxed(0, (0, 0, 100, 100)), boxed(1, (10, 10, 30, 30))]
    assert face_at(faces, (20, 20)) == 1
    assert face_at(faces, (60, 60)) == 0
    assert face_at(faces, (101, 60)) is None


@pytest.mark.parametrize(
    ("one", "other", "square"),
    [
        ((10, 20), (60, 50), (10, 20, 50)),
        ((60, 50), (10, 20), (10, 0, 50)),  # up and to the left, moved into the picture
        ((60, 20), (30, 50), (30, 20, 30)),
        ((0, 0), (500, 10), (0, 0, 80)),  # no larger than the picture
        ((70, 70), (99, 79), (70, 51, 29)),
    ],
)
def test_two_clicks_mark_a_square_in_the_picture(
    one: tuple[float, float], other: tuple[float, float], square: tuple[int, int, int]
) -> None:
    assert square_between(one, other, 100, 80) == square


def test_the_first_click_is_marked_and_the_picture_itself_is_not() -> None:
    rgb = np.zeros((50, 50, 3), np.uint8)
    assert with_corner(rgb, (25, 25))[25, 20:30].all(axis=None) or with_corner(rgb, (25, 25))[25, 20:30].any()
    assert not rgb.any()
