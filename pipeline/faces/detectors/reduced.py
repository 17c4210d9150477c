"""Searching a picture at a size of its own."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.faces.detectors.base import Detection, Detector


def search_at(rgb: np.ndarray, detector: Detector, long_side_px: int) -> list[Detection]:
    """Return what a detector finds in the picture reduced to a size, in the picture's own pixels.

    Smaller pictures are never enlarged, for the detectors find less in a blurred picture.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, long_side_px / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    searched = rgb if scale == 1 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return [face.scaled(1 / scale) for face in detector(searched)]
