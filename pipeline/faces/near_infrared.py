"""A photograph made to look as if a near-infrared camera with its own light had taken it, where no such camera was.

What near-infrared pictures of faces have in common, around 850 nm:

- the light comes from beside the lens and outshines the room, so that its direction hardly shows, and it falls off
  towards the edges and with the distance (Li, Chu, Liao and Zhang 2007, "Illumination Invariant Face Recognition Using
  Near-Infrared Images", doi:10.1109/TPAMI.2007.1014);
- skin of every tone reflects far more than in visible light, for melanin and blood absorb ever less as waves grow
  longer (Jacques 2013, doi:10.1088/0031-9155/58/11/R37), so that it looks pale and even, and lips are hardly darker;
- dark hair and dark irises, coloured by melanin too, are brighter (Daugman 2004, "How Iris Recognition Works",
  doi:10.1109/TCSVT.2003.818350).

The transform follows these with a handful of numbers chosen by eye. It cannot know what a surface reflects beyond the
red, so it is a stand-in whose ground truth is known: good for trying an experiment, no evidence about real cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_GAMMA = 2.2
# Chromaticities r = R/(R+G+B) and g of skin under most lights: middle and spread, wide enough for all tones.
_SKIN_RED, _SKIN_GREEN = (0.43, 0.06), (0.30, 0.04)
# R+G+B of the darkest skin that is lit; what is darker is hair or shadow.
_SKIN_LIGHT = 0.8
_DARK = 0.25


@dataclass(frozen=True)
class Look:
    """How strong each effect is; all of linear light from 0 to 1.

    `channels`: the weights of red, green and blue, nearest to infrared the heaviest; `flatten`: how much of the
    room's light is taken away (0 none, 1 all that changes slowly over the picture); `skin`: how far skin moves
    towards white; `melanin`: how much light hair and other dark things give back; `contrast`: about the middle grey,
    1 for none; `vignetting`: how much darker the corners are than the middle; `noise`: its deviation, in parts of the
    range.
    """

    channels: tuple[float, float, float] = (0.75, 0.2, 0.05)
    flatten: float = 0.4
    skin: float = 0.35
    melanin: float = 0.06
    contrast: float = 1.1
    vignetting: float = 0.7
    noise: float = 0.012


def near_infrared(rgb: np.ndarray, look: Look = Look(), seed: int = 0) -> np.ndarray:
    """Return HxWx3 uint8 RGB as grey HxWx3 uint8 of equal channels; the same picture and seed give the same pixels.

    Raises `ValueError` for another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise ValueError(f"a picture must be HxWx3 uint8, not {rgb.dtype} of shape {rgb.shape}")
    seen = rgb.astype(np.float32) / 255
    reflected = seen**_GAMMA @ np.asarray(look.channels, np.float32)
    reflected = _without_room_light(reflected, look.flatten)
    reflected += look.skin * _skin(seen) * (1 - reflected)
    reflected += look.melanin * np.clip(1 - reflected / _DARK, 0, 1)
    lit = reflected * _illuminator(reflected.shape, look.vignetting)
    grey = np.clip(lit, 0, 1) ** (1 / _GAMMA)
    grey = 0.5 + (grey - 0.5) * look.contrast
    grey += np.random.default_rng(seed).normal(0, look.noise, grey.shape)
    return np.repeat((np.clip(grey, 0, 1) * 255).round().astype(np.uint8)[..., None], 3, axis=2)


def _without_room_light(reflected: np.ndarray, flatten: float) -> np.ndarray:
    """Divide by a part of what changes slowly, which is mostly the light; the picture's mean stays as it is."""
    sigma = max(reflected.shape) / 8
    slow = cv2.GaussianBlur(reflected, (0, 0), sigma) + 0.02
    mean = float(reflected.mean())
    flat = reflected * ((mean + 0.02) / slow) ** flatten
    return np.clip(flat * (mean / max(float(flat.mean()), 1e-6)), 0, 1)


def _skin(seen: np.ndarray) -> np.ndarray:
    """Return how much each pixel has the chromaticity of skin, HxW from 0 to 1, without hard edges."""
    total = seen.sum(axis=2) + 1e-4
    red, green = seen[..., 0] / total, seen[..., 1] / total
    away = ((red - _SKIN_RED[0]) / _SKIN_RED[1]) ** 2 + ((green - _SKIN_GREEN[0]) / _SKIN_GREEN[1]) ** 2
    likely = np.exp(-away / 2) * np.clip(total / _SKIN_LIGHT, 0, 1) ** 2
    return cv2.GaussianBlur(likely, (0, 0), max(seen.shape[:2]) / 200 + 0.5)


def _illuminator(shape: tuple[int, ...], vignetting: float) -> np.ndarray:
    """Return the light of a lamp at the lens: cos⁴ of the angle, from 1 in the middle to 1 - vignetting in a corner."""
    height, width = shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    to_corner = np.hypot((height - 1) / 2, (width - 1) / 2) or 1.0
    distance = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) / to_corner
    # cos⁴ a = 1 / (1 + tan² a)², and tan a grows with the distance from the middle.
    tan2_of_corner = (1 - vignetting) ** -0.5 - 1
    return (1 + tan2_of_corner * distance**2) ** -2
