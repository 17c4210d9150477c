"""Landmark consistency: how far the landmarks found on outputs lie from those that were asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.metrics.points import Points, both_known, eye_distance, median_of_found


def landmark_errors(found: Points, asked: Points) -> list[float | None]:
    """Return for each output the mean distance of its 68 landmarks from those asked, None where either is missing.

    Both are N times 68×2 in the outputs' pixels, or None; the unit is the distance between the asked eye
    centres, so 0.05 is good and 1 is elsewhere.
    """
    both_known(found, asked)
    return [
        None if here is None or goal is None else _error(here, goal)
        for here, goal in zip(found, asked, strict=True)
    ]


def landmark_consistency(found: Points, asked: Points, seed: int) -> dict[str, Any]:
    """Return the median error, `value`, `low` and `high`, and how many faces were `found` `of` those asked.

    The numbers are None where nothing was found.
    """
    errors = [_error(here, goal) for here, goal in both_known(found, asked)]
    return median_of_found(errors, asked, seed)


def _error(found: np.ndarray, asked: np.ndarray) -> float:
    return float(np.linalg.norm(found - asked, axis=1).mean() / eye_distance(asked))
