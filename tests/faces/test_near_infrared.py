"""The stand-in for a near-infrared camera."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.faces.near_infrared import Look, near_infrared

SKIN, DARK_SKIN, LIPS, HAIR, BLUE = (200, 150, 125), (110, 75, 60), (175, 95, 95), (40, 28, 22), (60, 90, 200)
PLAIN = Look(flatten=0, vignetting=0, noise=0)


def patch(color: tuple[int, int, int], side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), color, np.uint8)


def grey_of(color: tuple[int, int, int], look: Look = PLAIN) -> float:
    return float(near_infrared(patch(color), look)[20:44, 20:44].mean())


def luminance(color: tuple[int, int, int]) -> float:
    return float(np.dot(color, (0.299, 0.587, 0.114)))


def test_the_result_is_grey_and_of_the_same_size() -> None:
    seen = near_infrared(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    assert seen.shape == (40, 60, 3)
    assert seen.dtype == np.uint8
    assert (seen == seen[..., :1]).all()


@pytest.mark.parametrize("skin", [SKIN, DARK_SKIN])
def test_skin_of_every_tone_is_brighter_than_in_visible_light(skin: tuple[int, int, int]) -> None:
    assert grey_of(skin) > luminance(skin) + 25


def test_skins_and_lips_become_more_alike() -> None:
    assert abs(grey_of(SKIN) - grey_of(LIPS)) < abs(luminance(SKIN) - luminance(LIPS))
    assert abs(grey_of(SKIN) - grey_of(DARK_SKIN)) < abs(luminance(SKIN) - luminance(DARK_SKIN))


def test_dark_hair_gives_light_back_and_blue_does_not() -> None:
    without = Look(flatten=0, vignetting=0, noise=0, melanin=0)
    assert grey_of(HAIR) > grey_of(HAIR, without) + 10
    assert grey_of(BLUE, without) < luminance(BLUE)


def test_the_light_falls_off_towards_the_corners_by_as_much_as_is_said() -> None:
    look = Look(channels=(1, 0, 0), flatten=0, skin=0, melanin=0, contrast=1, vignetting=0.5, noise=0)
    seen = near_infrared(patch((255, 255, 255), 101), look)[..., 0] / 255
    assert seen[50, 50] ** 2.2 == pytest.approx(1, abs=0.01)
    assert seen[0, 0] ** 2.2 == pytest.approx(0.5, abs=0.01)


def test_light_from_one_side_hardly_shows() -> None:
    face = np.repeat(np.linspace(60, 220, 96)[None, :, None], 96, axis=0).repeat(3, axis=2).astype(np.uint8)
    lit, flat = (near_infrared(face, Look(flatten=flatten, vignetting=0, noise=0)) for flatten in (0.0, 0.9))
    difference = [int(seen[48, 80, 0]) - int(seen[48, 16, 0]) for seen in (lit, flat)]
    assert 0 <= difference[1] < difference[0] / 2


def test_noise_depends_on_the_seed_alone() -> None:
    face = patch(SKIN)
    first, again, other = (near_infrared(face, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255)])
def test_black_and_white_pictures_have_a_result(color: tuple[int, int, int]) -> None:
    seen = near_infrared(patch(color), Look(noise=0))
    assert np.isfinite(seen).all()
    assert (seen.mean() > 128) == (color[0] > 128)


@pytest.mark.parametrize(
    "wrong", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="HxWx3 uint8"):
        near_infrared(wrong)
