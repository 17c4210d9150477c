"""How good an aligned face is to learn from: sharpness, exposure, and a hint that something hides part of it.

Sharpness depends on the size at which it is measured: crops are measured at `REFERENCE_PX`, whatever their own size.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.faces.ibug import LEFT_EYE, MOUTH, RIGHT_EYE

REFERENCE_PX = 256

_FEATURES = (slice(17, 22), slice(22, 27), LEFT_EYE, RIGHT_EYE, MOUTH)
_MIN_PIXELS = 50
# A face without landmarks is taken to fill an ellipse in the crop's middle: half its width and height, in sides.
_ELLIPSE = (0.3, 0.4)
# The outline of the landmarks lies on the edge of the face; where heads are turned, beside it.
_INSIDE_OUTLINE = 0.9
# How far lashes and lips reach beyond their landmarks, in sides.
_AROUND = 0.024
# Colours are compared at this size: skin's texture is averaged away.
_COLORS_PX = 96
# Skin's own colour: lightness differs by light more than the rest (CIE Lab; Comaniciu and Meer 2002).
_WEIGHTS, _NEAR = np.array([0.3, 1, 1], np.float32), 14.0
# Not skin in another light: another hue (degrees), paler than shade makes it, or almost black.
_OTHER_HUE_DEG, _HUE_NOISE = 25.0, 6.0
_PALER, _CHROMA_NOISE = 0.45, 4.0
_DARKER = 0.25


def sharpness(rgb: np.ndarray) -> float:
    """Return the variance of the Laplacian of an aligned face's luminance (Pech-Pacheco et al. 2000)."""
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def exposure(rgb: np.ndarray, points_68: np.ndarray | None) -> float | None:
    """Return the mean luminance (0 to 1, gamma-coded) of the face in an aligned crop; None where it shows none.

    The face is what lies within the landmarks (68x2 in pixels of the crop), or else the middle of the crop.
    """
    height, width = rgb.shape[:2]
    if points_68 is None:
        region = np.zeros((height, width), np.uint8)
        half = (round(_ELLIPSE[0] * width), round(_ELLIPSE[1] * height))
        cv2.ellipse(region, (width // 2, height // 2), half, 0, 0, 360, 1, cv2.FILLED)
    else:
        region = _filled((height, width), points_68)
    if cv2.countNonZero(region) < _MIN_PIXELS:
        return None
    return cv2.mean(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), region)[0] / 255


def occlusion_hint(rgb: np.ndarray, points_68: np.ndarray) -> float | None:
    """Return the share (0 to 1) of an aligned face's skin that looks like no skin; None where no skin is seen.

    Skin is what lies within the landmarks (68x2 in pixels of the crop) but for brows, eyes and mouth. Masks, dark
    glasses, face paint and strands of hair stand out by their colour; so do beards and coloured light. Hands do
    not, and nothing does in a picture without colours.
    """
    reduced = cv2.resize(rgb, (_COLORS_PX, _COLORS_PX), interpolation=cv2.INTER_AREA)
    skin = _skin_region(reduced.shape[:2], points_68 * (_COLORS_PX / len(rgb)))
    if skin.sum() < _MIN_PIXELS:
        return None
    pixels = cv2.cvtColor(reduced.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[skin]
    lightness, color = pixels[:, 0], pixels[:, 1:]
    own = _dominant(pixels)
    own_chroma = float(np.hypot(own[1], own[2]))
    hue = own[1:] / own_chroma if own_chroma > _HUE_NOISE else np.zeros(2, np.float32)
    along = color @ hue
    across = np.sqrt((np.einsum("ij,ij->i", color, color) - along**2).clip(0))
    other_hue = across > np.tan(np.radians(_OTHER_HUE_DEG)) * along.clip(0) + _HUE_NOISE
    shaded_chroma = own_chroma * (lightness / max(own[0], 1e-6)).clip(0, 1)
    paler = along < _PALER * shaded_chroma - _CHROMA_NOISE
    return float((other_hue | paler | (lightness < _DARKER * own[0])).mean())


def _skin_region(shape: tuple[int, ...], points_68: np.ndarray) -> np.ndarray:
    """Return which pixels lie within the landmarks, but for brows, eyes and mouth and what is close to them."""
    middle = points_68.mean(axis=0)
    region = _filled(shape, middle + _INSIDE_OUTLINE * (points_68 - middle))
    features = np.zeros_like(region)
    for feature in _FEATURES:
        features |= _filled(shape, points_68[feature])
    around = 2 * round(_AROUND * shape[0]) + 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (around, around))
    return (region > 0) & (cv2.dilate(features, ellipse) == 0)


def _dominant(pixels: np.ndarray) -> np.ndarray:
    """Return the mean of the pixels near to each other (N x L, a, b), sought from their median on."""
    center = np.median(pixels, axis=0)
    for _ in range(5):
        away = (pixels - center) * _WEIGHTS
        near = np.einsum("ij,ij->i", away, away) < _NEAR**2
        if not near.any():
            break
        center = pixels[near].mean(axis=0)
    return center


def _filled(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Return a mask (uint8, 0 or 1) of the convex hull of Nx2 points."""
    mask = np.zeros(shape, np.uint8)
    return cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 1)
