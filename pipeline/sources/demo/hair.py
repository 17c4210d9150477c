"""Hair of the photo-like heads: strands that follow the skull in three dimensions and then fall."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .head import Pose
from .painting import FRACTION_BITS, fixed
from .truth import Pixels, Points, Rgb

COVERING = ("parted", "bob", "long", "fringe")
STYLES = ("cropped", "swept", "parted", "bob", "long", "fringe", "tied", "curly")
_SKULL_AT = np.array([0.0, -0.42, -0.12])
_SKULL = np.array([1.03, 1.1, 1.12])
_BEHIND = -0.32


@dataclass(frozen=True)
class Haircut:
    """One head of hair: its style, how full it is, where it parts and how much it waves."""

    style: str
    colour: Rgb
    volume: float = 0.08
    parting: float = 0.2
    length: float = 1.0
    wave: float = 0.03


@dataclass(frozen=True)
class Strands:
    """Paths (n, steps, 3) in head coordinates, with a brightness and a width for each; do they hang free?"""

    paths: Points
    shade: Points
    width: Points
    hanging: bool


def strands(cut: Haircut, rng: np.random.Generator) -> Strands:
    """All strands of the haircut."""
    grow = {"cropped": _cropped, "swept": _swept, "tied": _tied, "curly": _curly}.get(cut.style, _falling)
    paths = grow(cut, rng)
    if cut.style == "fringe":
        paths = np.concatenate([paths, _fringe(cut, rng)])
    thick = len(paths) // 3
    shade = np.concatenate([rng.uniform(0.5, 0.7, thick), rng.normal(0.95, 0.13, len(paths) - thick)])
    width = np.concatenate([np.full(thick, 0.04), rng.uniform(0.007, 0.019, len(paths) - thick)])
    return Strands(paths, shade, width, cut.style in COVERING)


def _on_skull(directions: Points, lift: float | NDArray) -> Points:
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    return _SKULL_AT + unit * (_SKULL + np.asarray(lift)[..., None])


def _scalp_roots(rng: np.random.Generator, count: int) -> Points:
    """Directions on the hairy part of the skull, seen from its middle."""
    draws = rng.normal(size=(count * 4, 3))
    d = draws / np.linalg.norm(draws, axis=1, keepdims=True)
    hairline = -0.47 + 0.55 * np.clip(np.abs(d[:, 0]) - 0.3, 0, 1) ** 1.2
    hairy = (d[:, 1] < np.where(d[:, 2] > 0.15, hairline, 0.25)) & (d[:, 2] > -0.9)
    return d[hairy][:count]


def _cropped(cut: Haircut, rng: np.random.Generator) -> Points:
    roots = _scalp_roots(rng, 1500)
    crown = np.array([0.1, -0.9, -0.45])
    away = roots - crown
    t = np.linspace(0, 1, 4)[None, :, None]
    ahead = np.where(roots[:, 1:2] < -0.75, 0.16, 0.1) * cut.length
    ways = roots[:, None] + t * ahead[:, None] * (away + rng.normal(0, 0.25, away.shape))[:, None]
    lift = cut.volume * (0.25 + 0.9 * t[..., 0]) * np.clip(0.25 - roots[:, 1:2], 0.15, 1)
    return _on_skull(ways, lift)


def _swept(cut: Haircut, rng: np.random.Generator) -> Points:
    roots = _scalp_roots(rng, 1200)
    side = np.sign(cut.parting) or 1.0
    flow = np.stack(
        [-side * (0.7 - 0.3 * roots[:, 1]), -0.25 - roots[:, 1] * 0.1, -0.35 + 0 * roots[:, 0]], axis=1
    )
    low = roots[:, 1] > -0.55
    flow[low] = (0, 0.45, -0.6)
    t = np.linspace(0, 1, 5)[None, :, None]
    bend = rng.normal(0, 0.1, flow.shape)[:, None] * t**2
    ways = roots[:, None] + t * 0.45 * cut.length * (flow[:, None] + bend)
    height = np.where(low, 0.35, 1.5)[:, None]
    lift = cut.volume * height * (0.5 + np.sin(np.pi * 0.8 * t[..., 0]))
    return _on_skull(ways, lift)


def _tied(cut: Haircut, rng: np.random.Generator) -> Points:
    roots = _scalp_roots(rng, 800)
    knot = np.array([0.0, -0.85, -0.55])
    t = np.linspace(0, 1, 6)[None, :, None]
    ways = roots[:, None] * (1 - t) + knot * t + rng.normal(0, 0.02, (len(roots), 1, 3))
    over = _on_skull(ways, cut.volume * (0.3 + 0.5 * t[..., 0]) + np.zeros((len(roots), 1)))
    turns = rng.uniform(0, 2 * np.pi, (260, 1)) + np.linspace(0, 1.6, 6)
    tilt = rng.uniform(-1.4, 1.4, (260, 1))
    ring = np.stack(
        [np.cos(turns) * np.cos(tilt), np.sin(tilt) + 0 * turns, np.sin(turns) * np.cos(tilt)], axis=2
    )
    bun = np.array([0.0, -1.62, -0.35]) + ring * (0.36, 0.3, 0.36)
    return np.concatenate([bun[:130], over, bun[130:]])


def _curly(cut: Haircut, rng: np.random.Generator) -> Points:
    roots = _scalp_roots(rng, 520)
    order = np.argsort(roots[:, 2])
    roots = roots[order]
    centre = _on_skull(roots, cut.volume * 2.2 * rng.uniform(0.2, 1.3, len(roots)))
    turn = rng.uniform(0, 2 * np.pi, (len(roots), 1)) + np.linspace(0, 5.0, 8)
    size = rng.uniform(0.05, 0.11, (len(roots), 1)) * (1 + cut.volume)
    curl = np.stack([np.cos(turn) * size, np.sin(turn) * size, np.zeros_like(turn)], axis=2)
    paths = centre[:, None] + curl
    return np.concatenate([paths[::2], paths])


def _falling(cut: Haircut, rng: np.random.Generator) -> Points:
    """Strands from a parting over the sides of the skull that hang below the ears."""
    count = 580
    z0 = 0.98 - 1.8 * rng.uniform(0, 1, count) ** 1.3
    z0 = np.sort(z0)
    side = np.where(rng.uniform(size=count) < 0.5 + 0.25 * cut.parting, -1.0, 1.0)
    reach = {"bob": 1.15, "fringe": 1.2, "long": 2.7, "parted": 1.9}[cut.style] * cut.length
    arc = np.linspace(0, 1, 9) + rng.uniform(-0.055, 0.055, (count, 9)) * (np.arange(9) % 8 > 0)
    start = np.arcsin(np.clip(cut.parting * 0.5, -0.6, 0.6)) * side
    angle = start[:, None] + (np.deg2rad(97) - start[:, None]) * arc
    z = z0[:, None] - (0.25 + 0.35 * np.clip(z0[:, None], 0, 1)) * arc**1.3
    ring = np.sqrt(np.clip(1 - (z / _SKULL[2]) ** 2, 0.02, 1))
    full = 1 + cut.volume * rng.uniform(0.4, 1.5, (count, 1)) * np.clip(arc * 2, 0.25, 1)
    over = np.stack(
        [
            side[:, None] * np.sin(angle) * ring * full * _SKULL[0],
            -np.cos(angle) * ring * full * _SKULL[1],
            z,
        ],
        axis=2,
    )
    over += _SKULL_AT
    drop = np.linspace(0, 1, 8)[1:]
    lengths = reach * rng.uniform(0.86, 1.04, (count, 1))
    inward = 0.16 * np.sin(drop * np.pi / 2 * 1.3) * np.where(cut.style == "long", 0.6, 1.3)
    phase = rng.normal(0, 0.5, (count, 1)) + z0[:, None] * 2
    swing = cut.wave * np.sin(drop * 9 * cut.length + phase) + rng.normal(0, 0.03, (count, 1)) * drop
    end = over[:, -1]
    hang = np.stack(
        [end[:, :1] - side[:, None] * (inward + swing), end[:, 1:2] + drop * lengths, end[:, 2:] + 0 * drop],
        axis=2,
    )
    return np.concatenate([over, hang], axis=1)


def _fringe(cut: Haircut, rng: np.random.Generator) -> Points:
    """Strands over the forehead, with as many points each as the falling ones."""
    count = 320
    x = rng.uniform(-0.8, 0.8, count)
    t = np.linspace(0, 1, 16)
    low = -0.38 - 0.1 * np.abs(x) + rng.normal(0, 0.03, count)
    spread = x[:, None] * (0.55 + 0.45 * t) + 0.06 * np.sign(cut.parting) * t
    y = -1.53 * (1 - t) + low[:, None] * t - 0.1 * np.sin(np.pi * t)
    front = 1.12 - 0.42 * np.abs(spread) ** 2.2
    z = front * np.sin(np.pi / 2 * np.clip(0.25 + t * 1.1, 0, 1)) + 0.03 + cut.volume * 0.5
    return np.stack([spread, y, z], axis=2)


def _behind(hair: Strands, pose: Pose) -> NDArray[np.bool_]:
    """Which strands the head hides: of hanging ones by their ends, of others by their roots."""
    if hair.hanging:
        return hair.paths[:, -1, 2] < _BEHIND
    return pose.camera(hair.paths[:, 0] - _SKULL_AT)[:, 2] < 0


def _glow(camera: Points, ends: NDArray[np.int64], light: Points) -> Points:
    """How bright hair is on each run between `ends` of each path, (n, runs)."""
    along = np.diff(camera[:, ends], axis=1)
    along /= np.linalg.norm(along, axis=2, keepdims=True) + 1e-9
    across = np.sqrt(np.clip(1 - (along @ light) ** 2, 0, 1))
    return 0.6 + 0.45 * across**3


def draw(canvas: Pixels, cut: Haircut, hair: Strands, pose: Pose, light: Points, in_front: bool) -> None:
    """Draw the strands before or behind the head; `light` in camera axes."""
    chosen = _behind(hair, pose) != in_front
    camera = pose.camera(hair.paths[chosen])
    steps = camera.shape[1]
    ends = np.unique(np.append(np.arange(0, steps - 1, 2), steps - 1))
    outward = camera[:, ends[:-1]] - pose.camera(_SKULL_AT)
    outward /= np.linalg.norm(outward, axis=2, keepdims=True)
    facing = 0.62 + 0.38 * np.clip(outward @ light, -0.6, 1)
    bright = hair.shade[chosen, None] * (0.35 + 0.95 * facing * _glow(camera, ends, light))
    inks = np.clip(bright[..., None] * np.asarray(cut.colour, dtype=float), 0, 255).tolist()
    pixels = fixed(camera[..., :2] * pose.scale + np.asarray(pose.centre))
    widths = np.maximum(1, np.rint(hair.width[chosen] * pose.scale)).astype(int).tolist()
    for path, runs, width in zip(pixels, inks, widths, strict=True):
        for i, ink in enumerate(runs):
            run = path[ends[i] : ends[i + 1] + 1]
            cv2.polylines(canvas, [run], False, ink, width, cv2.LINE_AA, FRACTION_BITS)
