"""Crops lie where the matrix says, do not alias, and end softly."""

import math

import numpy as np
import pytest

from pipeline.faces.alignment import central_square, transform, whole_similarity
from pipeline.faces.warping import warp

SIZE = 128


def similarity(scale: float, roll_deg: float, center: tuple[float, float]) -> np.ndarray:
    """Return the similarity that brings a point of the picture to the middle of the crop."""
    angle = math.radians(roll_deg)
    turn = scale * np.array([(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))])
    return np.hstack([turn, (SIZE / 2 - turn @ center)[:, None]])


def spot(width: int, height: int, x: float, y: float, radius: float) -> np.ndarray:
    """Return a picture, black but for a soft white spot, whose pixel centres lie at half integers."""
    across, down = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    grey = 255 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * radius**2))
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=2)


def centroid(crop: np.ndarray) -> np.ndarray:
    weights = crop[..., 0].astype(float)
    down, across = np.indices(weights.shape) + 0.5
    return np.array([(across * weights).sum(), (down * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("scale", [0.08, 0.3, 0.5, 0.77, 1, 1.6, 4])
@pytest.mark.parametrize("roll_deg", [0, 33])
def test_the_crop_is_exactly_where_the_matrix_says(scale: float, roll_deg: float) -> None:
    side = math.ceil(1.5 * SIZE / scale)
    at = side / 2 + np.array([(12.3, -7.1)]) / scale
    matrix = similarity(scale, roll_deg, (side / 2, side / 2))
    crop = warp(spot(side, side, *at[0], radius=6 / scale), matrix, SIZE)
    np.testing.assert_allclose(centroid(crop), transform(at, matrix)[0], atol=0.03)


def test_shrinking_is_the_mean_over_the_area() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    crop = warp(rgb, np.array([(0.25, 0, 0), (0, 0.25, 0)]), SIZE)
    area = rgb.reshape(SIZE, 4, SIZE, 4, 3).mean(axis=(1, 3))
    assert np.abs(crop[2:-2, 2:-2] - area[2:-2, 2:-2]).mean() < 4
    assert np.abs(rgb[::4, ::4] - area).mean() > 50  # what picking single pixels gives


@pytest.mark.parametrize("scale", [0.25, 0.1, 1 / 16])
def test_shrinking_does_not_alias(scale: float) -> None:
    stripes = np.zeros((2048, 2048, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(warp(stripes, similarity(scale, 0, (1024, 1024)), SIZE)) < 12


def test_enlarging_is_smooth_and_keeps_contrast() -> None:
    """A wave of 8 px enlarged four times is the same wave sampled four times as densely."""

    def wave(x: np.ndarray) -> np.ndarray:
        return 127.5 + 100 * np.sin(2 * np.pi * x / 8)

    rgb = np.tile(wave(np.arange(64) + 0.5).round().astype(np.uint8)[None, :, None], (64, 1, 3))
    crop = warp(rgb, similarity(4, 0, (32, 32)), SIZE)
    expected = wave(32 + (np.arange(SIZE) + 0.5 - SIZE / 2) / 4)
    assert np.abs(crop[..., 0] - expected).max() < 6


def test_a_picture_kept_as_it_is_keeps_every_pixel() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (218, 178, 3), dtype=np.uint8)
    np.testing.assert_array_equal(warp(rgb, *central_square(178, 218)), rgb[20:198])


def test_only_what_lies_outside_the_picture_is_softened() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (200, 100, 3), dtype=np.uint8)
    crop = warp(rgb, np.array([(1.0, 0, 64), (0, 1.0, -30)]), SIZE).astype(int)
    np.testing.assert_array_equal(crop[:, 64:], rgb[30:158, :64])
    roughness = np.abs(np.diff(crop[..., 0], axis=0)).mean(axis=0)
    assert roughness[:40].max() < roughness[58:62].mean() < roughness[64:].mean()


def test_the_border_begins_as_a_reflection_and_ends_in_one_colour() -> None:
    shade = np.linspace(40, 200, 100).round().astype(np.uint8)
    rgb = np.repeat(np.tile(shade, (200, 1))[..., None], 3, axis=2)
    crop = warp(rgb, np.array([(1.0, 0, 100), (0, 1.0, -30)]), SIZE)[64, :, 0].astype(int)
    assert np.abs(np.diff(crop)).max() <= 4  # no seam
    assert np.ptp(crop[:30]) <= 2
    assert abs(crop[0] - np.median(shade[:28])) <= 3


def test_a_crop_far_outside_the_picture_is_still_a_crop() -> None:
    rgb = np.full((40, 30, 3), (10, 120, 240), np.uint8)
    crop = warp(rgb, similarity(1, 10, (-500, 900)), SIZE)
    assert (crop == (10, 120, 240)).all()


def test_a_strip_longer_than_opencv_can_count_is_cut() -> None:
    strip = np.zeros((40_000, 60, 3), np.uint8)
    strip[35_000:35_100] = 255
    crop = warp(strip, similarity(1, 0, (30, 35_050)), SIZE)
    assert (crop[20:100, 34:94] == 255).all()
    assert (crop[:10, 34:94] == 0).all()
    assert warp(strip, whole_similarity(60, 40_000, SIZE), SIZE).shape == (SIZE, SIZE, 3)


def test_a_crop_that_is_put_together_from_blocks_has_no_seams() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (2600, 2600, 3), np.uint8)
    matrix = np.array([(0.23, 0.05, -40), (-0.05, 0.23, 90)])
    several = warp(rgb, matrix, 600)
    one = warp(rgb, matrix - np.array([(0, 0, 330), (0, 0, 250)]), 200)
    np.testing.assert_allclose(several[250:450, 330:530].astype(int), one, atol=1)
