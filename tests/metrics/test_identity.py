"""Cosines of embeddings before and after, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics.identity import cosines, identity


def test_a_cosine_is_that_of_the_angle_whatever_the_lengths() -> None:
    before = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0], [1.0, 0.0]])
    angles = np.radians([60, 90, 180, 0])
    after = 5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert cosines(before, after) == pytest.approx([0.5, 1, -1, 1], abs=1e-12)


def test_the_mean_stands_beside_that_with_other_inputs() -> None:
    before = np.eye(4)[:3]
    after = np.array([[1.0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    found = identity(before, after, seed=0)
    assert found["value"] == pytest.approx((1 + np.sqrt(0.5) + 0) / 3, abs=1e-4)
    assert found["low"] < found["value"] < found["high"]
    assert found["others"] == pytest.approx(np.sqrt(0.5) / 6, abs=1e-4)


def test_one_image_and_equal_ones_have_a_value() -> None:
    one = np.ones((1, 8))
    assert identity(one, one, seed=0) == {"value": 1, "low": 1, "high": 1, "others": None}
    assert identity(np.ones((5, 8)), np.ones((5, 8)), seed=0)["others"] == 1


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (np.ones((2, 3)), np.ones((3, 3)), "one shape"),
        (np.ones((0, 3)), np.ones((0, 3)), "N >= 1"),
        (np.ones(3), np.ones(3), "N×D"),
        (np.ones((2, 3)), np.full((2, 3), np.nan), "finite"),
        (np.zeros((2, 3)), np.ones((2, 3)), "length 0"),
    ],
)
def test_what_has_no_cosine_is_a_clear_error(before: np.ndarray, after: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cosines(before, after)
    with pytest.raises(ValueError, match=said):
        identity(before, after, seed=0)
