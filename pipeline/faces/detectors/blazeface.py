"""Real faces by BlazeFace, full range (Bazarevsky et al. 2019; MediaPipe's model of 2021, Apache-2.0)."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.faces.detectors.base import Detection
from pipeline.faces.litert import Graph

WEIGHTS = "blazeface"
_SIDE_PX = 192
_CELLS = 48
_NUMBERS = 16
_POINTS = ("left_eye", "right_eye", "nose", "mouth")
_OVERLAP = 0.3
_MIN_SCORE = 0.5


class BlazeFace:
    """Finds faces of about a thirtieth of the picture's longer side and more, in any roll, up to a profile."""

    def __init__(self) -> None:
        self._network = Graph(WEIGHTS)
        centers = (np.arange(_CELLS) + 0.5) / _CELLS
        self._anchors = np.stack(np.meshgrid(centers, centers), axis=-1).reshape(-1, 2)

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces with eyes, nose and mouth; the score is the network's probability."""
        square, scale, corner = _letterbox(rgb)
        outputs = self._network(square)
        logits = outputs[_CELLS**2].astype(np.float64)
        scores = 1 / (1 + np.exp(-logits.clip(-50, 50)))
        likely = np.flatnonzero(scores >= _MIN_SCORE)
        # Centre, size, then six points; all but the size are offsets from the cell's centre.
        numbers = outputs[_CELLS**2 * _NUMBERS].reshape(-1, _NUMBERS // 2, 2)[likely] / _SIDE_PX
        numbers[:, [0, *range(2, 8)]] += self._anchors[likely][:, None]
        center, size = numbers[:, 0], numbers[:, 1]
        found = np.concatenate(
            [(center - size / 2)[:, None], (center + size / 2)[:, None], numbers[:, 2:]], 1
        )
        return [
            _detection((face * _SIDE_PX - corner) / scale, score)
            for face, score in _merged(found, scores[likely])
        ]


def _letterbox(rgb: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Return the picture in the middle of a square in [-1, 1], its scale there, and its upper left corner."""
    height, width = rgb.shape[:2]
    scale = _SIDE_PX / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    corner = (_SIDE_PX - np.array(size)) // 2
    square = np.zeros((_SIDE_PX, _SIDE_PX, 3), np.float32)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    square[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]] = small / 127.5 - 1
    return square, scale, corner


def _merged(found: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Return one face for each group of overlapping ones: their mean, weighted by score, with the best score."""
    order = np.argsort(-scores, kind="stable")
    merged = []
    while len(order):
        same = _iou(found[order[0], :2], found[order, :2]) > _OVERLAP
        same[0] = True
        group = order[same]
        merged.append((np.average(found[group], axis=0, weights=scores[group]), float(scores[group[0]])))
        order = order[~same]
    return merged


def _iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the overlap of one box with others, each as two corners, over their union."""
    sides = np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0])
    shared = sides.clip(0).prod(axis=1)
    areas = (boxes[:, 1] - boxes[:, 0]).clip(0).prod(axis=1)
    return shared / np.maximum((box[1] - box[0]).clip(0).prod() + areas - shared, 1e-9)


def _detection(face: np.ndarray, score: float) -> Detection:
    (left, top), (right, bottom) = face[:2].tolist()
    points = {name: (float(x), float(y)) for name, (x, y) in zip(_POINTS, face[2:], strict=False)}
    return Detection((left, top, right, bottom), score, points)
