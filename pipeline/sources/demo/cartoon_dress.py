"""Around a flat-drawn head: backdrops, neck and clothes, and what is worn on hair and face."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .backgrounds import any_colour
from .cartoon_face import Palette, ink_of, shade_of
from .cartoon_head import place
from .head import Pose
from .painting import colour, curve, ellipse, fill, gradient, mixed, scaled, stroke, tint
from .truth import Pixels, Points, Rgb

Placing = Callable[[ArrayLike], Points]
OUTFITS = ("sailor", "shirt", "hoodie", "dress")
TRINKETS = ("", "", "ribbon", "hairpin", "flower", "headband")


@dataclass(frozen=True)
class Outfit:
    """What the character wears."""

    kind: str
    colour: Rgb
    accent: Rgb
    trinket: str


def backdrop(rng: np.random.Generator, n: int) -> Pixels:
    """A simple background of n x n pixels."""
    first, second = any_colour(rng, 0.45, (0.7, 1.0)), any_colour(rng, 0.45, (0.7, 1.0))
    canvas = gradient((n, n), first, second, rng.uniform(0, 360))
    motif = rng.integers(6)
    light = mixed(first, (255, 255, 255), 0.5)
    if motif == 0:
        step = n / rng.integers(7, 12)
        for row, y in enumerate(np.arange(0, n + step, step)):
            for x in np.arange((row % 2) * step / 2, n + step, step):
                fill(canvas, ellipse((x, y), (step * 0.2, step * 0.2), 0, 24), light)
    elif motif == 1:
        width = n / rng.integers(8, 16)
        for x in np.arange(-n, n, width * 2):
            fill(canvas, [(x, n), (x + width, n), (x + width + n, 0), (x + n, 0)], light)
    elif motif == 2:
        canvas = gradient((n, n), (110, 175, 238), (226, 242, 252), 90)
        for _ in range(5):
            at = rng.uniform((0, 0), (n, 0.7 * n))
            for _ in range(6):
                r = rng.uniform(0.03, 0.09) * n
                fill(canvas, ellipse(at + rng.normal(0, (0.09 * n, 0.02 * n)), (r * 1.3, r)), (250, 252, 255))
    elif motif == 3:
        for _ in range(26):
            r = rng.uniform(0.01, 0.06) * n
            tint(canvas, ellipse(rng.uniform(0, n, 2), (r, r)), (255, 255, 255), 0.45, 1.0)
    elif motif == 4:
        for angle in np.linspace(0, 2 * np.pi, 29)[:-1]:
            way = np.array([[np.cos(angle), np.sin(angle)], [np.cos(angle + 0.11), np.sin(angle + 0.11)]]) * n
            fill(canvas, np.concatenate([[(n / 2, n / 2)], way + n / 2]), light)
    return canvas


def draw_body(canvas: Pixels, pose: Pose, palette: Palette, outfit: Outfit) -> None:
    """Draw the neck and the dressed shoulders."""
    root = pose.project(np.array([0.0, 0.8, -0.1]))
    at = Pose(
        (float(root[0]), float(root[1] - 0.8 * pose.scale)),
        pose.scale,
        pose.yaw_deg * 0.5,
        0.0,
        pose.roll_deg * 0.25,
    )
    s = pose.scale

    def flat(points: ArrayLike) -> Points:
        p = np.asarray(points, dtype=float)
        return at.project(np.concatenate([p, np.zeros((len(p), 1))], axis=1))

    neck = [(-0.33, 0.7), (-0.33, 1.5), (-0.7, 1.78), (0.7, 1.78), (0.33, 1.5), (0.33, 0.7)]
    fill(canvas, flat(neck), palette.skin)
    chest = [(-0.7, 1.77), (0.7, 1.77), (0.85, 1.84), (0.7, 2.8), (-0.7, 2.8), (-0.85, 1.84)]
    fill(canvas, flat(chest), palette.skin)
    fill(
        canvas,
        flat([(-0.33, 0.8), (0.33, 0.8), (0.33, 1.34), (0.0, 1.56), (-0.33, 1.4)]),
        shade_of(palette.skin),
    )
    for side in (-1, 1):
        stroke(
            canvas,
            flat(np.array([(0.33, 0.9), (0.33, 1.5), (0.7, 1.76)]) * (side, 1)),
            ink_of(palette.skin),
            0.02 * s,
        )
    neckline = {
        "sailor": [(-0.5, 1.66), (0.0, 2.45)],
        "shirt": [(-0.42, 1.6), (0.0, 2.0)],
        "hoodie": [(-0.5, 1.62), (0.0, 1.85)],
        "dress": [(-0.85, 1.75), (0.0, 2.2)],
    }[outfit.kind]
    left = np.array([(0.0, 6.0), (-1.9, 6.0), (-1.75, 2.7), (-1.5, 2.1), (-1.0, 1.82), *neckline])
    cloth = np.concatenate([left, (left[1:-1] * (-1, 1))[::-1]])
    fill(canvas, flat(cloth), outfit.colour)
    shade = colour(np.asarray(outfit.colour) * (0.76, 0.74, 0.82))
    for side in (-1, 1):
        sleeve = curve(np.array([(1.16, 2.35), (1.12, 2.9), (1.2, 4.2), (1.3, 6.0)]) * (side, 1))
        if side > 0:
            arm = np.concatenate([sleeve, [(1.9, 6.0), (1.9, 2.75), (1.5, 2.5)]])
            tint(canvas, flat(arm), shade, 1.0, 0.7, inside=flat(cloth))
        stroke(canvas, flat(sleeve), ink_of(outfit.colour), 0.02 * s)
    stroke(canvas, flat(cloth), ink_of(outfit.colour), 0.024 * s, closed=True)
    _trim(canvas, flat, outfit, s)


def _trim(canvas: Pixels, flat: Placing, outfit: Outfit, s: float) -> None:
    ink = ink_of(outfit.accent)
    for side in (-1, 1):
        if outfit.kind == "sailor":
            flap = np.array([(0.5, 1.62), (1.05, 1.84), (1.15, 2.3), (0.0, 2.75), (0.0, 2.42)]) * (side, 1)
        elif outfit.kind == "shirt":
            flap = np.array([(0.4, 1.52), (0.62, 1.75), (0.5, 2.25), (0.0, 2.02)]) * (side, 1)
        elif outfit.kind == "hoodie":
            flap = np.array([(0.45, 1.5), (0.95, 1.7), (0.9, 2.05), (0.0, 2.15), (0.0, 1.85)]) * (side, 1)
        else:
            flap = np.array([(0.8, 1.72), (0.95, 1.8), (0.6, 2.1), (0.0, 2.32), (0.0, 2.18)]) * (side, 1)
        fill(canvas, flat(flap), outfit.accent)
        stroke(canvas, flat(flap), ink, 0.02 * s, closed=True)
    if outfit.kind in ("sailor", "shirt"):
        knot_y = 2.55 if outfit.kind == "sailor" else 2.08
        _bow(canvas, flat, (0.0, knot_y), 0.32, mixed(outfit.accent, (214, 40, 60), 0.7), s)
    if outfit.kind == "hoodie":
        for x in (-0.2, 0.2):
            stroke(canvas, flat([(x, 2.1), (x * 1.1, 2.9)]), (245, 245, 245), 0.035 * s)


def _bow(canvas: Pixels, flat: Placing, at: tuple[float, float], size: float, ink: Rgb, s: float) -> None:
    for side in (-1, 1):
        wing = curve(
            np.array([(0.0, 0.0), (0.9, -0.55), (1.15, 0.0), (0.85, 0.5)]) * (side * size, size), closed=True
        )
        tail = np.array([(0.0, 0.1), (0.65, 1.2), (0.3, 1.25), (-0.05, 0.3)]) * (side * size, size)
        for part in (tail, wing):
            fill(canvas, flat(part + at), ink)
            stroke(canvas, flat(part + at), ink_of(ink), 0.018 * s, closed=True)
    fill(canvas, flat(ellipse(at, (size * 0.24, size * 0.26))), scaled(ink, 0.85))


def draw_trinket(canvas: Pixels, pose: Pose, outfit: Outfit, side: int) -> None:
    """Draw what is worn in the hair."""
    s = pose.scale

    def near(points: ArrayLike) -> Points:
        p = np.asarray(points, dtype=float)
        return pose.project(np.concatenate([p, np.full((len(p), 1), 0.55)], axis=1))

    if outfit.trinket == "ribbon":
        _bow(canvas, near, (side * 0.8, -0.95), 0.34, outfit.accent, s)
    elif outfit.trinket == "hairpin":
        for y in (-0.42, -0.3):
            stroke(canvas, near([(side * 0.62, y), (side * 0.95, y + 0.08)]), outfit.accent, 0.06 * s)
    elif outfit.trinket == "flower":
        for turn in np.linspace(0, 2 * np.pi, 6)[:-1]:
            petal = np.array([side * 0.88, -0.55]) + np.array([np.cos(turn), np.sin(turn)]) * 0.13
            fill(canvas, near(ellipse(petal, (0.11, 0.11))), outfit.accent)
            stroke(canvas, near(ellipse(petal, (0.11, 0.11))), ink_of(outfit.accent), 0.014 * s, closed=True)
        fill(canvas, near(ellipse((side * 0.88, -0.55), (0.07, 0.07))), (250, 220, 90))
    elif outfit.trinket == "headband":
        band = curve([(-1.16, -0.45), (-0.75, -0.98), (0.0, -1.16), (0.75, -0.98), (1.16, -0.45)])
        stroke(canvas, near(band), ink_of(outfit.accent), 0.15 * s)
        stroke(canvas, near(band), outfit.accent, 0.11 * s)


def draw_sunglasses(canvas: Pixels, pose: Pose) -> None:
    """Hide both eyes behind dark lenses."""
    for side in (-1, 1):
        lens = curve(
            np.array([(0.1, -0.08), (0.5, -0.14), (0.92, -0.08), (0.86, 0.38), (0.5, 0.52), (0.16, 0.4)])
            * (side, 1),
            closed=True,
        )
        fill(canvas, place(pose, lens), (26, 24, 30))
        stroke(
            canvas,
            place(pose, np.array([(0.3, 0.0), (0.5, 0.25)]) * (side, 1)),
            (120, 124, 140),
            0.04 * pose.scale,
        )
    stroke(canvas, place(pose, [(-0.12, 0.0), (0.12, 0.0)]), (26, 24, 30), 0.07 * pose.scale)


def draw_bandages(canvas: Pixels, pose: Pose, side: int) -> None:
    """Wrap one eye and the lower face in white cloth."""
    cloth, line = (244, 243, 238), (150, 150, 156)
    patch = curve(
        np.array([(0.08, -0.2), (0.9, -0.3), (0.98, 0.5), (0.5, 0.62), (0.06, 0.5)]) * (side, 1), closed=True
    )
    cover = curve(
        [(-0.97, 0.42), (0.0, 0.36), (0.97, 0.42), (0.72, 0.95), (0.0, 1.3), (-0.72, 0.95)], closed=True
    )
    for part in (cover, patch):
        fill(canvas, place(pose, part), cloth)
        stroke(canvas, place(pose, part), line, 0.025 * pose.scale, closed=True)
    for y in (0.58, 0.78, 0.98):
        stroke(canvas, place(pose, curve([(-0.75, y), (0, y + 0.06), (0.75, y)])), line, 0.015 * pose.scale)
