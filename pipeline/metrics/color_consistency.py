"""Colour consistency: how far skin, hair and eyes of outputs are from the colours that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.faces.colors import Rgb, estimate_colors
from pipeline.faces.ibug import eye_centers
from pipeline.metrics.enlarging import enlarge
from pipeline.metrics.pairs import check_images

# What is reported: the estimates it is made of.
PARTS = {"skin": ("skin",), "hair": ("hair",), "eyes": ("left_eye", "right_eye")}

Asked = Mapping[str, Rgb | None]


class Summary(TypedDict):
    """Median ΔE00 over the colours that could be compared, None if none, and how many of those asked."""

    median_delta_e: float | None
    compared: int
    of: int


def color_consistency(
    outputs: np.ndarray, asked: Sequence[Asked], landmarks: Sequence[np.ndarray | None], drawn: bool
) -> dict[str, Summary]:
    """Return the ΔE00 between asked and seen colours for `skin`, `hair` and `eyes` of N×H×W×3 uint8 outputs.

    Each of the N `asked` maps `skin`, `hair`, `left_eye` and `right_eye` to sRGB 0..255, or to None (or
    nothing) where no colour is known; every eye counts by itself. `landmarks` are N times 68×2 in the
    outputs' pixels, None where no face was found. `drawn` faces are cartoons. About 2 is just noticeable.
    """
    check_images(outputs)
    if not len(outputs) == len(asked) == len(landmarks):
        raise ValueError(f"{len(outputs)} outputs, {len(asked)} asked colours, {len(landmarks)} landmarks")
    seen = [_seen(output, points, drawn) for output, points in zip(outputs, landmarks, strict=True)]
    return {part: _compare(names, asked, seen) for part, names in PARTS.items()}


def delta_e(one: Rgb, other: Rgb) -> float:
    """Return the CIEDE2000 difference of two sRGB colours 0..255; 0 for equal ones, 100 for black and white."""
    labs = (rgb2lab(np.array(rgb, np.float64).reshape(1, 1, 3) / 255) for rgb in (one, other))
    return float(deltaE_ciede2000(*labs).item())


def _seen(output: np.ndarray, points_68: np.ndarray | None, drawn: bool) -> dict[str, Rgb | None]:
    if points_68 is None:
        return {}
    if points_68.shape != (68, 2) or not np.isfinite(points_68).all():
        raise ValueError(f"landmarks must be 68×2 and finite, not of shape {points_68.shape} or with NaN")
    large, factor = enlarge(output)
    points = points_68 * factor
    found = estimate_colors(large, points, eye_centers(points), drawn, known={})
    return {name: None if color is None else color.rgb for name, color in found.items()}


def _compare(names: Sequence[str], asked: Sequence[Asked], seen: Sequence[Asked]) -> Summary:
    wanted = [
        (color, there.get(name))
        for here, there in zip(asked, seen, strict=True)
        for name in names
        if (color := here.get(name)) is not None
    ]
    differences = [delta_e(color, other) for color, other in wanted if other is not None]
    return {
        "median_delta_e": float(np.median(differences)) if differences else None,
        "compared": len(differences),
        "of": len(wanted),
    }
