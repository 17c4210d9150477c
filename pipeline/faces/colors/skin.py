"""The colour of the skin: of photographs the lit side without highlights, of drawings the flat colour."""

from __future__ import annotations

import numpy as np

from pipeline.faces.colors.lab import MIN_PIXELS, Estimate, Rgb, checked, densest, lab_of, lit, thinned
from pipeline.faces.colors.regions import cheeks, chin, forehead

# Skin in another light keeps its a and b to this; brows, hair, lips and glasses do not.
_SAME_HUE = 12.0
_FLAT = 6.0


def estimate_skin(rgb: np.ndarray, points: np.ndarray, drawn: bool, known: Rgb | None) -> Estimate | None:
    """Return the colour of the skin of an aligned face (68x2 landmarks in its pixels); None if unseen."""
    sides = cheeks(rgb.shape, points)
    if drawn:
        return _flat(lab_of(np.concatenate([rgb[mask] for mask in (*sides, chin(rgb.shape, points))])), known)
    patches = [_unburnt(rgb[mask]) for mask in (*sides, forehead(rgb.shape, points))]
    return _lit_side(lab_of(np.concatenate(patches)))


def _lit_side(pixels: np.ndarray) -> Estimate | None:
    if len(pixels) < MIN_PIXELS:
        return None
    hue, _ = densest(pixels, _SAME_HUE)
    skin = pixels[np.hypot(*(pixels - hue)[:, 1:].T) < _SAME_HUE]
    unevenness = float(np.ptp(np.quantile(skin[:, 0], (0.1, 0.9))))
    return Estimate(lit(skin), len(skin) / len(pixels) * float(np.exp(-unevenness / 40)))


def _unburnt(pixels: np.ndarray) -> np.ndarray:
    """The pixels that are not burnt out, unless most are."""
    kept = pixels[pixels.max(axis=1, initial=0) < 253]
    return thinned(kept if len(kept) > 0.3 * len(pixels) else pixels)


def _flat(pixels: np.ndarray, known: Rgb | None) -> Estimate | None:
    if len(pixels) < MIN_PIXELS:
        return None
    return checked(known, pixels, Estimate(*densest(pixels, _FLAT)))
