"""The flat-drawn head: its measures, where its lines run in space, and its 68 points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .head import Pose
from .painting import curve
from .truth import Points


@dataclass(frozen=True)
class Measures:
    """The measures of one character's face in head units (see `head.Pose`), expression included."""

    eye_x: float = 0.48
    eye_y: float = 0.2
    eye_width: float = 0.5
    eye_height: float = 0.5
    slant: float = 0.0
    brow_y: float = -0.24
    brow_tilt: float = 0.0
    nose_y: float = 0.62
    mouth_y: float = 0.87
    mouth_width: float = 0.17
    mouth_open: float = 0.0
    smile: float = 0.03
    chin_y: float = 1.25
    chin_width: float = 0.4


def lifted(points: ArrayLike) -> Points:
    """Frontal points (n, 2) on the front of the head, (n, 3)."""
    flat = np.asarray(points, dtype=float)
    z = 0.95 * np.sqrt(np.clip(1.25 - flat[:, 0] ** 2, 0.02, None)) - 0.16 * np.clip(
        flat[:, 1] - 0.5, 0, None
    )
    return np.concatenate([flat, z[:, None]], axis=1)


def place(pose: Pose, points: ArrayLike) -> Points:
    """Frontal points of the face in pixels."""
    return pose.project(lifted(points))


def outline(m: Measures) -> Points:
    """The left half of the face's contour from the temple to the chin, (n, 3)."""
    half = [(-0.94, -0.5, 0.0), (-1.0, -0.1, 0.0), (-1.0, 0.25, 0.02), (-0.93, 0.56, 0.1),
            (-0.72, 0.7 * m.chin_y, 0.25), (-m.chin_width, 0.89 * m.chin_y, 0.4),
            (0.0, m.chin_y, 0.5)]  # fmt: skip
    both = np.concatenate([np.array(half), (np.array(half[:-1]) * (-1, 1, 1))[::-1]])
    smooth = curve(both, 8)
    return smooth[: 6 * 8 + 1]


def contour(m: Measures) -> Points:
    """The face's contour from temple to temple by way of the chin, (n, 3)."""
    half = outline(m)
    return np.concatenate([half, (half[:-1] * (-1, 1, 1))[::-1]])


def eye(m: Measures) -> Points:
    """Points 36 to 41, of the eye at the image's left, in the frontal plane."""
    w, h = m.eye_width / 2, m.eye_height / 2
    shape = np.array(
        [(-w, 0.1 * h), (-w * 0.5, -h * 0.92), (w * 0.42, -h), (w, 0.25 * h), (w * 0.45, h), (-w * 0.5, h)]
    )
    shape[:, 1] += shape[:, 0] * m.slant
    return shape + (-m.eye_x, m.eye_y)


def brow(m: Measures) -> Points:
    """Points 17 to 21, of the brow at the image's left, in the frontal plane."""
    share = np.linspace(0, 1, 5)
    x = -m.eye_x - 0.3 + 0.54 * share
    y = m.brow_y - 0.07 * np.sin(np.pi * np.clip(share * 0.9 + 0.05, 0, 1)) + m.brow_tilt * (share - 0.5)
    return np.stack([x, y], axis=1)


def mouth(m: Measures) -> Points:
    """Points 48 to 67 in the frontal plane."""
    w, gap, lip = m.mouth_width, m.mouth_open, 0.012
    x = np.array([-1, -0.62, -0.28, 0, 0.28, 0.62, 1]) * w
    arch = 1 - (x / w) ** 2
    upper = np.stack([x, m.smile * (arch - 1) - lip * (arch > 0.1)], axis=1)
    lower_x = x[[5, 4, 3, 2, 1]]
    low_arch = np.sqrt(1 - (lower_x / w) ** 2)
    lower = np.stack([lower_x, m.smile * (1 - (lower_x / w) ** 2 - 1) + gap * low_arch + lip], axis=1)
    inner_x = np.array([-0.9, -0.4, 0, 0.4, 0.9]) * w
    inner_up = np.stack([inner_x, m.smile * (-((inner_x / w) ** 2))], axis=1)
    low_x = inner_x[[3, 2, 1]]
    inner_low = np.stack(
        [low_x, m.smile * (-((low_x / w) ** 2)) + gap * np.sqrt(1 - (low_x / w) ** 2)], axis=1
    )
    return np.concatenate([upper, lower, inner_up, inner_low]) + (0, m.mouth_y)


def landmarks(m: Measures, pose: Pose) -> Points:
    """The 68 points in pixels."""
    half = outline(m)
    steps = np.cumsum(np.linalg.norm(np.diff(half, axis=0, prepend=half[:1]), axis=1))
    begin = float(np.interp(0.1, half[:, 1], steps))
    at = np.linspace(begin, steps[-1], 9)
    left_jaw = np.stack([np.interp(at, steps, half[:, k]) for k in range(3)], axis=1)
    jaw = np.concatenate([left_jaw, (left_jaw[:-1] * (-1, 1, 1))[::-1]])
    left_brow, left_eye = brow(m), eye(m)
    nose = np.array(
        [(0, y) for y in np.linspace(m.eye_y, m.nose_y - 0.02, 4)]
        + [(x, m.nose_y + 0.03 - abs(x) * 0.2) for x in (-0.06, -0.03, 0, 0.03, 0.06)]
    )
    right_eye = (left_eye * (-1, 1))[[3, 2, 1, 0, 5, 4]]
    flat = np.concatenate([left_brow, (left_brow * (-1, 1))[::-1], nose, left_eye, right_eye, mouth(m)])
    return np.concatenate([pose.project(jaw), place(pose, flat)])
