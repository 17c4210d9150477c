"""Head pose from landmarks: where a face looks, by fitting a generic head (Perspective-n-Point)."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.faces.ibug import eye_centers

# Nose tip, chin, outer eye corners and mouth corners of a generic head in millimetres: x right, y down, z
# away from the viewer. The depths are those that give AFLW2000's annotated yaw (within 7 degrees up to 45).
_POINTS = (30, 8, 36, 45, 48, 54)
_HEAD = np.array(
    [(0, 0, 0), (0, 66, 18), (-45, -36, 46), (45, -36, 46), (-26, 30, 28), (26, 30, 28)], dtype=np.float64
)


class Pose(NamedTuple):
    """Degrees; 0 faces the camera. Yaw > 0 turns to the image's right, pitch > 0 up, roll > 0 clockwise."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


def estimate_pose(points_68: np.ndarray) -> Pose:
    """Return the pose of a face from its 68 points (68x2 px), seen from about five face widths away."""
    tilt = np.radians(roll_of_eyes(eye_centers(points_68)))
    cosine, sine = np.cos(tilt), np.sin(tilt)
    # From a level head that faces the camera on: six points alone often allow a second head that nods the other way.
    level = points_68.astype(np.float64) @ np.array([(cosine, -sine), (sine, cosine)])
    points = level[list(_POINTS)]
    center = points.mean(axis=0)
    focal = 5 * np.ptp(level, axis=0).max()
    camera = np.array([(focal, 0, center[0]), (0, focal, center[1]), (0, 0, 1)])
    away = focal * np.ptp(_HEAD[:, 0]) / max(np.ptp(points[:, 0]), 1)
    start = (np.zeros(3), np.array([0, 0, away]))
    _, rotation, _ = cv2.solvePnP(_HEAD, points, camera, None, *start, True, cv2.SOLVEPNP_ITERATIVE)
    matrix, _ = cv2.Rodrigues(rotation)
    yaw = np.arcsin(np.clip(matrix[2, 0], -1, 1))
    pitch = -np.arctan2(matrix[2, 1], matrix[2, 2])
    roll = math.remainder(np.arctan2(matrix[1, 0], matrix[0, 0]) + tilt, math.tau)
    return Pose(*(round(float(np.degrees(angle)), 2) for angle in (yaw, pitch, roll)))


def roll_of_eyes(eyes: np.ndarray) -> float:
    """Return the roll in degrees of the line from the left to the right eye (2x2 px), clockwise."""
    across = eyes[1] - eyes[0]
    return round(float(np.degrees(np.arctan2(across[1], across[0]))), 2)
