"""Where a head is and how it is turned: the rotation, the projection and its inverse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .truth import Points


@dataclass(frozen=True)
class Pose:
    """A head's place in the picture.

    Head coordinates: x to the image's right, y down, z towards the viewer; the origin lies between
    the eyes' sockets inside the head, and 1 is half of the face's width. A positive yaw turns the nose
    to the image's right, a positive pitch raises it, a positive roll turns the head clockwise.
    """

    centre: tuple[float, float]
    scale: float
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    @property
    def rotation(self) -> Points:
        """The 3x3 matrix from head to camera axes."""
        yaw, pitch, roll = np.deg2rad([self.yaw_deg, self.pitch_deg, self.roll_deg])
        turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        return tilt @ nod @ turn

    def camera(self, points: ArrayLike) -> Points:
        """Points (..., 3) of the head in camera axes, still in head units."""
        return np.asarray(points, dtype=float) @ self.rotation.T

    def project(self, points: ArrayLike) -> Points:
        """Points (..., 3) of the head in pixels (..., 2)."""
        return self.camera(points)[..., :2] * self.scale + np.asarray(self.centre)
