"""What a drawn picture shows: its pixels and, for every face, the truth about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]
Points = NDArray[np.float64]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Face:
    """One drawn face; left and right are meant as seen in the image, angles as in `head.Pose`."""

    landmarks_68: Points
    box_xyxy: tuple[float, float, float, float]
    skin_rgb: Rgb
    hair_rgb: Rgb
    left_eye_rgb: Rgb
    right_eye_rgb: Rgb
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    findable: bool

    @property
    def left_eye(self) -> tuple[float, float]:
        """The centre of the eye at the image's left: the mean of points 36 to 41."""
        x, y = self.landmarks_68[36:42].mean(axis=0)
        return float(x), float(y)

    @property
    def right_eye(self) -> tuple[float, float]:
        """The centre of the eye at the image's right: the mean of points 42 to 47."""
        x, y = self.landmarks_68[42:48].mean(axis=0)
        return float(x), float(y)


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn picture, HxWx3 RGB, and its faces from left to right."""

    pixels: Pixels
    faces: tuple[Face, ...]


def face_box(landmarks: Points) -> tuple[float, float, float, float]:
    """The box (x0, y0, x1, y1) around the landmarks, raised to take in the forehead."""
    x0, y0 = landmarks.min(axis=0)
    x1, y1 = landmarks.max(axis=0)
    return float(x0), float(y0 - 0.25 * (y1 - y0)), float(x1), float(y1)
