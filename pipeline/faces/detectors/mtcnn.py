"""Real faces by MTCNN (Zhang et al. 2016): three small networks in a row, with the weights of facenet-pytorch."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.nn import functional

from pipeline import weights
from pipeline.faces.detectors.base import Detection

_SMALLEST_FACE_PX = 40
_SHRINK = 0.709
# The proposal network sees windows of 12 px, two pixels apart.
_WINDOW_PX, _STRIDE_PX = 12, 2
_REFINE_PX, _OUTPUT_PX = 24, 48
_MIN_SCORES = (0.6, 0.7, 0.7)
_OVERLAP_IN_SCALE, _OVERLAP = 0.5, 0.7


class Mtcnn:
    """Finds faces of about 40 px and more, up to a profile.

    It sets the process's torch to one thread: the work is spread over processes, and sums then come out alike.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._propose = _Network("mtcnn-p", pools=(2, 0, 0))
        self._refine = _Network("mtcnn-r", pools=(3, 3, 0))
        self._output = _Network("mtcnn-o", pools=(3, 3, 2, 0))

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces with eyes, nose and mouth; the score is the last network's probability."""
        boxes = self._proposals(rgb)
        boxes = self._refined(rgb, boxes)
        return self._faces(rgb, boxes)

    def _proposals(self, rgb: np.ndarray) -> np.ndarray:
        """Return the Nx4 boxes that the first network takes for faces, over all sizes."""
        found = [np.empty((0, 4))], [np.empty(0)]
        for scale, reduced in _pyramid(rgb):
            scores, offsets = self._propose(reduced[None])
            rows, columns = np.nonzero(scores[0] >= _MIN_SCORES[0])
            corner = np.stack([columns, rows], axis=1) * _STRIDE_PX
            windows = np.hstack([corner, corner + _WINDOW_PX]) / scale
            boxes, likely = _moved(windows, offsets[0, :, rows, columns]), scores[0, rows, columns]
            kept = _without_overlaps(windows, likely, _OVERLAP_IN_SCALE)
            found[0].append(boxes[kept])
            found[1].append(likely[kept])
        boxes, likely = np.concatenate(found[0]), np.concatenate(found[1])
        return boxes[_without_overlaps(boxes, likely, _OVERLAP)]

    def _refined(self, rgb: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Return those of Nx4 boxes that the second network keeps, as it moves them."""
        boxes = _squared(boxes)
        if not len(boxes):
            return boxes
        scores, offsets = self._refine(_crops(rgb, boxes, _REFINE_PX))
        kept = np.flatnonzero(scores >= _MIN_SCORES[1])
        kept = kept[_without_overlaps(boxes[kept], scores[kept], _OVERLAP)]
        return _moved(boxes[kept], offsets[kept])

    def _faces(self, rgb: np.ndarray, boxes: np.ndarray) -> list[Detection]:
        """Return those of Nx4 boxes that the third network keeps, as it moves them, with their points."""
        boxes = _squared(boxes)
        if not len(boxes):
            return []
        scores, offsets, places = self._output(_crops(rgb, boxes, _OUTPUT_PX))
        points = boxes[:, None, :2] + places.reshape(-1, 2, 5).transpose(0, 2, 1) * _sides(boxes)[:, None]
        boxes = _moved(boxes, offsets)
        kept = np.flatnonzero(scores >= _MIN_SCORES[2])
        kept = kept[_without_overlaps(boxes[kept], scores[kept], _OVERLAP, nested=True)]
        return [_detection(boxes[index], scores[index], points[index]) for index in kept]


class _Network:
    """Convolutions, each with a max pooling of some size after it (0: none), perhaps a dense layer, and heads.

    The names in the files number the layers; a layer with several heads numbers these too.
    """

    def __init__(self, weights_name: str, pools: tuple[int, ...]) -> None:
        self._tensors = torch.load(weights.path(weights_name), map_location="cpu", weights_only=True)
        self._pools = pools
        names = sorted({name.rpartition(".")[0] for name in self._tensors})
        self._heads = [name for name in names if "_" in name]

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return for NxHxWx3 uint8 RGB the probability of a face, then what the other heads say, as float64."""
        values = (torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() - 127.5) / 128
        for number, pool in enumerate(self._pools, 1):
            values = self._activated(functional.conv2d(values, *self._layer(f"conv{number}")), number)
            if pool:
                values = functional.max_pool2d(values, pool, 2, ceil_mode=True)
        dense = len(self._pools) + 1
        if f"dense{dense}.weight" in self._tensors:
            # The weights were learned with the columns of an image before its rows.
            flat = values.permute(0, 3, 2, 1).flatten(1)
            values = self._activated(functional.linear(flat, *self._layer(f"dense{dense}")), dense)
        score, *others = (self._head(values, name) for name in self._heads)
        return [part.double().numpy() for part in (score.softmax(dim=1)[:, 1], *others)]

    def _activated(self, values: torch.Tensor, number: int) -> torch.Tensor:
        return functional.prelu(values, self._tensors[f"prelu{number}.weight"])

    def _head(self, values: torch.Tensor, name: str) -> torch.Tensor:
        apply = functional.conv2d if name.startswith("conv") else functional.linear
        return apply(values, *self._layer(name))

    def _layer(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]


def _pyramid(rgb: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Yield by how much a picture is reduced, and what it is then, down to the first network's window.

    All are made from the first, which is small already.
    """
    height, width = rgb.shape[:2]
    scale = _WINDOW_PX / _SMALLEST_FACE_PX
    first = None
    while min(height, width) * scale >= _WINDOW_PX:
        size = max(round(width * scale), _WINDOW_PX), max(round(height * scale), _WINDOW_PX)
        reduced = cv2.resize(rgb if first is None else first, size, interpolation=cv2.INTER_AREA)
        first = reduced if first is None else first
        yield scale, reduced
        scale *= _SHRINK


def _crops(rgb: np.ndarray, boxes: np.ndarray, side_px: int) -> np.ndarray:
    """Return what lies in Nx4 square boxes as NxSxSx3 uint8, black where that is outside the picture."""
    crops = np.zeros((len(boxes), side_px, side_px, 3), np.uint8)
    height, width = rgb.shape[:2]
    for crop, (left, top, right, bottom) in zip(crops, boxes.round().astype(int), strict=True):
        square = np.zeros((max(bottom - top, 1), max(right - left, 1), 3), np.uint8)
        seen = rgb[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        down, across = max(-top, 0), max(-left, 0)
        square[down : down + seen.shape[0], across : across + seen.shape[1]] = seen
        crop[:] = cv2.resize(square, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return crops


def _sides(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 2:] - boxes[:, :2]


def _moved(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return Nx4 boxes with their sides moved by Nx4 parts of their width and height."""
    return boxes + offsets * np.tile(_sides(boxes), 2)


def _squared(boxes: np.ndarray) -> np.ndarray:
    """Return the squares around the middles of Nx4 boxes whose sides are the boxes' longer ones."""
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = _sides(boxes).max(axis=1, keepdims=True, initial=1) / 2
    return np.hstack([center - half, center + half])


def _without_overlaps(
    boxes: np.ndarray, scores: np.ndarray, overlap: float, nested: bool = False
) -> np.ndarray:
    """Return the indices of boxes that overlap no better one by more than a part of their union.

    `nested`: by more than a part of the smaller one, so that no face lies within another; OpenCV's own
    suppression does not know this.
    """
    areas = _sides(boxes).clip(0).prod(axis=1)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        lower = np.maximum(boxes[best, :2], boxes[order, :2])
        upper = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = (upper - lower).clip(0).prod(axis=1)
        smaller, sum_ = np.minimum(areas[best], areas[order]), areas[best] + areas[order]
        order = order[shared <= overlap * (smaller if nested else sum_ - shared)]
    return np.array(kept, dtype=int)


def _detection(box: np.ndarray, score: float, points: np.ndarray) -> Detection:
    left_eye, right_eye, nose, *mouth_corners = points
    named = {
        "left_eye": left_eye,
        "right_eye": right_eye,
        "nose": nose,
        "mouth": np.mean(mouth_corners, axis=0),
    }
    left, top, right, bottom = box.tolist()
    return Detection(
        (left, top, right, bottom),
        float(score),
        {name: (float(x), float(y)) for name, (x, y) in named.items()},
    )
