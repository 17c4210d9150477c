"""Histogram equalisation of luminance: pictures of different light made alike, their colours kept."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

Method = Literal["none", "global", "clahe"]
# The usual ones of contrast limited adaptive equalisation (Zuiderveld 1994).
_CLIP_LIMIT, _TILES = 2.0, (8, 8)


def equalize(rgb: np.ndarray, method: Method) -> np.ndarray:
    """Return HxWx3 uint8 RGB with the luminance (Y of YCrCb) equalised: over all, or locally by `clahe`."""
    if method == "none":
        return rgb
    luma, red, blue = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
    local = cv2.createCLAHE(_CLIP_LIMIT, _TILES)
    equal = cv2.equalizeHist(luma) if method == "global" else local.apply(luma)
    return cv2.cvtColor(cv2.merge([equal, red, blue]), cv2.COLOR_YCrCb2RGB)
