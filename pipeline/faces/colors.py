"""Skin, hair and eye colours of an aligned face: robust estimates in CIE Lab, each with a confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.faces.ibug import LEFT_EYE, RIGHT_EYE

NAMES = {
    "black": (20, 18, 20),
    "grey": (128, 128, 128),
    "white": (240, 240, 240),
    "dark brown": (62, 39, 30),
    "brown": (120, 78, 50),
    "tan": (188, 140, 105),
    "beige": (228, 190, 160),
    "pale": (248, 222, 205),
    "blond": (222, 190, 110),
    "yellow": (245, 220, 70),
    "orange": (230, 130, 40),
    "red": (200, 40, 40),
    "pink": (240, 140, 180),
    "purple": (130, 70, 170),
    "blue": (60, 100, 200),
    "light blue": (130, 190, 235),
    "teal": (40, 160, 160),
    "green": (70, 150, 70),
}
# Two colours this near in Lab (CIE76) are the same thing in another light.
_SAME = 15.0
_MIN_PIXELS = 12


Rgb = tuple[int, int, int]
Estimate = tuple[np.ndarray, float]


class Color(NamedTuple):
    """An sRGB colour 0..255, its name, and the share of its region's pixels that look like it."""

    rgb: Rgb
    name: str
    confidence: float


def estimate_colors(
    rgb: np.ndarray,
    points_68: np.ndarray,
    eyes: np.ndarray,
    drawn: bool,
    known: Mapping[str, Rgb],
) -> dict[str, Color | None]:
    """Return the colours `skin`, `hair`, `left_eye` and `right_eye` of an aligned face; None where unseen.

    `rgb` is HxWx3 uint8, `points_68` and `eyes` (2x2) are in its pixels; `drawn` faces are cartoons. Skin and
    hair that the detector knows are `known`: flat cartoon colours it reads better than anyone.
    """
    lab = _lab(rgb)
    skin_pixels = lab[_skin_region(rgb.shape, points_68)]
    skin = _given(known.get("skin"), skin_pixels) or _dominant(skin_pixels)
    hair_pixels = lab[_hair_region(rgb.shape, points_68)]
    not_skin = hair_pixels if skin is None else hair_pixels[_distance(hair_pixels, skin[0]) > _SAME]
    hair = _given(known.get("hair"), hair_pixels) or _dominant(not_skin)
    skin_lab = None if skin is None else skin[0]
    if drawn:
        apart = float(np.linalg.norm(eyes[1] - eyes[0]))
        irises = [_cartoon_iris(lab, eye, apart, skin_lab) for eye in eyes]
    else:
        irises = [_iris(lab, points_68[eye]) for eye in (LEFT_EYE, RIGHT_EYE)]
    found = zip(("skin", "hair", "left_eye", "right_eye"), (skin, hair, *irises), strict=True)
    return {part: None if estimate is None else _color(*estimate) for part, estimate in found}


def name_of(rgb: Rgb) -> str:
    """Return the name of the nearest of the named colours."""
    names = np.array(list(NAMES.values()), np.uint8)[None]
    nearest = _distance(_lab(names)[0], _lab(np.array([[rgb]], np.uint8))[0, 0]).argmin()
    return list(NAMES)[int(nearest)]


def _skin_region(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Both cheeks, between eyes, nose and mouth, and away from the jaw's shadow."""
    left = points[[36, 41, 40, 31, 48, 4, 2]]
    right = points[[45, 46, 47, 35, 54, 12, 14]]
    mask = np.zeros(shape[:2], np.uint8)
    for cheek in (left, right):
        inner = cheek.mean(axis=0) + 0.6 * (cheek - cheek.mean(axis=0))
        cv2.fillConvexPoly(mask, cv2.convexHull(inner.round().astype(np.int32)), 1)
    return mask.astype(bool)


def _hair_region(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """A band above the forehead, as wide as the eyes, where hair or a bald head is."""
    brows, chin = points[17:27].mean(axis=0), points[8]
    up = (brows - chin) / np.linalg.norm(brows - chin)
    height = np.linalg.norm(brows - chin)
    half = (points[45] - points[36]) / 2
    corners = [
        brows + up * height * rise + side * half
        for rise, side in ((0.3, -1), (0.3, 1), (0.62, 0.8), (0.62, -0.8))
    ]
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.array(corners).round().astype(np.int32), 1)
    return mask.astype(bool)


def _iris(lab: np.ndarray, eye: np.ndarray) -> Estimate | None:
    """The eye's middle, without highlights and sclera (bright, colourless) and the dark of the pupil."""
    center, half_width = eye.mean(axis=0), np.ptp(eye[:, 0]) / 2
    disc = np.zeros(lab.shape[:2], np.uint8)
    cv2.circle(disc, center.round().astype(int).tolist(), max(round(half_width * 0.5), 2), 1, -1)
    opening = np.zeros_like(disc)
    cv2.fillConvexPoly(opening, cv2.convexHull(eye.round().astype(np.int32)), 1)
    pixels = lab[(disc & opening).astype(bool)]
    if len(pixels) < _MIN_PIXELS:
        return None
    chroma = np.hypot(pixels[:, 1], pixels[:, 2])
    colored = pixels[~((pixels[:, 0] > 65) & (chroma < 22))]
    if len(colored) < _MIN_PIXELS:
        return None
    lit = colored[colored[:, 0] >= np.quantile(colored[:, 0], 0.3)]
    return _dominant(lit)


def _cartoon_iris(lab: np.ndarray, eye: np.ndarray, apart: float, skin: np.ndarray | None) -> Estimate | None:
    """The colourful part of a disc on the eye: no rim, pupil, lashes (dark), white, highlights or skin."""
    disc = np.zeros(lab.shape[:2], np.uint8)
    cv2.circle(disc, eye.round().astype(int).tolist(), max(round(apart * 0.2), 3), 1, -1)
    pixels = lab[disc.astype(bool)]
    chroma = np.hypot(pixels[:, 1], pixels[:, 2])
    seen = (pixels[:, 0] > 18) & (pixels[:, 0] < 88) & (chroma > 8)
    if skin is not None:
        seen &= _distance(pixels, skin) > _SAME
    if seen.sum() < _MIN_PIXELS:
        return None
    vivid = pixels[seen][chroma[seen] >= np.median(chroma[seen])]
    return _dominant(vivid)


def _given(rgb: Rgb | None, region: np.ndarray) -> Estimate | None:
    """Return a colour that is known already, with the share of the region that looks like it."""
    if rgb is None or len(region) == 0:
        return None
    lab = _lab(np.array([[rgb]], np.uint8))[0, 0]
    return lab, float((_distance(region, lab) < _SAME).mean())


def _dominant(pixels: np.ndarray) -> Estimate | None:
    """Return the colour that most pixels are near to, and their share.

    A few rounds of a mean over what is near, from the median on: shadows, highlights and strays drop out.
    """
    if len(pixels) < _MIN_PIXELS:
        return None
    center = np.median(pixels, axis=0)
    for _ in range(5):
        near = pixels[_distance(pixels, center) < _SAME]
        if len(near) == 0:
            break
        center = near.mean(axis=0)
    return center, float((_distance(pixels, center) < _SAME).mean())


def _color(lab: np.ndarray, confidence: float) -> Color:
    rgb = cv2.cvtColor(lab.astype(np.float32)[None, None], cv2.COLOR_LAB2RGB)[0, 0]
    red, green, blue = (int(value) for value in (rgb * 255).round().clip(0, 255))
    return Color((red, green, blue), name_of((red, green, blue)), round(confidence, 3))


def _lab(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _distance(pixels: np.ndarray, center: np.ndarray) -> np.ndarray:
    return np.linalg.norm(pixels - center, axis=-1)
