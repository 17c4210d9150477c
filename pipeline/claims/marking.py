"""Landmarks on the outputs of short trainings, which are no face to a detector yet: dlib's, in the box of a face."""

from __future__ import annotations

from functools import cache

import numpy as np

from pipeline.datasets.arrays import DomainArrays
from pipeline.faces.landmarks.dlib_68 import Dlib68
from pipeline.metrics.enlarging import enlarge


def usual_box(domain: DomainArrays) -> tuple[float, ...]:
    """Return the box of the landmarks of the middling training face: aligned faces all lie there."""
    points = domain.points[domain.indices("train")]
    edges = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return tuple(np.median(edges, axis=0).tolist())


def marked(image: np.ndarray, box_xyxy: tuple[float, ...]) -> np.ndarray:
    """Return where dlib puts 68 landmarks in a box: outputs of short trainings are no face to a detector yet."""
    large, factor = enlarge(image)
    box = tuple((edge + 0.5) * factor - 0.5 for edge in box_xyxy)
    return (_dlib()(large, box) + 0.5) / factor - 0.5


@cache
def _dlib() -> Dlib68:
    return Dlib68()
