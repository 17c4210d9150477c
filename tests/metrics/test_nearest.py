"""The nearest training image against a double loop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.metrics import nearest as module
from pipeline.metrics.nearest import nearest


def pictures(seed: int, count: int, side: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def small(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).astype(float)


def test_equals_the_double_loop_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 4)
    outputs, training = pictures(0, 9), pictures(1, 11, side=64)
    table = np.array([[np.sqrt(((small(a) - small(b)) ** 2).mean()) for b in training] for a in outputs])
    found = nearest(outputs, training)
    assert found.indices.tolist() == table.argmin(axis=1).tolist()
    assert found.distances == pytest.approx(table.min(axis=1), rel=1e-12)


def test_a_remembered_image_is_at_distance_0() -> None:
    training = pictures(0, 7)
    found = nearest(training[[5, 2]], training)
    assert found.indices.tolist() == [5, 2]
    assert found.distances.tolist() == [0, 0]


def test_black_and_white_are_255_apart_and_the_first_of_equals_counts() -> None:
    black, white = np.zeros((1, 8, 8, 3), np.uint8), np.full((3, 8, 8, 3), 255, np.uint8)
    found = nearest(black, white)
    assert (found.indices.tolist(), found.distances.tolist()) == ([0], [255])


def test_no_images_are_a_clear_error() -> None:
    with pytest.raises(ValueError, match="no images"):
        nearest(pictures(0, 2), pictures(0, 0))
    with pytest.raises(ValueError, match="uint8"):
        nearest(pictures(0, 2).astype(float), pictures(0, 2))
