"""How good an aligned face is to learn from."""

from __future__ import annotations

import cv2
import numpy as np


def sharpness(rgb: np.ndarray) -> float:
    """Return the variance of the Laplacian of an aligned face's luminance (Pech-Pacheco et al. 2000)."""
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())
