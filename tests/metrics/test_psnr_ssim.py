"""PSNR and SSIM against scikit-image, plain loops and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.ms_ssim import ms_ssim
from pipeline.metrics.psnr import psnr, psnr_per_image
from pipeline.metrics.ssim import ssim, ssim_per_image


def pictures(seed: int, count: int = 3, height: int = 24, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def constant(value: int, count: int = 2) -> np.ndarray:
    return np.full((count, 16, 16, 3), value, np.uint8)


def slow_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Every window that lies inside the image, one by one, as the paper defines it."""
    offsets = np.arange(-5, 6)
    gauss = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(gauss, gauss) / gauss.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(3):
        for row in range(x.shape[0] - 10):
            for column in range(x.shape[1] - 10):
                place = slice(row, row + 11), slice(column, column + 11), channel
                a, b = x[place].astype(float), y[place].astype(float)
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                variance_a = (window * (a - mean_a) ** 2).sum()
                variance_b = (window * (b - mean_b) ** 2).sum()
                covariance = (window * (a - mean_a) * (b - mean_b)).sum()
                top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
                values.append(top / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)))
    return float(np.mean(values))


def test_psnr_equals_scikit_images_per_image() -> None:
    x, y = pictures(0), pictures(1)
    expected = [peak_signal_noise_ratio(b, a, data_range=255) for a, b in zip(x, y, strict=True)]
    assert psnr_per_image(x, y) == pytest.approx(expected, rel=1e-12)
    mean, low, high = psnr(x, y, seed=0)
    assert mean == pytest.approx(np.mean(expected), rel=1e-12)
    assert low < mean < high


def test_psnr_averages_decibels_not_errors() -> None:
    outputs, targets = np.concatenate([constant(1, 1), constant(10, 1)]), constant(0)
    assert psnr(outputs, targets, seed=0).value == pytest.approx(10 * np.log10(255**2) - (0 + 20) / 2)


def test_psnr_of_black_and_white_is_0() -> None:
    assert psnr(constant(0), constant(255), seed=0) == (0, 0, 0)


def test_psnr_of_equal_images_is_infinite_and_their_mean_no_number() -> None:
    outputs, targets = np.concatenate([constant(7, 2), constant(8, 1)]), constant(7, 3)
    assert psnr_per_image(outputs, targets)[:2].tolist() == [np.inf, np.inf]
    with pytest.raises(NotMeasurable, match="the mean is infinite, as 2 of 3 pairs are equal"):
        psnr(outputs, targets, seed=0)


def test_one_pair_has_a_value() -> None:
    x, y = pictures(0, 1), pictures(1, 1)
    assert psnr(x, y, seed=0) == pytest.approx([psnr_per_image(x, y)[0]] * 3)
    assert ssim(x, y, seed=0) == pytest.approx([ssim_per_image(x, y)[0]] * 3)


def test_ssim_equals_the_paper_window_by_window() -> None:
    x = pictures(0)
    y = (0.6 * x + 0.4 * pictures(1)).astype(np.uint8)
    expected = [slow_ssim(a, b) for a, b in zip(x, y, strict=True)]
    assert ssim_per_image(x, y) == pytest.approx(expected, rel=1e-9)
    mean, low, high = ssim(x, y, seed=0)
    assert mean == pytest.approx(np.mean(expected), rel=1e-9)
    assert low < mean < high


def test_ssim_equals_scikit_images_whose_mean_leaves_out_the_border() -> None:
    x, y = pictures(0, 1, 40, 33), pictures(2, 1, 40, 33)
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = structural_similarity(x[0].astype(float), y[0].astype(float), channel_axis=-1, **how)
    assert ssim_per_image(x, y)[0] == pytest.approx(expected, abs=1e-12)


def test_ssim_of_constant_images_is_its_luminance_term() -> None:
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim(constant(100), constant(150), seed=0).value == pytest.approx(expected)


def test_ssim_of_equal_images_is_1() -> None:
    assert ssim(pictures(0), pictures(0), seed=0) == pytest.approx((1, 1, 1))
    assert ssim(constant(0), constant(0), seed=0) == pytest.approx((1, 1, 1))


def test_ssim_of_one_window_has_a_value_and_a_smaller_image_none() -> None:
    x, y = pictures(0, 1, 11, 11), pictures(1, 1, 11, 11)
    assert ssim_per_image(x, y)[0] == pytest.approx(slow_ssim(x[0], y[0]))
    with pytest.raises(NotMeasurable, match="images of 11x10 px: the window of SSIM has 11"):
        ssim_per_image(x[:, :10], y[:, :10])


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
@pytest.mark.parametrize(
    ("outputs", "targets", "said"),
    [
        (pictures(0), pictures(0, 2), "one shape"),
        (pictures(0, 0), pictures(0, 0), "no images"),
        (pictures(0).astype(float), pictures(0), "uint8"),
        (pictures(0)[..., 0], pictures(0)[..., 0], "N×H×W×3"),
    ],
)
def test_what_is_no_pair_is_a_clear_error(
    metric, outputs: np.ndarray, targets: np.ndarray, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        metric(outputs, targets, seed=0)
