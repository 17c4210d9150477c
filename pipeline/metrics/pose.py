"""Pose and scale shift: how much a head has turned, and a face has grown, from what was asked to the output."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.faces.pose import estimate_pose
from pipeline.metrics.points import Points, both_known, eye_distance, median_of_found

ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


def pose_shift(found: Points, asked: Points, drawn: bool, seed: int) -> dict[str, dict[str, Any]]:
    """Return the median absolute difference of `yaw_deg`, `pitch_deg` and `roll_deg`, in degrees 0..180.

    Of the landmarks found on N outputs and asked for, each 68×2 in the outputs' pixels or None; the poses are those of
    `pipeline.faces.pose`. `drawn` outputs have no pitch: their mouth is where it pleases. Each angle has `value`,
    `low` and `high`, None where nothing was found, and how many were `found` `of` those asked.
    """
    pairs = both_known(found, asked)
    turned = np.array([turns(*pair) for pair in pairs]).reshape(len(pairs), len(ANGLES))
    return {
        angle: median_of_found(np.abs(turned[:, place]), asked, seed)
        for place, angle in enumerate(ANGLES)
        if not (drawn and angle == "pitch_deg")
    }


def turns(found: np.ndarray, asked: np.ndarray) -> tuple[float, ...]:
    """Return by how many degrees the pose found differs from that asked, -180..180 by angle, of 68×2 points each."""
    here, goal = estimate_pose(found), estimate_pose(asked)
    return tuple(math.remainder(one - other, 360) for one, other in zip(here, goal, strict=True))


def scale_shift(found: Points, asked: Points, seed: int) -> dict[str, Any]:
    """Return the median |log2| of the ratio of the distances between the eyes: 1 is twice or half as large.

    Arguments and result are as in `pose_shift`. A head that turns brings its eyes closer, too.
    """
    ratios = [eye_distance(here) / eye_distance(goal) for here, goal in both_known(found, asked)]
    return median_of_found([abs(math.log2(ratio)) for ratio in ratios], asked, seed)
