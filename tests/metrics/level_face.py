"""Landmarks of a face that looks straight ahead."""

from __future__ import annotations

import numpy as np

from pipeline.faces.mean_face import MEAN_FACE

EYE_DISTANCE_PX = 20


def level_face() -> np.ndarray:
    """Return the 68×2 landmarks of the mean face in an image of 64 px, its eyes 20 px apart."""
    points = MEAN_FACE * EYE_DISTANCE_PX
    return points + (32, 20) - points[36:48].mean(axis=0)
