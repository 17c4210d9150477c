"""Colours as points in CIE Lab: conversion, distance, and the densest spot among many."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial.distance import cdist

Rgb = tuple[int, int, int]
# Fewer pixels than this are no evidence of a colour.
MIN_PIXELS = 12

# Two colours this near are the same thing in another light.
_ALIKE = 15.0
_BORNE_OUT = 0.1
# Shares of the pixels by lightness.
_LIT = (0.45, 0.92)
_SEEDS = 32
_MOST = 256


class Estimate(NamedTuple):
    """A colour as L, a, b and a confidence 0..1."""

    lab: np.ndarray
    confidence: float


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """Return float32 L (0..100), a, b of sRGB 0..255; any shape whose last axis has the 3 channels."""
    flat = np.asarray(rgb, np.float32).reshape(-1, 1, 3) / 255
    if len(flat) == 0:
        return flat.reshape(np.shape(rgb))
    return cv2.cvtColor(flat, cv2.COLOR_RGB2LAB).reshape(np.shape(rgb))


def rgb_of(lab: np.ndarray) -> Rgb:
    """Return the sRGB colour 0..255 of one Lab colour, clipped to what a screen shows."""
    rgb = cv2.cvtColor(np.asarray(lab, np.float32)[None, None], cv2.COLOR_LAB2RGB)[0, 0]
    red, green, blue = (int(value) for value in (rgb * 255).round().clip(0, 255))
    return red, green, blue


def distance(pixels: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Return the distances of ...x3 Lab colours from one (CIE76)."""
    off = pixels - center
    return np.sqrt(np.einsum("...i,...i->...", off, off))


def chroma(pixels: np.ndarray) -> np.ndarray:
    """Return how far ...x3 Lab colours are from grey."""
    return np.hypot(pixels[..., 1], pixels[..., 2])


def thinned(pixels: np.ndarray) -> np.ndarray:
    """Return at most a few hundred of Nx3 pixels, evenly taken: enough for a colour."""
    return pixels[:: -(-len(pixels) // _MOST) or 1]


def densest(pixels: np.ndarray, reach: float, weights: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Return the Lab colour with most weight within `reach`, and the share of the weight that lies there.

    `pixels` are Nx3, N at least 1. Mean shift (Comaniciu and Meer 2002) with a flat kernel, from the best of
    some of the pixels on: unlike a mean or a median it never lies between two colours.
    """
    few = thinned(pixels)
    weight = np.ones(len(few)) if weights is None else thinned(weights)
    total = float(weight.sum())
    if total <= 0:
        return few[0], 0.0
    seeds = few[:: -(-len(few) // _SEEDS)]
    near = cdist(seeds, few) < reach
    center = seeds[int((near @ weight).argmax())]
    for _ in range(4):
        inside = weight * (distance(few, center) < reach)
        if inside.sum() <= 0:
            break
        center = inside @ few / inside.sum()
    return center, float(weight[distance(few, center) < reach].sum()) / total


def lit(pixels: np.ndarray) -> np.ndarray:
    """Return the mean of the lit side of Nx3 Lab pixels, N at least 1: without the shadow and the highlights."""
    first, last = (int(share * len(pixels)) for share in _LIT)
    return pixels[pixels[:, 0].argsort(kind="stable")[first : max(last, first + 1)]].mean(axis=0)


def checked(told: Rgb | None, pixels: np.ndarray, seen: Estimate | None) -> Estimate | None:
    """Return what the detector told of a region, if its pixels bear that out, otherwise what was `seen` there.

    The confidence of a told colour is the share of the region's Nx3 pixels that look like it.
    """
    if told is None:
        return seen
    lab = lab_of(np.array(told))
    share = float((distance(pixels, lab) < _ALIKE).mean())
    if seen is not None and share < _BORNE_OUT and share < 0.5 * seen.confidence:
        return seen._replace(confidence=seen.confidence / 2)
    return Estimate(lab, share)
