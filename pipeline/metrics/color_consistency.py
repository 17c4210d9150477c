"""Colour consistency: how far skin, hair and eyes of outputs are from the colours that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.faces.colors import Rgb, estimate_colors
from pipeline.faces.ibug import eye_centers
from pipeline.metrics.enlarging import enlarge
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.pairs import check_images
from pipeline.metrics.points import Points, check_points
from pipeline.metrics.resampling import intervals_over_groups

# What is reported: the estimates it is made of.
PARTS = {"skin": ("skin",), "hair": ("hair",), "eyes": ("left_eye", "right_eye")}
_RESAMPLES = 1000

Asked = Mapping[str, Rgb | None]


def color_consistency(
    outputs: np.ndarray, asked: Sequence[Asked], landmarks: Points, drawn: bool, seed: int
) -> dict[str, dict[str, Any]]:
    """Return the ΔE00 between asked and seen colours for `skin`, `hair` and `eyes` of N×H×W×3 uint8 outputs.

    Each of the N `asked` maps `skin`, `hair`, `left_eye` and `right_eye` to sRGB 0..255, or to None (or
    nothing) where no colour is known; every eye counts by itself. `landmarks` are N times 68×2 in the
    outputs' pixels, None where no face was found. `drawn` faces are cartoons. About 2 is just noticeable.

    Each part has the median, `value`, with its interval over images, `low` and `high`, all None where no colour could
    be compared, and how many were `compared` `of` those asked.
    """
    check_images(outputs)
    check_points(landmarks)
    if not len(outputs) == len(asked) == len(landmarks):
        raise ValueError(f"{len(outputs)} outputs, {len(asked)} asked colours, {len(landmarks)} landmarks")
    seen = [seen_colors(output, points, drawn) for output, points in zip(outputs, landmarks, strict=True)]
    return {part: _compare(names, asked, seen, seed) for part, names in PARTS.items()}


def seen_colors(rgb: np.ndarray, points_68: np.ndarray | None, drawn: bool) -> Mapping[str, Rgb | None]:
    """Return the colours of the face in HxWx3 uint8 RGB by their names, with None for those that cannot be seen.

    `points_68` are its 68×2 landmarks in pixels; without a face nothing is returned. `drawn` faces are cartoons.
    """
    if points_68 is None:
        return {}
    large, factor = enlarge(rgb)
    points = points_68 * factor
    found = estimate_colors(large, points, eye_centers(points), drawn, known={})
    return {name: None if color is None else color.rgb for name, color in found.items()}


def delta_e(one: Rgb, other: Rgb) -> float:
    """Return the CIEDE2000 difference of two sRGB colours 0..255; 0 for equal ones, 100 for black and white."""
    labs = (rgb2lab(np.array(rgb, np.float64).reshape(1, 1, 3) / 255) for rgb in (one, other))
    return float(deltaE_ciede2000(*labs).item())


def _compare(
    names: Sequence[str], asked: Sequence[Asked], seen: Sequence[Asked], seed: int
) -> dict[str, Any]:
    away = np.array(
        [
            [_away(here.get(name), there.get(name)) for name in names]
            for here, there in zip(asked, seen, strict=True)
        ]
    )
    counts = {
        "compared": int(np.isfinite(away).sum()),
        "of": sum(here.get(name) is not None for here in asked for name in names),
    }
    if not counts["compared"]:
        return {"value": None, "low": None, "high": None} | counts
    [interval] = intervals_over_groups(
        len(away), lambda drawn: [_median(away.repeat(drawn, axis=0))], seed, _RESAMPLES
    )
    return Estimate(_median(away), *interval).as_dict() | counts


def _away(asked: Rgb | None, seen: Rgb | None) -> float:
    return np.nan if asked is None or seen is None else delta_e(asked, seen)


def _median(away: np.ndarray) -> float:
    known = away[np.isfinite(away)]
    return float(np.median(known)) if known.size else np.nan
