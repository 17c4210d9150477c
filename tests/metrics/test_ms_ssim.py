"""MS-SSIM against two libraries, a slow reference and closed forms; what small images get instead."""

from __future__ import annotations

import importlib

import numpy as np
import piq
import pytest
import pytorch_msssim
import torch
from torch.nn import functional

from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.ms_ssim import ms_ssim, ms_ssim_per_image, name_of, scales_that_fit, weights_of
from pipeline.metrics.ssim import ssim_per_image


def pictures(seed: int, count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def alike(height: int, width: int, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    x, noise = pictures(0, count, height, width), pictures(1, count, height, width)
    return x, (0.6 * x + 0.4 * noise).astype(np.uint8)


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).double()


@pytest.mark.parametrize(("height", "width"), [(176, 208), (256, 192)])
def test_equals_both_libraries_on_sides_that_can_be_halved(height: int, width: int) -> None:
    x, y = alike(height, width)
    ours = ms_ssim_per_image(x, y)
    # Their windows are of float32, ours of float64.
    theirs = pytorch_msssim.ms_ssim(tensor(x), tensor(y), data_range=255, size_average=False)
    assert ours == pytest.approx(theirs.numpy(), abs=1e-6)
    theirs = piq.multi_scale_ssim(tensor(x), tensor(y), data_range=255, reduction="none")
    assert ours == pytest.approx(theirs.numpy(), abs=1e-6)
    assert ms_ssim(x, y, seed=0).value == pytest.approx(ours.mean())


@pytest.mark.parametrize(("side", "scales"), [(64, 3), (96, 4), (32, 2)])
def test_fewer_scales_equal_a_library_with_those_weights(side: int, scales: int) -> None:
    x, y = alike(side, side)
    weights = torch.tensor(weights_of(scales))
    theirs = piq.multi_scale_ssim(
        tensor(x), tensor(y), data_range=255, reduction="none", scale_weights=weights
    )
    assert ms_ssim_per_image(x, y, scales) == pytest.approx(theirs.numpy(), abs=1e-6)
    assert float(weights.sum()) == pytest.approx(1)


def test_an_odd_side_ends_in_a_pixel_that_stands_for_two() -> None:
    x, y = alike(43, 42, count=1)
    library = importlib.import_module("pytorch_msssim.ssim")
    window = library._fspecial_gauss_1d(11, 1.5).repeat(3, 1, 1, 1)
    _, fine = library._ssim(tensor(x), tensor(y), 255, window)
    doubled = (np.concatenate([image, image[:, -1:]], axis=1) for image in (x, y))
    halves = [functional.avg_pool2d(tensor(image), 2) for image in doubled]
    coarse, _ = library._ssim(*halves, 255, window)
    weights = weights_of(2)
    expected = (fine ** weights[0] * coarse ** weights[1]).mean()
    assert ms_ssim_per_image(x, y, 2)[0] == pytest.approx(float(expected), abs=1e-6)


def test_constant_images_differ_in_luminance_alone() -> None:
    one, other = np.full((1, 176, 176, 3), 100, np.uint8), np.full((1, 176, 176, 3), 150, np.uint8)
    luminance = ssim_per_image(one, other)[0]
    assert ms_ssim_per_image(one, other)[0] == pytest.approx(luminance**0.1333)


def test_equal_images_have_1_and_negatives_0() -> None:
    x, _ = alike(176, 176)
    assert ms_ssim(x, x, seed=0) == pytest.approx((1, 1, 1))
    assert ms_ssim(x, 255 - x, seed=0) == (0, 0, 0)


def test_how_many_scales_fit_and_what_the_number_is_called_then() -> None:
    sides = {256: 5, 161: 5, 160: 4, 81: 4, 80: 3, 64: 3, 41: 3, 40: 2, 21: 2, 20: 1, 11: 1, 10: 0, 1: 0}
    assert {side: scales_that_fit(side, 300) for side in sides} == sides
    assert [name_of(scales) for scales in (5, 3)] == ["ms_ssim", "ms_ssim_3_scales"]


@pytest.mark.parametrize(("side", "scales", "least"), [(160, 5, 161), (40, 3, 41), (20, 2, 21)])
def test_an_image_too_small_is_refused_with_the_least_size(side: int, scales: int, least: int) -> None:
    x, y = alike(side, side)
    with pytest.raises(NotMeasurable, match=f"{side}x{side} px: {scales} scales of MS-SSIM need {least}"):
        ms_ssim_per_image(x, y, scales)
    assert np.isfinite(ms_ssim_per_image(*alike(least, least), scales)).all()


@pytest.mark.parametrize("scales", [1, 6])
def test_other_numbers_of_scales_are_no_ms_ssim(scales: int) -> None:
    with pytest.raises(ValueError, match="2 to 5 scales"):
        ms_ssim_per_image(*alike(64, 64), scales)
