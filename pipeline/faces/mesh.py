"""The face mesh: 468 points on a real face, and how surely it is one.

Kartynnik et al. 2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs"; MediaPipe's model,
Apache-2.0. It knows turned heads, and says of animals and plots that they are no faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from pipeline.faces.alignment import transform
from pipeline.faces.litert import Graph

WEIGHTS = "face-mesh"
_SIDE_PX = 192
# Between these presences it may be a face that lies on its side or stands upside down.
_REFUSED, _SURE = 0.5, 0.999
_QUARTER_TURNS = tuple(
    np.array(turn, float) for turn in (((-1, 0), (0, -1)), ((0, 1), (-1, 0)), ((0, -1), (1, 0)))
)
_LEVEL = math.radians(3)
# The network wants the face with half of its size around it.
_MARGIN = 1.5
_LEFT_EYE_CORNERS, _RIGHT_EYE_CORNERS = [33, 133], [362, 263]
# The mesh's points where iBUG's lie: jaw, brows, nose, eyes, mouth outside and inside.
_IBUG_68 = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)


@dataclass(frozen=True)
class Mesh:
    """468x2 points in pixels of the picture, and how surely they lie on a face (0 to 1)."""

    points: np.ndarray
    presence: float

    @property
    def points_68(self) -> np.ndarray:
        """The points where iBUG's 68 lie; those of the jaw follow the visible outline less than iBUG's do."""
        return self.points[list(_IBUG_68)]

    @property
    def eyes(self) -> np.ndarray:
        """The middles between the corners of the left and of the right eye, 2x2."""
        corners = (_LEFT_EYE_CORNERS, _RIGHT_EYE_CORNERS)
        return np.stack([self.points[pair].mean(axis=0) for pair in corners])


def fit_mesh(rgb: np.ndarray, box_xyxy: tuple[float, ...], eyes: np.ndarray | None = None) -> Mesh:
    """Fit the mesh to the face in a box of HxWx3 uint8 RGB, level with its eyes (2x2) where they are known.

    Where it is half sure the head may stand on its side or upside down, which misleads detectors: the quarter turns
    are tried too.
    """
    mesh = _settled(rgb, box_xyxy, eyes)
    if not _REFUSED < mesh.presence < _SURE:
        return mesh
    ahead = mesh.eyes if eyes is None else eyes
    turned = [_settled(rgb, box_xyxy, ahead @ turn) for turn in _QUARTER_TURNS]
    return max((mesh, *turned), key=lambda fitted: fitted.presence)


def _settled(rgb: np.ndarray, box_xyxy: tuple[float, ...], eyes: np.ndarray | None) -> Mesh:
    """Fit twice and, where the head was tilted against the crop, once more: boxes and eyes differ by detector."""
    first = _fit(rgb, box_xyxy, eyes)
    second = _again(rgb, first)
    tilt = _angle(second.eyes) - _angle(first.eyes)
    return _again(rgb, second) if abs(math.remainder(tilt, math.tau)) > _LEVEL else second


def _again(rgb: np.ndarray, mesh: Mesh) -> Mesh:
    return _fit(rgb, (*mesh.points.min(axis=0), *mesh.points.max(axis=0)), mesh.eyes)


def _angle(eyes: np.ndarray) -> float:
    across = eyes[1] - eyes[0]
    return math.atan2(across[1], across[0])


@cache
def _network() -> Graph:
    return Graph(WEIGHTS)


def _fit(rgb: np.ndarray, box_xyxy: tuple[float, ...], eyes: np.ndarray | None) -> Mesh:
    matrix = _to_network(box_xyxy, eyes)
    crop = cv2.warpAffine(rgb, matrix, (_SIDE_PX, _SIDE_PX), flags=cv2.INTER_LINEAR)
    outputs = _network()(crop / 255.0)
    points = outputs[3 * 468].reshape(468, 3)[:, :2]
    presence = 1 / (1 + math.exp(-float(outputs[1][0].clip(-50, 50))))
    return Mesh(transform(points, cv2.invertAffineTransform(matrix)), presence)


def _to_network(box_xyxy: tuple[float, ...], eyes: np.ndarray | None) -> np.ndarray:
    left, top, right, bottom = box_xyxy
    scale = _SIDE_PX / (_MARGIN * max(right - left, bottom - top, 1))
    across = np.array([1.0, 0.0]) if eyes is None else eyes[1] - eyes[0]
    cosine, sine = scale * across / max(float(np.hypot(*across)), 1e-6)
    rotation = np.array([(cosine, sine), (-sine, cosine)])
    center = np.array([(left + right) / 2, (top + bottom) / 2])
    return np.hstack([rotation, (_SIDE_PX / 2 - rotation @ center)[:, None]])
