"""SSIM of image pairs (Wang, Bovik, Sheikh and Simoncelli 2004), over valid windows only."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from pipeline.metrics.pairs import check_pairs

WINDOW_PX = 11
_SIGMA = 1.5  # scikit-image cuts its Gaussian at 3.5 sigma: 5 pixels to each side, so 11x11


def ssim_per_image(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the SSIM of each pair of N×H×W×3 uint8 images, H, W >= 11: N values in -1..1, 1 for equal images.

    Gaussian 11x11 window of sigma 1.5, K1 = 0.01, K2 = 0.03, range 255, weighted (co)variances without
    Bessel's correction; each channel by itself, then the mean. Only windows that lie inside the image count,
    as in the paper: averaging a padded map gives larger numbers (torchmetrics: 0.69 where this gives 0.64).
    """
    check_pairs(outputs, targets)
    if min(outputs.shape[1:3]) < WINDOW_PX:
        raise ValueError(f"SSIM needs images of at least {WINDOW_PX} px, not {outputs.shape[1:3]}")
    return np.array([_ssim(output, target) for output, target in zip(outputs, targets, strict=True)])


def ssim(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean over images of each image's SSIM."""
    return float(ssim_per_image(outputs, targets).mean())


def _ssim(output: np.ndarray, target: np.ndarray) -> float:
    # The returned mean is over the map without the 5 border pixels: exactly the valid windows.
    return float(
        structural_similarity(
            output.astype(np.float64),
            target.astype(np.float64),
            data_range=255,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=_SIGMA,
            use_sample_covariance=False,
            K1=0.01,
            K2=0.03,
        )
    )
