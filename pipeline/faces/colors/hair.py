"""The colour of the hair: what covers the head's rim and is neither skin nor what is seen behind the head."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from pipeline.faces.colors.lab import (
    MIN_PIXELS,
    Estimate,
    Rgb,
    checked,
    densest,
    distance,
    lab_of,
    lit,
    thinned,
)
from pipeline.faces.colors.regions import behind_head, crown, head_rim

_REACH = 13.0
# Strands in more and in less light are this far from the most frequent colour.
_STRANDS = 20.0
# Less of the rim than this in hair is a bald head.
_BALD = 0.1
# Skin in shadow is seldom darker than this share of the lit skin's lightness, shining skin seldom this much
# lighter; in what is left it varies by the spread, like the other lengths in Lab.
_DEEPEST_SHADE = 0.62
_GLOSS = 12.0
_SKIN_SPREAD = 6.0


def estimate_hair(
    rgb: np.ndarray,
    points: np.ndarray,
    drawn: bool,
    skin: Estimate | None,
    known: Rgb | None,
) -> Estimate | None:
    """Return the colour of the hair of an aligned face; None of a bald head, or if nothing of it is seen."""
    pixels = lab_of(thinned(rgb[crown(rgb.shape, points) | head_rim(rgb.shape, points)]))
    if len(pixels) < MIN_PIXELS:
        return None
    weights = np.ones(len(pixels)) if skin is None else unlike_skin(pixels, skin.lab)
    behind = lab_of(thinned(rgb[behind_head(rgb.shape, points)]))
    if len(behind):
        weights *= _not_behind(pixels, weights, behind)
    return checked(known, pixels, _seen(pixels, weights, drawn))


def _seen(pixels: np.ndarray, weights: np.ndarray, drawn: bool) -> Estimate | None:
    if weights.mean() < _BALD:
        return None
    color, share = densest(pixels, _REACH, weights)
    if not drawn:
        hair = pixels[(weights > 0.5) & (distance(pixels, color) < _STRANDS)]
        color = lit(hair) if len(hair) else color
    return Estimate(color, float(share * weights.mean()) ** 0.5)


def unlike_skin(pixels: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Return for ...x3 Lab colours how little they look like the skin in more or less light, 0..1."""
    lightness, full = max(float(skin[0]), 1.0), float(np.linalg.norm(skin[1:]))
    hue = skin[1:] / max(full, 1e-6)
    shade = np.minimum(pixels[..., 0] / lightness, 1)
    expected = np.clip(pixels[..., 1:] @ hue, 0.8 * full * shade, 1.3 * full)
    tint = np.linalg.norm(pixels[..., 1:] - expected[..., None] * hue, axis=-1)
    darker = np.maximum(_DEEPEST_SHADE * lightness - pixels[..., 0], 0)
    lighter = np.maximum(pixels[..., 0] - lightness - _GLOSS, 0)
    return 1 - np.exp(-(tint**2 + darker**2 + lighter**2) / (2 * _SKIN_SPREAD**2))


def _not_behind(pixels: np.ndarray, weights: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """How little each pixel's colour is more frequent behind the head than on its rim."""
    on_rim = (cdist(pixels, pixels) < _REACH) @ weights / len(pixels)
    off = (cdist(pixels, behind) < _REACH).mean(axis=1)
    return (on_rim + 0.05) / (on_rim + off + 0.05)
