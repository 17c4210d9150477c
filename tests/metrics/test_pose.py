"""How far heads turned and grew, by landmarks that were turned and enlarged."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.faces.pose import estimate_pose
from pipeline.metrics.pose import pose_shift, scale_shift, turns
from tests.metrics.level_face import level_face


def rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    """Return points turned clockwise around the face's middle."""
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - (32, 32)) @ matrix.T + (32, 32)


def looking_aside(pixels: float) -> np.ndarray:
    """Return a face whose nose has moved to the image's right."""
    points = level_face()
    points[27:36, 0] += pixels * np.linspace(0, 1, 9)
    return points


@pytest.mark.parametrize("degrees", [-30, 5, 90])
def test_a_rolled_head_has_rolled_and_not_turned(degrees: float) -> None:
    yaw, pitch, roll = turns(rotated(level_face(), degrees), level_face())
    assert roll == pytest.approx(degrees, abs=0.1)
    assert abs(yaw) < 0.1
    assert abs(pitch) < 0.1


def test_a_roll_over_the_head_is_the_shorter_way() -> None:
    *_, roll = turns(rotated(level_face(), 170), rotated(level_face(), -170))
    assert roll == pytest.approx(-20, abs=0.1)


def test_mirrored_heads_are_twice_their_yaw_apart() -> None:
    yaw = estimate_pose(looking_aside(5)).yaw_deg
    assert abs(yaw) > 5
    assert turns(looking_aside(5), looking_aside(-5))[0] == pytest.approx(2 * yaw, abs=0.1)


def test_the_shift_is_the_median_of_what_was_found_whichever_way_it_turned() -> None:
    face = level_face()
    found = [rotated(face, 10), rotated(face, -20), rotated(face, 60), None, face]
    shift = pose_shift(found, [face, face, face, face, None], drawn=False, seed=0)
    assert list(shift) == ["yaw_deg", "pitch_deg", "roll_deg"]
    assert shift["roll_deg"] == {
        "value": pytest.approx(20, abs=0.1),
        "low": pytest.approx(10, abs=0.1),
        "high": pytest.approx(60, abs=0.1),
        "found": 3,
        "of": 4,
    }
    assert shift["yaw_deg"]["high"] < 0.1


def test_drawn_faces_have_no_pitch() -> None:
    assert list(pose_shift([None], [None], drawn=True, seed=0)) == ["yaw_deg", "roll_deg"]


@pytest.mark.parametrize(("factor", "doublings"), [(2, 1), (0.5, 1), (1, 0), (2**0.25, 0.25)])
def test_scale_shift_counts_doublings_of_the_distance_between_the_eyes(
    factor: float, doublings: float
) -> None:
    shift = scale_shift([rotated(level_face(), 30) * factor], [level_face()], seed=0)
    assert shift == {"value": doublings, "low": doublings, "high": doublings, "found": 1, "of": 1}


def test_where_nothing_is_found_there_is_no_number() -> None:
    nothing = {"value": None, "low": None, "high": None, "found": 0, "of": 1}
    assert scale_shift([None], [level_face()], seed=0) == nothing
    assert pose_shift([None], [level_face()], drawn=False, seed=0)["yaw_deg"] == nothing


@pytest.mark.parametrize("bad", [np.zeros((68, 2)), np.full((68, 2), np.nan), np.zeros((5, 2))])
def test_landmarks_that_cannot_be_are_a_clear_error(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="landmarks must"):
        scale_shift([bad], [level_face()], seed=0)
    with pytest.raises(ValueError, match="landmarks must"):
        pose_shift([level_face()], [bad], drawn=False, seed=0)
