"""The colours of the irises, apart from sclera, pupil, lashes, lids and highlights."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.faces.colors.hair import unlike_skin
from pipeline.faces.colors.lab import Estimate, chroma, densest, distance, lab_of
from pipeline.faces.colors.regions import polygon
from pipeline.faces.ibug import LEFT_EYE, RIGHT_EYE

Pair = tuple[Estimate | None, Estimate | None]

# Of the distance between the eye's corners, as the landmarks have them, an iris is about half.
_RADIUS = 0.25
# The iris proper, between pupil and rim, in radii.
_RING = (0.45, 1.0)
# Lightness (0..100) that a place may be darker by and yet be no iris if it is one radius off the eye's middle.
_PULL = 15.0
# Shares of the ring by lightness: below lie pupil and lashes, above highlights.
_LIGHTNESS = (0.4, 0.9)
# A closed eye has nothing that is so much lighter (0..100) than where its iris should be.
_OPEN = 8.0
_CLEAR = 25.0
# Of drawn eyes, as far from their centre as this share of the distance between them.
_DRAWN_RADIUS = 0.2
# Outside of these lie lashes, rim and pupil, highlights and white; and what has a colour has this much.
_DRAWN_LIGHTNESS = (18, 88)
_DRAWN_CHROMA = 8
_DRAWN_SHARE = 0.04
_UNLIKE_SKIN = 0.45


def real_eyes(rgb: np.ndarray, points: np.ndarray, fewest: float) -> Pair:
    """Return the colours of the left and the right iris of a photographed face; None of a closed eye.

    `points` are 68x2 px; an iris of fewer than `fewest` pixels is None.
    """
    left, right = (_iris(rgb, points[eye], fewest) for eye in (LEFT_EYE, RIGHT_EYE))
    return _agreeing(left, right)


def drawn_eyes(rgb: np.ndarray, eyes: np.ndarray, skin: Estimate | None, fewest: float) -> Pair:
    """Return the colours of the left and the right iris of a drawn face; None of a closed eye.

    `eyes` are their centres (2x2 px); an iris of fewer than `fewest` pixels is None.
    """
    radius = max(_DRAWN_RADIUS * float(np.linalg.norm(eyes[1] - eyes[0])), 3)
    left, right = (_drawn_iris(rgb, eye, radius, skin, fewest) for eye in eyes)
    return _agreeing(left, right)


def _agreeing(left: Estimate | None, right: Estimate | None) -> Pair:
    """Two eyes of one face mostly have one colour: the less these do, the less either is trusted."""
    if left is None or right is None:
        return left, right
    agreement = float(np.exp(-distance(left.lab, right.lab) / 30))
    return Estimate(left.lab, left.confidence * agreement), Estimate(right.lab, right.confidence * agreement)


def _iris(rgb: np.ndarray, eye: np.ndarray, fewest: float) -> Estimate | None:
    radius = _RADIUS * float(np.linalg.norm(eye[3] - eye[0]))
    part, corner = _cut(rgb, eye.min(axis=0) - radius, eye.max(axis=0) + radius)
    opening = polygon(part.shape, eye - corner)
    if opening.sum() < fewest:
        return None
    lab = lab_of(part)
    x, y = _darkest_disc(lab[..., 0], opening, eye.mean(axis=0) - corner, radius)
    away = _away(opening.shape, x, y) / radius
    ring = lab[opening & (away > _RING[0]) & (away < _RING[1])]
    if len(ring) < fewest:
        return None
    dark, light = (int(share * len(ring)) for share in _LIGHTNESS)
    color, share = densest(ring[ring[:, 0].argsort(kind="stable")[dark:light]], 12.0)
    contrast = float(np.quantile(lab[opening][:, 0], 0.9) - color[0])
    return Estimate(color, share * min(contrast / _CLEAR, 1)) if contrast > _OPEN else None


def _darkest_disc(
    lightness: np.ndarray, opening: np.ndarray, middle: np.ndarray, radius: float
) -> tuple[int, int]:
    """The place (x, y) in the eye's opening where a disc of an iris' size is darkest, rather in the middle."""
    size = 2 * round(radius) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)).astype(np.float32)
    inside = opening.astype(np.float32)
    cover = cv2.filter2D(inside, -1, disc, borderType=cv2.BORDER_CONSTANT)
    mean = cv2.filter2D(inside * lightness, -1, disc, borderType=cv2.BORDER_CONSTANT) / np.maximum(cover, 1)
    cost = mean + _PULL * _away(opening.shape, *middle) / radius
    cost[~opening | (cover < 0.5 * cover.max())] = np.inf
    y, x = np.unravel_index(int(cost.argmin()), cost.shape)
    return int(x), int(y)


def _drawn_iris(
    rgb: np.ndarray, eye: np.ndarray, radius: float, skin: Estimate | None, fewest: float
) -> Estimate | None:
    part, corner = _cut(rgb, eye - radius, eye + radius)
    if part.size == 0:
        return None
    lab = lab_of(part)
    disc = _away(part.shape, *(eye - corner)) < radius
    lightness, vivid = lab[..., 0], chroma(lab)
    dark, light = _DRAWN_LIGHTNESS
    middling = disc & (lightness > dark) & (lightness < light)
    if skin is not None:
        # Skin in shadow keeps some of its colour: what has none is something else.
        greyish = (vivid < _DRAWN_CHROMA / 2) & (distance(lab, skin.lab) > 20)
        middling &= (unlike_skin(lab, skin.lab) > _UNLIKE_SKIN) | greyish
    least = max(fewest, _DRAWN_SHARE * disc.sum())
    # Lines are thinner than irises, but between their black and the skin lie all colours, and more greys.
    colored, grey = _without_lines(middling & (vivid > _DRAWN_CHROMA), 2), _without_lines(middling, 3)
    if colored.sum() >= least:
        return Estimate(*densest(lab[colored & (vivid >= np.median(vivid[colored]))], 15.0))
    if grey.sum() >= least:
        color, share = densest(lab[grey], 15.0)
        return Estimate(color, share / 2)
    return None


def _without_lines(mask: np.ndarray, width_px: int) -> np.ndarray:
    kernel = np.ones((width_px, width_px), np.uint8)
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel).astype(bool)


def _cut(rgb: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture between two corners (x, y), and where its own corner lies."""
    x0, y0 = (max(int(np.floor(value)), 0) for value in low)
    x1, y1 = (max(int(np.ceil(value)) + 1, 0) for value in high)
    return rgb[y0:y1, x0:x1], np.array([x0, y0])


def _away(shape: tuple[int, ...], x: float, y: float) -> np.ndarray:
    """The distances of a picture's pixels from a point."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(columns - x, rows - y)
