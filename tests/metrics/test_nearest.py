"""The nearest training image and its closeness, in pixels and in features, against a double loop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.metrics import nearest as module
from pipeline.metrics.nearest import nearest, nearest_features, reduced


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


def test_closeness_compares_the_nearest_with_the_median_of_those_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 4)
    monkeypatch.setattr(module, "AROUND", 5)
    outputs, training = pictures(0, 9), pictures(1, 11)
    found = nearest(outputs, training)
    for output, closeness in zip(outputs, found.closeness, strict=True):
        row = sorted(np.sqrt(((small(output) - small(image)) ** 2).mean()) for image in training)
        assert closeness == pytest.approx(row[0] / row[2], rel=1e-12)


def test_duplicates_in_the_training_do_not_hide_a_copy() -> None:
    training = pictures(0, 20)
    copied = np.concatenate([training, training[:1], training[:1]])
    assert nearest(training[:1], copied).closeness.tolist() == [0]


def test_one_grey_training_set_has_a_closeness_too() -> None:
    grey = np.full((60, 8, 8, 3), 100, np.uint8)
    found = nearest(np.stack([grey[0], grey[0] + 10]), grey)
    assert found.closeness.tolist() == [0, 1]


def test_reduced_images_have_the_same_neighbours() -> None:
    outputs, training = pictures(0, 5), pictures(1, 8, side=100)
    large, small_ones = nearest(outputs, training[[1, 3, 6]]), reduced(training, np.array([1, 3, 6]))
    assert small_ones.shape == (3, 32, 32, 3)
    found = nearest(outputs, small_ones)
    assert found.indices.tolist() == large.indices.tolist()
    assert found.closeness.tolist() == large.closeness.tolist()


def test_features_are_compared_by_their_angle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 3)
    random = np.random.default_rng(0)
    features, training = random.normal(size=(7, 16)), random.normal(size=(10, 16))
    lengths = np.linalg.norm(features, axis=1)[:, None] * np.linalg.norm(training, axis=1)
    cosines = features @ training.T / lengths
    found = nearest_features(features, training)
    assert found.indices.tolist() == cosines.argmax(axis=1).tolist()
    assert found.distances == pytest.approx(np.sqrt(2 - 2 * cosines.max(axis=1)), rel=1e-9)
    assert nearest_features(0.7 * features[:2], features).distances == pytest.approx(0, abs=1e-6)


def test_features_of_length_0_are_far_from_all_others() -> None:
    found = nearest_features(np.zeros((1, 3)), np.eye(3))
    assert (found.indices.tolist(), found.distances.tolist()) == ([0], [1])


@pytest.mark.parametrize(
    ("features", "training", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), "one length, not 3 and 4"),
        (np.array([[1.0, np.nan]]), np.ones((2, 2)), "finite"),
        (np.ones((2, 3)), np.ones((0, 3)), "at least 1"),
        (np.ones(3), np.ones((2, 3)), "N×D"),
    ],
)
def test_features_that_cannot_be_compared_are_a_clear_error(
    features: np.ndarray, training: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        nearest_features(features, training)
