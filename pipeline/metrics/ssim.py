"""SSIM of image pairs (Wang, Bovik, Sheikh and Simoncelli 2004), over valid windows only."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from pipeline.metrics.intervals import Estimate, mean_estimate
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.pairs import check_pairs

WINDOW_PX = 11
_SIGMA = 1.5
_LUMINANCE = (0.01 * 255) ** 2
_CONTRAST = (0.03 * 255) ** 2


class Likeness(NamedTuple):
    """How alike two images are, 3 channels each: in luminance, contrast and structure, and without luminance."""

    ssim: np.ndarray
    contrast_and_structure: np.ndarray


def ssim_per_image(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the SSIM of each pair of N×H×W×3 uint8 images, H, W >= 11: N values in -1..1, 1 for equal images.

    Gaussian 11x11 window of sigma 1.5, K1 = 0.01, K2 = 0.03, range 255, weighted (co)variances without
    Bessel's correction; each channel by itself, then the mean. Only windows that lie inside the image count,
    as in the paper: averaging a padded map gives larger numbers (torchmetrics: 0.69 where this gives 0.64).
    Raises `NotMeasurable` for smaller images.
    """
    check_pairs(outputs, targets)
    height, width = outputs.shape[1:3]
    if min(height, width) < WINDOW_PX:
        raise NotMeasurable(f"images of {width}x{height} px: the window of SSIM has {WINDOW_PX}")
    pairs = zip(outputs.astype(np.float64), targets.astype(np.float64), strict=True)
    return np.array([compare_windows(*pair).ssim.mean() for pair in pairs])


def ssim(outputs: np.ndarray, targets: np.ndarray, seed: int) -> Estimate:
    """Return the mean over images of each image's SSIM."""
    return mean_estimate(ssim_per_image(outputs, targets), seed)


def compare_windows(output: np.ndarray, target: np.ndarray) -> Likeness:
    """Return the means over all windows that lie inside two HxWx3 float64 images 0..255, H, W >= 11."""
    mean, other_mean = _weighted(output), _weighted(target)
    variance = _weighted(output * output) - mean**2
    other_variance = _weighted(target * target) - other_mean**2
    covariance = _weighted(output * target) - mean * other_mean
    structure = (2 * covariance + _CONTRAST) / (variance + other_variance + _CONTRAST)
    luminance = (2 * mean * other_mean + _LUMINANCE) / (mean**2 + other_mean**2 + _LUMINANCE)
    return Likeness((luminance * structure).mean(axis=(0, 1)), structure.mean(axis=(0, 1)))


def _weighted(image: np.ndarray) -> np.ndarray:
    """Return the Gaussian mean of every window that lies inside the image."""
    side = (WINDOW_PX, WINDOW_PX)
    edge = WINDOW_PX // 2
    blurred = cv2.GaussianBlur(image, side, _SIGMA, sigmaY=_SIGMA)
    return blurred[edge:-edge, edge:-edge]
