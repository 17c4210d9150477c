"""Real faces by dlib's frontal HOG detector (King 2009; Dalal and Triggs 2005), which ships inside dlib."""

from __future__ import annotations

import math

import dlib
import numpy as np

from pipeline.faces.detectors.base import Detection


class DlibHog:
    """Finds upright faces of about 80 px and more, up to a quarter profile."""

    def __init__(self) -> None:
        self._detector = dlib.get_frontal_face_detector()

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return a box for each face; its score is the logistic of the margin of the SVM."""
        boxes, margins, _ = self._detector.run(np.ascontiguousarray(rgb), 0, 0.0)
        return [
            Detection(
                (float(box.left()), float(box.top()), float(box.right() + 1), float(box.bottom() + 1)),
                1 / (1 + math.exp(-margin)),
            )
            for box, margin in zip(boxes, margins, strict=True)
        ]
