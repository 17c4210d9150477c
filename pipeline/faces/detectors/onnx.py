"""Cartoon (or other) faces by an ONNX detector that the user has: a file exported from YOLOv8 or its kin.

Its input is one picture, 1x3xHxW float32 RGB in 0..1, letterboxed on grey; H and W are multiples of 32 where they are
free. Its first output is 1x(4+C)xN: for each of N boxes the centre's x and y, width and height in pixels of the input,
then the scores in 0..1 of C classes, all of which are taken for faces.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline import weights
from pipeline.errors import UserError
from pipeline.faces.detectors.base import Detection

_GREY = 114
_STRIDE_PX = 32
_MIN_SCORE = 0.25
_OVERLAP = 0.5


class OnnxFaces:
    """Runs the detector of a file; it gives boxes and no points."""

    def __init__(self, path: Path) -> None:
        """Load a file; raise `UserError` where it is missing, not such a detector, or onnxruntime is not installed."""
        self._name = f"onnx:{path}"
        self._session: Any = _load(path)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape, found = inputs[0].shape, outputs[0].shape
        takes_pictures = len(shape) == 4 and shape[1] in (3, None) and inputs[0].type == "tensor(float)"
        gives_boxes = len(found) == 3 and (not isinstance(found[1], int) or found[1] > 4)
        if len(inputs) != 1 or not takes_pictures or not gives_boxes:
            raise UserError(
                f"detector {self._name}: it takes {shape} and gives {found}, not 1x3xHxW float32 and 1x(4+C)xN; "
                "export it as YOLOv8 does, without its own suppression of overlapping boxes"
            )
        self._input = inputs[0].name
        self._size = tuple(side if isinstance(side, int) else None for side in shape[2:])

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces of one picture; the score is the best of the classes'."""
        pixels, scale, (left, top) = _letterbox(rgb, self._size)
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / 255
        numbers = self._session.run(None, {self._input: batch})[0][0].T.astype(np.float64)
        scores = numbers[:, 4:].max(axis=1)
        corners = (numbers[:, :2] - numbers[:, 2:4] / 2 - (left, top)) / scale
        boxes = np.hstack([corners, numbers[:, 2:4] / scale])
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), _MIN_SCORE, _OVERLAP)
        return [_detection(boxes[index], scores[index]) for index in kept]


def _load(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            f"detector onnx:{path}: onnxruntime is not installed; run {weights.INSTALL_SCREEN}"
        ) from None
    if not path.is_file():
        raise UserError(f"detector onnx:{path}: there is no such file; correct the path in params.yaml")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    # onnxruntime raises a class of its own for each of its error codes.
    except Exception as error:
        raise UserError(f"detector onnx:{path}: it is no ONNX model that can be loaded: {error}") from None


def _letterbox(rgb: np.ndarray, size: tuple[int | None, ...]) -> tuple[np.ndarray, float, tuple[int, int]]:
    """Return the picture in the middle of a grey one of (height, width), its scale there, and its corner (x, y).

    A side that is None becomes that of the picture, rounded up to the network's stride.
    """
    height, width = rgb.shape[:2]
    tall, wide = (
        -(-side // _STRIDE_PX) * _STRIDE_PX if fixed is None else fixed
        for side, fixed in zip((height, width), size, strict=True)
    )
    scale = min(tall / height, wide / width, 1.0)
    small = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (wide - small[0]) // 2, (tall - small[1]) // 2
    canvas = np.full((tall, wide, 3), _GREY, np.uint8)
    resized = rgb if scale == 1 else cv2.resize(rgb, small, interpolation=cv2.INTER_AREA)
    canvas[top : top + small[1], left : left + small[0]] = resized
    return canvas, scale, (left, top)


def _detection(box: np.ndarray, score: float) -> Detection:
    x, y, width, height = (float(side) for side in box)
    return Detection((x, y, x + width, y + height), float(score))
