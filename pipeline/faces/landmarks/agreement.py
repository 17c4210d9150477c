"""How far landmarks agree: with what else is known of the face, and with themselves."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.faces.ibug import MOUTH, eye_centers


def eyes_and_mouth(points_68: np.ndarray) -> np.ndarray:
    """Return the centres of the left eye, of the right eye and of the mouth, 3x2."""
    return np.vstack([eye_centers(points_68), points_68[MOUTH].mean(axis=0)])


def disagreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return how far eyes and mouth (3x2) lie from where else they are known to be, in distances of those eyes."""
    return float(np.linalg.norm(ours - theirs, axis=1).max() / np.linalg.norm(theirs[1] - theirs[0]))


def wandering(attempts: Iterable[np.ndarray], points_68: np.ndarray) -> float:
    """Return how far eyes or mouth of other attempts lie from those of the points, in distances of the eyes.

    On a face that a model knows they hardly move with the box; on a profile or no face they wander.
    """
    settled = eyes_and_mouth(points_68)
    return max(disagreement(eyes_and_mouth(attempt), settled) for attempt in attempts)


def is_upright(eyes: np.ndarray, mouth: np.ndarray) -> bool:
    """Say whether the left eye lies left of the right one when the mouth is held below them."""
    across, down = eyes[1] - eyes[0], mouth - eyes.mean(axis=0)
    return bool(across[0] * down[1] - across[1] * down[0] > 0)
