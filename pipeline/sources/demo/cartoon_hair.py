"""Hair of the flat-drawn characters: bangs, side locks and back hair as inked shapes with a gloss."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .cartoon_face import ink_of
from .head import Pose
from .painting import colour, curve, fill, mixed, stroke, tint
from .truth import Pixels, Points, Rgb

BANGS = ("spiky", "straight", "parted", "swept", "wild")
BACKS = ("short", "bob", "long", "twintails", "ponytail", "buns")
_SIDE, _BACK = 0.35, -0.35


@dataclass(frozen=True)
class Hairdo:
    """One character's hair: its shapes, its colour and the lot that jitters its locks."""

    bangs: str
    back: str
    colour: Rgb
    side_length: float
    seed: tuple[int, ...]
    gloss: bool = True
    ahoge: bool = False


def _at(pose: Pose, points: Points, z: float) -> Points:
    return pose.project(np.concatenate([points, np.full((len(points), 1), z)], axis=1))


def _shape(canvas: Pixels, pose: Pose, points: Points, z: float, ink: Rgb) -> Points:
    pixels = _at(pose, points, z)
    fill(canvas, pixels, ink)
    stroke(canvas, pixels, ink_of(ink), 0.022 * pose.scale, closed=True)
    return pixels


def _lock(root: tuple[float, float], tip: tuple[float, float], width: float, bend: float) -> Points:
    """A tapered strand of hair from its root to its tip."""
    a, b = np.array(root), np.array(tip)
    t = np.linspace(0, 1, 12)[:, None]
    way = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
    across = np.array([-way[1], way[0]])
    spine = a + (b - a) * t + across * bend * np.sin(np.pi * t)
    half = width * (1 - t**1.8) * (0.75 + 0.5 * np.sin(np.pi * t) * 0.6)
    return np.concatenate([spine + across * half, (spine - across * half)[::-1]])


def shadow_colour(base: Rgb) -> Rgb:
    """The cel shadow's colour on hair."""
    return colour(np.asarray(base) * (0.72, 0.68, 0.78))


def draw_back(canvas: Pixels, hair: Hairdo, pose: Pose) -> None:
    """Draw what lies behind the head and the shoulders."""
    rng = np.random.default_rng([*hair.seed, 1])
    dark = shadow_colour(hair.colour)
    _PAINT_BACK[hair.back](canvas, hair, pose, dark, rng)
    skull = curve(
        [
            (-1.16, 0.2),
            (-1.18, -0.4),
            (-0.8, -1.05),
            (0, -1.3),
            (0.8, -1.05),
            (1.18, -0.4),
            (1.16, 0.2),
            (0.9, 0.75),
            (-0.9, 0.75),
        ],
        closed=True,
    )
    _shape(canvas, pose, skull, _BACK, dark)


def _back_short(canvas: Pixels, hair: Hairdo, pose: Pose, ink: Rgb, rng: np.random.Generator) -> None:
    for angle in sorted(np.linspace(-155, 155, 12), key=abs):
        a = np.deg2rad(angle + rng.normal(0, 4))
        lean = a + 0.22 * np.sign(angle)
        root = (0.7 * np.sin(a), -0.25 - 0.7 * np.cos(a))
        reach = 1.3 + 0.22 * abs(np.sin(a)) + rng.uniform(-0.05, 0.14)
        tip = (reach * np.sin(lean), -0.2 - reach * np.cos(lean))
        _shape(canvas, pose, _lock(root, tip, 0.42, 0.1 * np.sign(angle)), _BACK, ink)


def _back_bob(canvas: Pixels, hair: Hairdo, pose: Pose, ink: Rgb, rng: np.random.Generator) -> None:
    low = rng.uniform(0.95, 1.3)
    half = [
        (0.0, low + 0.05),
        (-0.7, low + 0.1),
        (-1.18, low),
        (-1.34, 0.5),
        (-1.26, -0.3),
        (-0.85, -1.02),
        (0.0, -1.28),
    ]
    left = np.array(half)
    _shape(canvas, pose, curve(np.concatenate([left, (left[1:-1] * (-1, 1))[::-1]]), closed=True), _BACK, ink)


def _back_long(canvas: Pixels, hair: Hairdo, pose: Pose, ink: Rgb, rng: np.random.Generator) -> None:
    flare = rng.uniform(0.0, 0.35)
    half = [
        (0.0, 3.4),
        (-0.9, 3.5),
        (-1.4 - flare, 3.0),
        (-1.32 - flare * 0.6, 1.6),
        (-1.25, 0.4),
        (-1.2, -0.5),
        (-0.8, -1.05),
        (0.0, -1.28),
    ]
    left = np.array(half)
    whole = curve(np.concatenate([left, (left[1:-1] * (-1, 1))[::-1]]), closed=True)
    _shape(canvas, pose, whole, _BACK, ink)
    for x in rng.uniform(-1.2, 1.2, 7):
        line = curve([(x * 0.7, 0.6), (x, 1.6), (x * 1.08, 2.8)])
        stroke(canvas, _at(pose, line, _BACK), ink_of(ink), 0.015 * pose.scale)


def _back_twintails(canvas: Pixels, hair: Hairdo, pose: Pose, ink: Rgb, rng: np.random.Generator) -> None:
    out, low, root_y = rng.uniform(0.5, 0.9), rng.uniform(1.4, 2.6), rng.uniform(-0.7, -0.3)
    for side in (-1, 1):
        tail = np.array(
            [
                (0.95, root_y - 0.14),
                (1.4, root_y - 0.2),
                (1.25 + out, 0.4),
                (1.3 + out * 0.9, low * 0.75),
                (1.2 + out * 0.4, low + 0.3),
                (1.15, low * 0.75),
                (1.12, 0.4),
                (0.95, root_y + 0.2),
            ]
        ) * (side, 1)
        _shape(canvas, pose, curve(tail, closed=True), _BACK, hair.colour)
        for shift in (0.0, 0.18):
            line = curve(
                np.array(
                    [(1.2, root_y), (1.2 + out * 0.6 + shift, 0.5), (1.2 + out * 0.55 + shift, low * 0.8)]
                )
                * (side, 1)
            )
            stroke(canvas, _at(pose, line, _BACK), ink_of(hair.colour), 0.014 * pose.scale)


def _back_ponytail(canvas: Pixels, hair: Hairdo, pose: Pose, ink: Rgb, rng: np.random.Generator) -> None:
    side = rng.choice([-1, 1])
    tail = np.array(
        [
            (0.2, -1.15),
            (0.7, -1.5),
            (1.35, -1.2),
            (1.75, -0.2),
            (1.7, 0.9),
            (1.45, 1.7),
            (1.3, 0.9),
            (1.15, 0.0),
            (0.8, -0.6),
        ]
    )
    _shape(canvas, pose, curve(tail * (side, 1), closed=True), _BACK, hair.colour)
    for shift in (0.0, 0.15):
        line = curve(np.array([(0.7, -1.2), (1.25 + shift, -0.5), (1.4 + shift, 0.8)]) * (side, 1))
        stroke(canvas, _at(pose, line, _BACK), ink_of(hair.colour), 0.014 * pose.scale)


def _back_buns(canvas: Pixels, hair: Hairdo, pose: Pose, ink: Rgb, rng: np.random.Generator) -> None:
    size = rng.uniform(0.34, 0.46)
    t = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    for side in (-1, 1):
        ball = np.stack([side * 0.82 + size * np.cos(t), -1.08 + size * np.sin(t)], axis=1)
        _shape(canvas, pose, ball, _BACK, hair.colour)
        turn = np.stack(
            [side * 0.82 + size * 0.55 * np.cos(t[:18]), -1.08 + size * 0.55 * np.sin(t[:18])], axis=1
        )
        stroke(canvas, _at(pose, turn, _BACK), ink_of(hair.colour), 0.016 * pose.scale)


_PAINT_BACK = {
    "short": _back_short, "bob": _back_bob, "long": _back_long, "twintails": _back_twintails,
    "ponytail": _back_ponytail, "buns": _back_buns,
}  # fmt: skip


def bangs_shape(hair: Hairdo) -> Points:
    """The outline of crown and bangs in the frontal plane."""
    rng = np.random.default_rng([*hair.seed, 2])
    crown = curve(
        [(-1.16, 0.3), (-1.2, -0.35), (-0.86, -1.04), (0.0, -1.33), (0.86, -1.04), (1.2, -0.35), (1.16, 0.3)],
        8,
    )
    return np.concatenate([crown, _fringe(hair.bangs, rng)])


def _fringe(style: str, rng: np.random.Generator) -> Points:
    """The lower edge of the bangs, from the image's right to its left."""
    if style == "straight":
        count, low, deep, lean = 9, -0.1, 0.1, 0.0
    elif style == "wild":
        count, low, deep, lean = 6, 0.1, 0.55, rng.uniform(-0.12, 0.12)
    else:
        count, low, deep, lean = int(rng.integers(5, 8)), -0.07, 0.38, rng.uniform(-0.1, 0.1)
    edges = np.linspace(0.95, -0.95, count + 1)
    part = float(rng.uniform(-0.35, 0.35))
    points: list[tuple[float, float]] = [(0.98, 0.1)]
    for right, left in pairwise(edges):
        middle = (right + left) / 2
        tip_y = low + rng.uniform(-0.06, 0.06) + 0.16 * middle**2
        tip_x, valley = middle + lean, tip_y - deep * rng.uniform(0.75, 1.1)
        if style == "parted":
            away = min(1.0, abs(middle - part) / 0.75)
            tip_x = middle + np.sign(middle - part) * 0.16
            tip_y = -0.62 + 0.72 * away**0.8
            valley = tip_y - 0.2
        elif style == "swept":
            tip_x = middle - np.sign(part) * 0.22
            tip_y = -0.18 + 0.2 * middle * -np.sign(part)
            valley = tip_y - 0.25
        points += [(right * 0.7 + tip_x * 0.3, (valley + tip_y) / 2 - 0.03), (tip_x, tip_y)]
        points += [(left * 0.6 + tip_x * 0.4, (valley + tip_y) / 2), (left, valley)]
    points[-1] = (-0.98, 0.1)
    return np.array(points)


def bangs_place(pose: Pose, points: Points) -> Points:
    """Points of the bangs in pixels: further out in front towards the middle."""
    z = 0.35 + 0.75 * np.sqrt(np.clip(1 - (points[:, 0] / 1.22) ** 2, 0, 1)) * np.clip(
        (points[:, 1] + 1.35) / 0.8, 0, 1
    )
    return pose.project(np.concatenate([points, z[:, None]], axis=1))


def draw_front(canvas: Pixels, hair: Hairdo, pose: Pose) -> None:
    """Draw side locks, crown, bangs and gloss over the face."""
    rng = np.random.default_rng([*hair.seed, 3])
    s = pose.scale
    for side in (-1, 1):
        tip = (side * rng.uniform(0.98, 1.12), hair.side_length + rng.uniform(-0.1, 0.1))
        _shape(canvas, pose, _lock((side * 1.06, -0.5), tip, 0.17, side * -0.08), _SIDE, hair.colour)
    whole = bangs_place(pose, bangs_shape(hair))
    fill(canvas, whole, hair.colour)
    fringe = bangs_place(pose, _fringe(hair.bangs, np.random.default_rng([*hair.seed, 2])))
    low = np.concatenate(
        [
            fringe,
            bangs_place(pose, np.array([(-1.1, -0.1), (-0.6, -0.42), (0, -0.5), (0.6, -0.42), (1.1, -0.1)])),
        ]
    )
    tint(canvas, low, shadow_colour(hair.colour), 0.55, 0.05 * s, inside=whole)
    if hair.gloss:
        _gloss(canvas, hair, pose, whole, rng)
    ink = ink_of(hair.colour)
    for tip in bangs_shape(hair)[-len(fringe) + 4 :: 4][:-1]:
        line = curve([tip, (tip[0] * 0.85, tip[1] - 0.25), (tip[0] * 0.55, -0.95)])
        stroke(canvas, bangs_place(pose, line[: len(line) * 2 // 3]), shadow_colour(hair.colour), 0.016 * s)
    stroke(canvas, whole, ink, 0.022 * s, closed=True)
    if hair.ahoge:
        spring = _lock((0.05, -1.25), (0.4, -1.62), 0.07, 0.2)
        _shape(canvas, pose, spring, 0.2, hair.colour)


def _gloss(canvas: Pixels, hair: Hairdo, pose: Pose, whole: Points, rng: np.random.Generator) -> None:
    """The ring of light on the crown, ragged as it is drawn by hand."""
    x = np.linspace(-0.78, 0.78, 23)
    base = -0.78 + 0.26 * x**2
    jag = 0.07 * (np.arange(23) % 2) + rng.uniform(0, 0.03, 23)
    upper = np.stack([x, base - 0.06 - jag], axis=1)
    lower = np.stack([x, base + 0.05 + jag * 0.8], axis=1)[::-1]
    bright = mixed(hair.colour, (255, 255, 255), 0.42)
    tint(canvas, bangs_place(pose, np.concatenate([upper, lower])), bright, 0.75, 0.7, inside=whole)
