"""The 68 landmarks in iBUG order (Sagonas et al. 2013): which points are which, left and right as seen."""

from __future__ import annotations

import numpy as np

LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
MOUTH = slice(48, 68)


def eye_centers(points_68: np.ndarray) -> np.ndarray:
    """Return the centres of the left and the right eye as seen in the image, 2x2."""
    return np.stack([points_68[LEFT_EYE].mean(axis=0), points_68[RIGHT_EYE].mean(axis=0)])
