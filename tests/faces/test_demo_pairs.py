"""The shipped detectors and landmarks on rendered patients before and after surgery."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.demo_pairs import Measured, measure

CASES = 16


@pytest.fixture(scope="module")
def measured() -> Measured:
    return measure(CASES, "two")


def test_95_of_100_pairs_are_found_and_marked_and_nothing_else(measured: Measured) -> None:
    assert measured.counts["pairs"] == CASES
    assert measured.counts["pairs found and marked"] >= 0.95 * CASES
    assert measured.counts["faces too many"] == 0


def test_aligned_eyes_lie_near_their_places(measured: Measured) -> None:
    assert np.quantile(measured.eyes_off, 0.95) <= 0.03


@pytest.mark.parametrize("name", ["nose", "chin"])
def test_the_landmarks_that_are_found_tell_where_was_operated(measured: Measured, name: str) -> None:
    inside, outside = np.median(measured.found_moved[name], axis=0)
    assert inside > 1.5 * outside
