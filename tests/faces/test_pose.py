import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.faces.pose import estimate_pose, roll_of_eyes


def test_yaw_is_within_10_degrees_of_the_annotated_one_up_to_45(real_pictures: Path) -> None:
    truth = json.loads((real_pictures / "truth_68_points.json").read_text())
    annotated = [face for face in truth.values() if abs(face.get("yaw_deg", 90)) <= 45]
    assert len(annotated) >= 4
    for face in annotated:
        # AFLW2000 counts a turn to the image's left as positive.
        assert -estimate_pose(np.array(face["pts"])).yaw_deg == pytest.approx(face["yaw_deg"], abs=10)


def test_a_profile_is_seen_as_one(real_pictures: Path) -> None:
    truth = json.loads((real_pictures / "truth_68_points.json").read_text())
    profiles = [face for face in truth.values() if abs(face.get("yaw_deg", 0)) > 50]
    assert len(profiles) == 3
    for face in profiles:
        assert abs(estimate_pose(np.array(face["pts"])).yaw_deg) > 40


@pytest.mark.parametrize("turn_deg", [20, 90, 180, -135])
def test_turning_the_picture_turns_the_roll_and_nothing_else(real_pictures: Path, turn_deg: float) -> None:
    points = np.array(
        json.loads((real_pictures / "truth_68_points.json").read_text())["real/lfpw_image_0002.png"]["pts"]
    )
    angle = np.radians(turn_deg)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    before, after = estimate_pose(points), estimate_pose(points @ turn.T)
    assert math.remainder(after.roll_deg - before.roll_deg - turn_deg, 360) == pytest.approx(0, abs=0.1)
    assert after.yaw_deg == pytest.approx(before.yaw_deg, abs=0.1)
    assert after.pitch_deg == pytest.approx(before.pitch_deg, abs=0.1)


def test_the_roll_of_two_eyes_is_clockwise() -> None:
    assert roll_of_eyes(np.array([(0.0, 0.0), (10.0, 10.0)])) == 45
