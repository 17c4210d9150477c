"""What every metric of landmarks asks of them: 68×2 each, in an image's pixels, or None where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.faces.ibug import eye_centers
from pipeline.metrics.intervals import median_estimate

Points = Sequence[np.ndarray | None]


def check_points(points: Points) -> None:
    """Raise `ValueError` unless each is None, or 68×2 and finite with two eyes at different places."""
    for points_68 in points:
        if points_68 is None:
            continue
        if points_68.shape != (68, 2) or not np.isfinite(points_68).all():
            raise ValueError(f"landmarks must be 68×2 and finite, not of shape {points_68.shape} or with NaN")
        if eye_distance(points_68) == 0:
            raise ValueError("landmarks must have two eyes at different places")


def both_known(found: Points, asked: Points) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the landmarks found and asked of every image that has both; raise `ValueError`."""
    if len(found) != len(asked):
        raise ValueError(f"landmarks found on {len(found)} outputs, but asked of {len(asked)}")
    check_points(found)
    check_points(asked)
    pairs = zip(found, asked, strict=True)
    return [(here, goal) for here, goal in pairs if here is not None and goal is not None]


def eye_distance(points_68: np.ndarray) -> float:
    """Return the distance between the centres of the eyes."""
    left, right = eye_centers(points_68)
    return float(np.linalg.norm(right - left))


def median_of_found(values: Sequence[float], asked: Points, seed: int) -> dict[str, Any]:
    """Return the median of what was measured on the outputs with landmarks, `found`, `of` those with landmarks asked.

    `value`, `low` and `high` are None where there is none.
    """
    counts = {"found": len(values), "of": sum(points_68 is not None for points_68 in asked)}
    if not len(values):
        return {"value": None, "low": None, "high": None} | counts
    return median_estimate(values, seed).as_dict() | counts
