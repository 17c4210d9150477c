"""Finding the faces of one picture: search at a fixed size, the best first, in the picture's own pixels."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.faces.detectors.base import Detection, Detector


def find_faces(
    rgb: np.ndarray, detector: Detector, long_side_px: int, min_score: float, max_faces: int
) -> list[Detection]:
    """Return at most `max_faces` faces of HxWx3 uint8 RGB, by falling score.

    Larger pictures are reduced to `long_side_px` for the search; smaller ones are never enlarged, for the
    detectors find less in a blurred picture.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, long_side_px / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    searched = rgb if scale == 1 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    found = [face.scaled(1 / scale) for face in detector(searched) if face.score >= min_score]
    return sorted(found, key=lambda face: (-face.score, face.box_xyxy))[:max_faces]
