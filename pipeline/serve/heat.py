"""A model's map of where it looks as a heat map over the face."""

from __future__ import annotations

import cv2
import numpy as np

_SHARE = 0.55


def heat_over(crop: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the crop, SxSx3 uint8 RGB, in grey under the colours of a map, HxW of 0 (blue) to 1 (red)."""
    large = cv2.resize(values.astype(np.float32), crop.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    levels = (large.clip(0, 1) * 255).round().astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    grey = np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return cv2.addWeighted(colors, _SHARE, grey, 1 - _SHARE, 0)
