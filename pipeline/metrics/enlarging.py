"""Small outputs made large enough for detectors and colour regions."""

from __future__ import annotations

import cv2
import numpy as np

MIN_SIDE_PX = 256


def enlarge(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    """Return HxWx3 uint8 RGB enlarged until its shorter side has 256 px, and the factor; a larger one as it is.

    A point p of the image lies at factor * p, with pixel centres at half integers as in alignment.
    """
    factor = max(1.0, MIN_SIDE_PX / min(rgb.shape[:2]))
    if factor == 1:
        return rgb, factor
    size = round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), factor
