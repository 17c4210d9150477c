"""PSNR of image pairs: how many decibels the range lies above the error, per image."""

from __future__ import annotations

import numpy as np

from pipeline.metrics.intervals import Estimate, mean_estimate
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.pairs import check_pairs


def psnr_per_image(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return 10 log10(255² / MSE) of each pair of N×H×W×3 uint8 images: N values in 0..inf dB.

    The MSE is one image's, over pixels and channels; equal images have infinite PSNR.
    """
    check_pairs(outputs, targets)
    with np.errstate(divide="ignore"):
        return np.array(
            [10 * np.log10(255.0**2 / _mse(*pair)) for pair in zip(outputs, targets, strict=True)]
        )


def psnr(outputs: np.ndarray, targets: np.ndarray, seed: int) -> Estimate:
    """Return the mean over images of each image's PSNR in dB, as piq does.

    Pooling the MSE over the set first, as torchmetrics does, gives another, lower number. Raises `NotMeasurable`
    where a pair is equal: the mean is infinite then, which no file of numbers can hold, and a number without
    the best pairs, or with some largest value for them, would be made up.
    """
    values = psnr_per_image(outputs, targets)
    if equal := int(np.isinf(values).sum()):
        raise NotMeasurable(f"the mean is infinite, as {equal} of {len(values)} pairs are equal images")
    return mean_estimate(values, seed)


def _mse(output: np.ndarray, target: np.ndarray) -> np.float64:
    return np.square(output.astype(np.float64) - target).mean()
