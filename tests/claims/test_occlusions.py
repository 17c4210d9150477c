"""Likeness inside a part of an image alone."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.claims.occlusions import psnr_inside, ssim_inside
from pipeline.metrics.ssim import ssim_per_image


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return tuple(random.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8) for _ in range(2))


@pytest.fixture
def inside() -> np.ndarray:
    masks = np.zeros((3, 32, 32), bool)
    masks[0, 4:12, 20:30] = masks[1, :, :16] = True
    return masks


def test_psnr_inside_is_that_of_the_pixels_inside(pair, inside):
    one, other = pair
    found = psnr_inside(one, other, inside)
    for place in (0, 1):
        difference = one[place][inside[place]].astype(float) - other[place][inside[place]]
        assert found[place] == pytest.approx(10 * np.log10(255**2 / np.square(difference).mean()))


def test_ssim_inside_does_not_see_what_is_far_outside(pair, inside):
    one, other = pair
    changed = one.copy()
    changed[0, 26:, :10] = 0
    assert ssim_inside(one, other, inside)[0] == ssim_inside(changed, other, inside)[0]


def test_over_the_whole_image_ssim_inside_is_ssim(pair):
    one, other = pair
    everywhere = np.ones((3, 32, 32), bool)
    assert ssim_inside(one, other, everywhere) == pytest.approx(ssim_per_image(one, other))


def test_equal_images_are_as_alike_as_can_be(pair, inside):
    one, _ = pair
    assert ssim_inside(one, one, inside)[:2] == pytest.approx(1)
    assert np.isposinf(psnr_inside(one, one, inside)[:2]).all()


def test_nothing_inside_has_no_likeness(pair, inside):
    assert np.isnan(ssim_inside(*pair, inside)[2])
    assert np.isnan(psnr_inside(*pair, inside)[2])
