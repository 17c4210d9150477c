"""MS-SSIM of image pairs (Wang, Simoncelli and Bovik 2003), over valid windows only."""

from __future__ import annotations

import numpy as np

from pipeline.metrics.intervals import Estimate, mean_estimate
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.pairs import check_pairs
from pipeline.metrics.ssim import WINDOW_PX, compare_windows

# The paper's exponents, from the finest scale to the coarsest.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SCALES = len(_WEIGHTS)


def scales_that_fit(height: int, width: int) -> int:
    """Return how many of the five scales images have: each halves the side, and the coarsest must hold a window.

    Five from 161 px on, four from 81, three from 41, two from 21, and none below 11.
    """
    side, scales = min(height, width), 0
    while side >= WINDOW_PX and scales < SCALES:
        side, scales = (side + 1) // 2, scales + 1
    return scales


def name_of(scales: int) -> str:
    """Return how the number is called in metrics: `ms_ssim` is the paper's, `ms_ssim_3_scales` another number."""
    return "ms_ssim" if scales == SCALES else f"ms_ssim_{scales}_scales"


def ms_ssim_per_image(outputs: np.ndarray, targets: np.ndarray, scales: int = SCALES) -> np.ndarray:
    """Return the MS-SSIM of each pair of N×H×W×3 uint8 images: N values in 0..1, 1 for equal images.

    The product over the scales of contrast and structure, at the coarsest one of SSIM, each to the power of its
    weight; each channel by itself, then the mean. Windows and constants are those of `ssim`. A negative factor counts
    as 0, as the power of it is no number. A scale is the mean of 2x2 pixels; the last row and column of an odd side
    stand for their missing neighbours too, where pytorch_msssim takes black ones and piq doubles the first ones: the
    three agree on sides that can be halved.

    Fewer than five `scales` are the finest ones, with weights that sum to 1: a larger or smaller number than that of
    five and not to be compared with it, so it goes by `name_of`. Raises `NotMeasurable` where the scales do not fit:
    five need 161 px.
    """
    check_pairs(outputs, targets)
    if not 2 <= scales <= SCALES:
        raise ValueError(f"MS-SSIM has 2 to {SCALES} scales, not {scales}")
    height, width = outputs.shape[1:3]
    if scales_that_fit(height, width) < scales:
        least = (WINDOW_PX - 1) * 2 ** (scales - 1) + 1
        raise NotMeasurable(f"images of {width}x{height} px: {scales} scales of MS-SSIM need {least}")
    pairs = zip(outputs, targets, strict=True)
    return np.array([_product(*pair, weights_of(scales)) for pair in pairs])


def ms_ssim(outputs: np.ndarray, targets: np.ndarray, seed: int, scales: int = SCALES) -> Estimate:
    """Return the mean over images of each image's MS-SSIM."""
    return mean_estimate(ms_ssim_per_image(outputs, targets, scales), seed)


def weights_of(scales: int) -> np.ndarray:
    """Return the exponents of the finest scales: the paper's, which sum to 1.0001, or with fewer scales to 1."""
    weights = np.array(_WEIGHTS[:scales])
    return weights if scales == SCALES else weights / weights.sum()


def _product(output: np.ndarray, target: np.ndarray, weights: np.ndarray) -> float:
    one, other = output.astype(np.float64), target.astype(np.float64)
    factors = []
    for _ in weights[1:]:
        factors.append(compare_windows(one, other).contrast_and_structure)
        one, other = _halved(one), _halved(other)
    factors.append(compare_windows(one, other).ssim)
    return float(np.prod(np.maximum(factors, 0) ** weights[:, None], axis=0).mean())


def _halved(image: np.ndarray) -> np.ndarray:
    height, width, channels = image.shape
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, channels).mean(axis=(1, 3))
