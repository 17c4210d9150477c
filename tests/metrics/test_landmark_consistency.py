"""Landmarks against those asked for, by points that were moved."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics.landmark_consistency import landmark_consistency, landmark_errors
from tests.metrics.level_face import level_face


def test_an_error_is_how_far_the_points_were_moved_in_eye_distances() -> None:
    asked = level_face()
    moved = asked + np.array([3.0, 4.0])
    assert landmark_errors([asked, moved], [asked, asked]) == pytest.approx([0, 5 / 20])
    half = np.where(np.arange(68)[:, None] < 34, moved, asked)
    assert landmark_errors([half], [asked]) == pytest.approx([2.5 / 20])


def test_the_median_is_of_the_found_among_those_asked() -> None:
    asked = level_face()
    found = [asked + [2, 0], None, asked + [6, 0], asked + [4, 0], asked]
    goals = [asked, asked, asked, asked, None]
    assert landmark_errors(found, goals) == pytest.approx([0.1, None, 0.3, 0.2, None])
    median = landmark_consistency(found, goals, seed=0)
    assert median == {"value": 0.2, "low": 0.1, "high": 0.3, "found": 3, "of": 4}


def test_where_nothing_is_found_or_asked_there_is_no_number() -> None:
    nothing = {"value": None, "low": None, "high": None, "found": 0}
    assert landmark_consistency([None], [level_face()], seed=0) == nothing | {"of": 1}
    assert landmark_consistency([level_face()], [None], seed=0) == nothing | {"of": 0}
    assert landmark_consistency([], [], seed=0) == nothing | {"of": 0}


def test_one_face_is_its_own_interval() -> None:
    median = landmark_consistency([level_face() + [2, 0]], [level_face()], seed=0)
    assert median == {"value": 0.1, "low": 0.1, "high": 0.1, "found": 1, "of": 1}


@pytest.mark.parametrize(
    ("found", "asked", "said"),
    [
        ([None], [np.zeros((5, 2))], "68×2"),
        ([None, None], [level_face()], "found on 2 outputs, but asked of 1"),
        ([None], [np.zeros((68, 2))], "two eyes"),
        ([None], [np.full((68, 2), np.nan)], "finite"),
        ([np.full((68, 2), np.nan)], [level_face()], "finite"),
    ],
)
def test_landmarks_that_cannot_be_are_a_clear_error(found: list, asked: list, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        landmark_errors(found, asked)
