"""A face made to look as if volume ultrasound had rendered it, with what hides faces there: the truth beneath is known.

What the pictures of document 000 and 001 have in common: one sepia ramp for all tones; a surface lit from one side, so
that form shows as relief and the colour of skin, hair and eyes not at all; speckle; darkness around the head. What
hides the face (document 001, 2.1): the placenta or the wall of the womb, lumpy and grown in from a side; a hand or a
foot, whose limbs are rounded surfaces before the face; other distortions, here the shadow behind something dense,
in which the echo is dim and smeared along the beam.

It is a stand-in: relief is guessed from luminance, and nothing of the physics is simulated.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np

Occluder = Literal["placenta or wall", "hand or foot", "other distortion"]
OCCLUDERS: tuple[Occluder, ...] = ("placenta or wall", "hand or foot", "other distortion")
# From the dark to the light end of the ramp, RGB.
_RAMP = np.array([(14, 7, 4), (88, 44, 20), (176, 110, 56), (234, 182, 122), (255, 232, 196)], np.float32)
_LIGHT = np.array([-0.55, -0.6, 0.58], np.float32)
_RELIEF = 2.2
_SPECKLE = 0.09


class Rendered(NamedTuple):
    """An image H×W×3 uint8 and where its face is hidden, H×W bool; nowhere without an occluder."""

    image: np.ndarray
    hidden: np.ndarray


def ultrasound_like(rgb: np.ndarray, occluder: Occluder | None, seed: int) -> Rendered:
    """Return an upright face HxWx3 uint8, which fills its square picture, as ultrasound might render it.

    The same picture, occluder and seed give the same pixels. Raises `ValueError` for another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[0] != rgb.shape[1] or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"a face must be square and HxWx3 uint8, not {rgb.dtype} of shape {rgb.shape}")
    random = np.random.default_rng(seed)
    side = len(rgb)
    height = _height_of(rgb)
    cover, hidden, smear = np.zeros((side, side), np.float32), np.zeros((side, side), bool), False
    if occluder == "placenta or wall":
        hidden, cover = _tissue(side, random)
    elif occluder == "hand or foot":
        hidden, cover = _limbs(side, random)
    elif occluder == "other distortion":
        hidden, smear = _shadow(side, random), True
    surface = np.where(hidden & (not smear), cover, height)
    tone = _lit(surface, side) * _vignette(side)
    if smear:
        tone = _smeared(tone, hidden, side)
    tone *= 1 + random.normal(0, 1, (side, side)).astype(np.float32) * _SPECKLE
    soft = cv2.GaussianBlur(tone, (0, 0), side / 220)
    return Rendered(_in_ramp(soft), hidden)


def _height_of(rgb: np.ndarray) -> np.ndarray:
    """Return a guess at the surface: what is lighter than its surroundings stands out, in parts of the side."""
    side = len(rgb)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    equal = cv2.createCLAHE(2.0, (4, 4)).apply((grey * 255).astype(np.uint8)).astype(np.float32) / 255
    coarse = cv2.GaussianBlur(equal, (0, 0), side / 14)
    middle = cv2.GaussianBlur(equal, (0, 0), side / 45)
    y, x = _grid(side)
    dome = np.sqrt(np.clip(1 - (x / 0.95) ** 2 - (y / 1.05) ** 2, 0, 1))
    return 0.16 * dome + 0.05 * coarse + 0.055 * middle


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return y and x of each pixel, from -1 to 1."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def _lit(surface: np.ndarray, side: int) -> np.ndarray:
    """Return how bright each point of a surface is under one light, 0 to 1."""
    dy, dx = np.gradient(surface * side * _RELIEF)
    normal = np.stack([-dx, -dy, np.ones_like(surface)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    towards = normal @ (_LIGHT / np.linalg.norm(_LIGHT))
    return np.clip(0.16 + 0.9 * towards, 0, 1).astype(np.float32)


def _vignette(side: int) -> np.ndarray:
    y, x = _grid(side)
    away = np.hypot(x / 0.98, y / 1.04)
    return np.clip((1.12 - away) / 0.3, 0.05, 1).astype(np.float32)


def _noise(side: int, cells: int, random: np.random.Generator) -> np.ndarray:
    """Return smooth noise of about so many bumps a side, deviation 1."""
    coarse = random.normal(0, 1, (cells + 3, cells + 3)).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def _tissue(side: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return where a lumpy mass that grows in from a side, or from below, lies, and its surface."""
    y, x = _grid(side)
    angle = random.choice([0.0, np.pi, np.pi / 2]) + random.uniform(-0.5, 0.5)
    reach = random.uniform(0.05, 0.35)
    inwards = x * np.cos(angle) + y * np.sin(angle)
    depth = inwards - reach + 0.16 * _noise(side, 4, random)
    hidden = depth > 0
    lumps = 0.028 * _noise(side, 6, random) + 0.012 * _noise(side, 14, random)
    surface = 0.3 * np.sqrt(np.clip(depth, 0, 1)) + lumps
    return hidden, surface.astype(np.float32)


def _limbs(side: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return where a hand or foot lies, a palm and four or five rounded limbs from a lower corner, and its surface."""
    y, x = _grid(side)
    left = random.choice([-1.0, 1.0])
    palm = np.array([left * random.uniform(0.35, 0.7), random.uniform(0.35, 0.75)])
    heading = np.arctan2(-palm[1] - 0.2, -palm[0]) + random.uniform(-0.3, 0.3)
    surface = _bulge(x, y, palm, palm - 0.25 * np.array([np.cos(heading), np.sin(heading)]), 0.26)
    for finger in range(int(random.integers(4, 6))):
        fan = heading + (finger - 1.8) * 0.3 + random.normal(0, 0.05)
        length = random.uniform(0.45, 0.7)
        tip = palm + length * np.array([np.cos(fan), np.sin(fan)])
        surface = np.maximum(surface, _bulge(x, y, palm, tip, random.uniform(0.085, 0.115)))
    return surface > 0, surface.astype(np.float32)


def _bulge(x: np.ndarray, y: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """Return the height of a rounded limb from start to end, 0 beside it."""
    along = end - start
    share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(float(along @ along), 1e-6)
    share = np.clip(share, 0, 1)
    away = np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1]) / radius
    return 0.9 * radius * np.sqrt(np.clip(1 - away**2, 0, 1))


def _shadow(side: int, random: np.random.Generator) -> np.ndarray:
    """Return the wedge behind something dense: from above through the face, wider as it goes."""
    y, x = _grid(side)
    start, lean = random.uniform(-0.5, 0.5), random.uniform(-0.35, 0.35)
    top = random.uniform(-0.75, -0.2)
    wide = random.uniform(0.14, 0.26) + 0.14 * (y - top)
    ragged = 0.05 * _noise(side, 8, random)
    return (np.abs(x - start - lean * (y - top)) + ragged < wide) & (y > top)


def _smeared(tone: np.ndarray, hidden: np.ndarray, side: int) -> np.ndarray:
    """Return the tones with those of the shadow dim and drawn out along the beam."""
    drawn_out = cv2.blur(tone, (max(side // 40, 1), max(side // 4, 1)))
    edge = cv2.GaussianBlur(hidden.astype(np.float32), (0, 0), side / 90)
    return tone * (1 - edge) + 0.45 * drawn_out * edge


def _in_ramp(tone: np.ndarray) -> np.ndarray:
    """Return tones of 0 to 1 as sepia RGB."""
    place = np.clip(tone, 0, 1) * (len(_RAMP) - 1)
    colors = [np.interp(place, range(len(_RAMP)), _RAMP[:, channel]) for channel in range(3)]
    return np.stack(colors, axis=-1).round().astype(np.uint8)
