"""Rendered faces as a model at 64 px gives them back: aligned crops with their true landmarks and colours."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.demo_faces import COLOR_PARTS, DRAWERS
from pipeline.faces.alignment import eye_similarity, transform
from pipeline.faces.ibug import eye_centers
from pipeline.faces.warping import warp
from pipeline.sources.demo.truth import Face

SIZE_PX = 64
_ALIGNED_PX = 256


class Aligned(NamedTuple):
    """N×64×64×3 crops, N×68×2 landmarks in their pixels, and N times the colours by name."""

    crops: np.ndarray
    landmarks: np.ndarray
    colors: list[dict]


def aligned_faces(style: str, count: int) -> Aligned:
    """Return the first `count` findable faces of a style."""
    draw, _ = DRAWERS[style]
    faces: list[tuple[np.ndarray, Face]] = []
    index = 0
    while len(faces) < count:
        picture = draw(0, index)
        faces += [(picture.pixels, face) for face in picture.faces if face.findable]
        index += 1
    crops, landmarks, colors = zip(*(_align(*face) for face in faces[:count]), strict=True)
    return Aligned(np.array(crops), np.array(landmarks), list(colors))


def _align(pixels: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray, dict]:
    matrix = eye_similarity(eye_centers(face.landmarks_68), _ALIGNED_PX, 0.45, 0.3)
    crop = cv2.resize(warp(pixels, matrix, _ALIGNED_PX), (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    points = transform(face.landmarks_68, matrix) * SIZE_PX / _ALIGNED_PX
    return crop, points, {part: getattr(face, f"{part}_rgb") for part in COLOR_PARTS}
