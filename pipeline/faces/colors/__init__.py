"""Skin, hair and eye colours of an aligned face: robust estimates in CIE Lab, each with name and confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pipeline.faces.colors.eyes import drawn_eyes, real_eyes
from pipeline.faces.colors.hair import estimate_hair
from pipeline.faces.colors.lab import MIN_PIXELS, Estimate, Rgb, rgb_of
from pipeline.faces.colors.names import name_of
from pipeline.faces.colors.regions import reduced, working_scale
from pipeline.faces.colors.skin import estimate_skin

__all__ = ["Color", "Rgb", "estimate_colors", "name_of"]

# Almost any picture has something brighter than this, if there was light enough to see colours.
_BRIGHT = 150


class Color(NamedTuple):
    """An sRGB colour 0..255, its name among those of its part, and how far to trust it, 0..1."""

    rgb: Rgb
    name: str
    confidence: float


def estimate_colors(
    rgb: np.ndarray,
    points_68: np.ndarray,
    eyes: np.ndarray,
    drawn: bool,
    known: Mapping[str, Rgb],
    scale: float = 1.0,
) -> dict[str, Color | None]:
    """Return the colours `skin`, `hair`, `left_eye` and `right_eye` of an aligned face; None where unseen.

    `rgb` is HxWx3 uint8, `points_68` and `eyes` (2x2) are in its pixels; `drawn` faces are cartoons. `known`
    are colours of skin and hair that the detector saw; they are checked against the picture. `scale` is how
    many pixels of `rgb` one pixel of the original became: an enlarged iris has no more pixels than it had.

    No hair is seen on a bald head, no iris in a closed eye or one of a few pixels. A hat counts as hair, and
    coloured light as the colour of what it falls on. Colours are those of the lit side, without highlights.
    """
    factor = working_scale(eyes)
    rgb, points, eyes = reduced(rgb, factor), points_68 * factor, eyes * factor
    skin = estimate_skin(rgb, points, drawn, known.get("skin"))
    hair = estimate_hair(rgb, points, drawn, skin, known.get("hair"))
    fewest = max(scale * factor, 1.0) ** 2 * MIN_PIXELS
    left, right = drawn_eyes(rgb, eyes, skin, fewest) if drawn else real_eyes(rgb, points, fewest)
    found = {"skin": skin, "hair": hair, "left_eye": left, "right_eye": right}
    light = _light(rgb)
    return {
        part: None if estimate is None else _color(part, estimate, light) for part, estimate in found.items()
    }


def _color(part: str, estimate: Estimate, light: float) -> Color:
    rgb = rgb_of(estimate.lab)
    return Color(rgb, name_of(rgb, part), round(estimate.confidence * light, 3))


def _light(rgb: np.ndarray) -> float:
    """Return whether there was light enough, 0..1, judged by the brightest of HxWx3 pixels."""
    return min(float(np.quantile(rgb[::4, ::4].max(axis=-1), 0.98)) / _BRIGHT, 1.0)
