"""A face comes back to where it was cut out, to a fraction of a pixel, and nothing else changes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.faces.alignment import central_square, eye_similarity, transform, whole_similarity
from pipeline.faces.warping import warp
from pipeline.serve.pasting import paste

CROP_PX = 256


def photograph(width: int = 400, height: int = 300) -> np.ndarray:
    """Return a picture of soft blots, which survives being resampled."""
    noise = np.random.default_rng(0).uniform(0, 1, (height, width, 3))
    blots = cv2.GaussianBlur(noise, (0, 0), 4)
    return (20 + 215 * (blots - blots.min()) / np.ptp(blots)).round().astype(np.uint8)


def aligned(eyes: list[tuple[float, float]], size_px: int = CROP_PX) -> np.ndarray:
    return eye_similarity(np.array(eyes), size_px, 0.45, 0.3)


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first.astype(int) - second)


@pytest.mark.parametrize(
    "eyes",
    [
        [(160.3, 130.7), (240.1, 128.2)],
        [(150.0, 160.0), (230.0, 110.0)],
        [(180.2, 140.9), (212.8, 141.1)],
        [(20.0, 40.0), (90.0, 40.0)],
    ],
    ids=["level", "turned", "small in the picture", "beyond the edge"],
)
def test_a_face_pasted_back_unchanged_leaves_the_photograph_as_it_was(
    eyes: list[tuple[float, float]],
) -> None:
    rgb, matrix = photograph(), aligned(eyes)
    pasted = paste(rgb, warp(rgb, matrix, CROP_PX), matrix, CROP_PX, whole=False)
    assert difference(pasted, rgb).max() <= 3
    assert difference(pasted, rgb).mean() < 0.2


def test_half_a_pixel_aside_would_be_seen() -> None:
    """So that the test above is one of places: the same face, put back half a pixel away."""
    rgb, matrix = photograph(), aligned([(160.3, 130.7), (240.1, 128.2)])
    crop = warp(rgb, matrix, CROP_PX)
    aside = matrix.copy()
    aside[0, 2] += 0.5 * np.hypot(*matrix[0, :2])
    there, beside = (paste(rgb, crop, each, CROP_PX, whole=False) for each in (matrix, aside))
    assert difference(beside, rgb).mean() > 5 * difference(there, rgb).mean()
    assert difference(beside, rgb).max() > 5


@pytest.mark.parametrize("side", [64, 256, 512])
def test_a_face_of_another_size_fills_the_same_circle(side: int) -> None:
    rgb, matrix = photograph(), aligned([(170, 130), (230, 130)])
    pasted = paste(rgb, np.full((side, side, 3), 255, np.uint8), matrix, CROP_PX, whole=False)
    y, x = np.indices(rgb.shape[:2])
    in_crop = transform(np.stack([x + 0.5, y + 0.5], axis=-1).reshape(-1, 2), matrix) / CROP_PX
    from_middle = 2 * np.hypot(*(in_crop - 0.5).T).reshape(rgb.shape[:2])
    assert (pasted[from_middle < 0.69] == 255).all()
    np.testing.assert_array_equal(pasted[from_middle > 1], rgb[from_middle > 1])
    edge = pasted[(from_middle > 0.8) & (from_middle < 0.9)].mean()
    assert rgb.mean() < edge < 255


def test_the_photograph_that_is_given_does_not_change() -> None:
    rgb, matrix = photograph(), aligned([(170, 130), (230, 130)])
    before = rgb.copy()
    paste(rgb, np.zeros((64, 64, 3), np.uint8), matrix, CROP_PX, whole=False)
    np.testing.assert_array_equal(rgb, before)


def test_a_fine_pattern_is_averaged_where_the_photograph_has_fewer_pixels() -> None:
    """Every second column white: sampled pixel by pixel it would become stripes."""
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    rgb, matrix = photograph(), aligned([(185, 140), (215, 140)])
    pasted = paste(rgb, stripes, matrix, CROP_PX, whole=False)
    middle = pasted[150:160, 195:205]
    assert np.ptp(middle) < 40
    assert abs(middle.mean() - 127.5) < 10


@pytest.mark.parametrize(("width", "height"), [(300, 200), (200, 300), (256, 256)])
def test_a_whole_picture_is_replaced_up_to_its_edges(width: int, height: int) -> None:
    rgb = photograph(width, height)
    matrix = whole_similarity(width, height, CROP_PX)
    assert (paste(rgb, np.full((64, 64, 3), 9, np.uint8), matrix, CROP_PX, whole=True) == 9).all()
    unchanged = paste(rgb, warp(rgb, matrix, CROP_PX), matrix, CROP_PX, whole=True)
    assert difference(unchanged, rgb).max() <= 4


def test_a_picture_kept_as_it_is_comes_back_to_the_last_bit() -> None:
    rgb = photograph(150, 100)
    matrix, side = central_square(150, 100)
    np.testing.assert_array_equal(paste(rgb, rgb[:, 25:125], matrix, side, whole=True), rgb)


def test_a_large_photograph_is_pasted_in_tiles_without_seams() -> None:
    rgb = photograph(1400, 1300)
    matrix = aligned([(500.5, 600.2), (900.1, 610.7)], 1024)
    pasted = paste(rgb, warp(rgb, matrix, 1024), matrix, 1024, whole=False)
    assert difference(pasted, rgb).max() <= 4
