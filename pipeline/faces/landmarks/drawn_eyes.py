"""Where the eyes of a drawn face are, by its ink: an iris is an upright ellipse unlike the skin and the white."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.faces import alignment

# The faces are levelled so that the eyes, as expected, lie this far apart, and at these places of the crop.
_APART_PX = 64
_EXPECTED = ((_APART_PX, _APART_PX), (2 * _APART_PX, _APART_PX))
_SIZE = (3 * _APART_PX, 2 * _APART_PX)
# As parts of that distance: half axes of irises, how far they may lie from where they are expected, and the width
# and height of what is looked at for their middle.
_HALF_WIDTHS = (0.1, 0.13, 0.17, 0.21)
_HALF_HEIGHTS = (0.12, 0.16, 0.21, 0.27)
_REACH = 0.16
_WINDOW = (0.1, 0.15)
_STEPS = 3
# What being at the end of the reach costs, as correlation.
_COST_OF_REACH = 0.3
# Lab distance from skin and white that is all ink.
_FULL_INK = 60.0


class Irises(NamedTuple):
    """Centres (2x2 px), and the correlation (-1..1) of the drawing with an ellipse at the one that fits worse."""

    centers: np.ndarray
    fit: float


def find_irises(rgb: np.ndarray, eyes: np.ndarray) -> Irises:
    """Return the irises near where the eyes of a drawn face (2x2) are expected, in pixels.

    Both are taken to be of one size. Across, a centre is that of the ink; lashes and hair draw that upwards, so down
    it is where an ellipse fits the ink best.
    """
    across = eyes[1] - eyes[0]
    down = np.array([-across[1], across[0]])
    matrix = cv2.getAffineTransform(
        np.array([eyes[0], eyes[1], eyes[0] + down], np.float32),
        np.array([*_EXPECTED, (_APART_PX, 2 * _APART_PX)], np.float32),
    )
    leveled = cv2.warpAffine(rgb, matrix, _SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ink = _ink(leveled)
    places, fit = _best_places(ink)
    found = np.array([_centered(ink, place) for place in places])
    return Irises(alignment.transform(found, cv2.invertAffineTransform(matrix)), fit)


def _ink(leveled: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from every mixture of skin and white, 0..1; the skin is that below the eyes."""
    lab = cv2.cvtColor(leveled.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    below = slice(_APART_PX + _APART_PX // 3, _APART_PX + _APART_PX * 2 // 3)
    skin = np.median(lab[below, _APART_PX : 2 * _APART_PX].reshape(-1, 3), axis=0)
    to_white = np.array([100, 0, 0], np.float32) - skin
    share = ((lab - skin) @ to_white / max(float(to_white @ to_white), 1)).clip(0, 1)
    return (np.linalg.norm(lab - skin - share[..., None] * to_white, axis=2) / _FULL_INK).clip(0, 1)


def _best_places(ink: np.ndarray) -> tuple[list[tuple[int, int]], float]:
    """Return for both eyes where an ellipse of the size that fits them best lies (x, y), and the worse fit."""
    reach = round(_REACH * _APART_PX)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    cost = _COST_OF_REACH * (x**2 + y**2) / reach**2
    fits = [
        [_fit(ink, place, _ellipse(*half_axes), reach) for place in _EXPECTED]
        for half_axes in itertools.product(_HALF_WIDTHS, _HALF_HEIGHTS)
    ]
    best = max(fits, key=lambda both: sum((fit - cost).max() for fit in both))
    places = [np.unravel_index((fit - cost).argmax(), fit.shape) for fit in best]
    return [
        (left + int(column) - reach, top + int(row) - reach)
        for (left, top), (row, column) in zip(_EXPECTED, places, strict=True)
    ], max(min(float(fit.max()) for fit in both) for both in fits)


def _ellipse(half_width: float, half_height: float) -> np.ndarray:
    """Return the template of an iris: 1 inside, 0 outside, with what surrounds it."""
    across, down = half_width * _APART_PX, half_height * _APART_PX
    x = np.arange(-int(1.5 * across + 1), int(1.5 * across + 1) + 1)
    y = np.arange(-int(1.3 * down + 1), int(1.3 * down + 1) + 1)
    radius = np.hypot(x[None] / across, y[:, None] / down)
    return ((1.1 - radius) / 0.2).clip(0, 1).astype(np.float32)


def _fit(ink: np.ndarray, place: tuple[int, int], ellipse: np.ndarray, reach: int) -> np.ndarray:
    """Return the correlation of ink and ellipse within reach of a place."""
    tall, wide = ellipse.shape[0] // 2 + reach, ellipse.shape[1] // 2 + reach
    x, y = place
    return cv2.matchTemplate(
        ink[y - tall : y + tall + 1, x - wide : x + wide + 1], ellipse, cv2.TM_CCOEFF_NORMED
    )


def _centered(ink: np.ndarray, place: tuple[int, int]) -> tuple[float, float]:
    """Return a place moved across to the middle of the ink around it, by mean shift."""
    column, row = np.arange(ink.shape[1]), np.arange(ink.shape[0])
    width, height = (side * _APART_PX for side in _WINDOW)
    columns = np.exp(-(((row - place[1]) / height) ** 2) / 2) @ ink
    x = float(place[0])
    for _ in range(_STEPS):
        weights = columns * np.exp(-(((column - x) / width) ** 2) / 2) + 1e-9
        x = float(weights @ column / weights.sum())
    return x, float(place[1])
