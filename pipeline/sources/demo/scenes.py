"""Pictures without a face: landscapes, still lifes and patterns."""

import cv2
import numpy as np

from .backgrounds import any_colour
from .painting import cloud, curve, ellipse, fill, gradient, mixed, scaled, tint
from .truth import Pixels


def draw(rng: np.random.Generator, size: int) -> Pixels:
    """A random scene of size x size pixels."""
    painters = (_landscape, _still_life, _pattern)
    return painters[rng.integers(len(painters))](rng, size)


def _landscape(rng: np.random.Generator, n: int) -> Pixels:
    horizon, sky = any_colour(rng, 0.35, (0.8, 0.98)), any_colour(rng, 0.6, (0.45, 0.85))
    canvas = gradient((n, n), sky, horizon, 90)
    sun = rng.uniform(0.15, 0.85) * n
    tint(canvas, ellipse((sun, 0.3 * n), (0.06 * n, 0.06 * n)), (255, 244, 214), 0.9, 14)
    near = any_colour(rng, 0.6, (0.12, 0.3))
    for layer in range(4):
        share = layer / 3
        xs = np.linspace(0, n, 15)
        ridge = n * (0.42 + 0.14 * layer) + rng.normal(0, n * 0.05 * (1 - 0.5 * share), 15)
        hill = np.concatenate([curve(np.stack([xs, ridge], axis=1)), [(n, n), (0, n)]])
        fill(canvas, hill, mixed(horizon, near, 0.3 + 0.7 * share))
    grain = cloud(rng, (n, n), 60) * np.float32(2.5)
    return np.clip(canvas + grain[..., None], 0, 255).astype(np.uint8)


def _still_life(rng: np.random.Generator, n: int) -> Pixels:
    wall, table = any_colour(rng, 0.4, (0.3, 0.8)), any_colour(rng, 0.6, (0.25, 0.6))
    canvas = gradient((n, n), wall, scaled(wall, 0.55), rng.uniform(30, 150))
    edge = round(n * rng.uniform(0.58, 0.68))
    canvas[edge:] = gradient((n - edge, n), scaled(table, 0.8), table, 90)
    for x in np.linspace(0.2, 0.8, rng.integers(2, 5)) * n:
        radius = rng.uniform(0.07, 0.12) * n
        foot = edge + rng.uniform(0.1, 0.22) * n
        tint(canvas, ellipse((x + 0.5 * radius, foot), (radius * 1.3, radius * 0.25)), (10, 8, 8), 0.6, 10)
        paint = _vase if rng.uniform() < 0.4 else _fruit
        paint(canvas, x, foot, radius, rng)
    return canvas


def _fruit(canvas: Pixels, x: float, foot: float, r: float, rng: np.random.Generator) -> None:
    ink = any_colour(rng, 1.0, (0.6, 0.95))
    fill(canvas, ellipse((x, foot - r), (r, r * 0.96)), scaled(ink, 0.55))
    tint(canvas, ellipse((x - 0.15 * r, foot - 1.12 * r), (0.7 * r, 0.68 * r)), ink, 0.9, r * 0.17)
    tint(
        canvas, ellipse((x - 0.35 * r, foot - 1.4 * r), (0.15 * r, 0.12 * r)), (255, 252, 240), 0.7, r * 0.06
    )
    stalk = curve([(x, foot - 1.9 * r), (x + 0.05 * r, foot - 2.1 * r), (x + 0.2 * r, foot - 2.3 * r)])
    tint(canvas, stalk, (70, 48, 26), 1.0, 0.8, max(2.0, r * 0.07))


def _vase(canvas: Pixels, x: float, foot: float, r: float, rng: np.random.Generator) -> None:
    ink = any_colour(rng, 0.7, (0.4, 0.9))
    half = curve([(0.5, 0), (0.95, -0.8), (0.8, -1.7), (0.32, -2.4), (0.45, -2.9)]) * r
    outline = np.concatenate([half, (half * (-1, 1))[::-1]]) + (x, foot)
    fill(canvas, outline, scaled(ink, 0.6))
    tint(canvas, (outline - (x, foot)) * (0.35, 0.88) + (x - 0.25 * r, foot - 0.1 * r), ink, 0.9, r * 0.13)
    for angle in rng.uniform(-0.7, 0.7, 5):
        top = np.array([x + np.sin(angle) * 2.2 * r, foot - 2.9 * r - np.cos(angle) * 1.7 * r])
        middle = (top + (x, foot - 2.9 * r)) / 2 + (0, -0.2 * r)
        stem = curve(np.array([(x, foot - 2.8 * r), middle, top]))
        tint(canvas, stem, (60, 96, 48), 1.0, 0.8, max(2.0, r * 0.06))
        bloom = any_colour(rng, 0.9, (0.7, 1.0))
        for turn in np.linspace(0, 2 * np.pi, 6)[:-1]:
            petal = top + np.array([np.cos(turn), np.sin(turn)]) * r * 0.25
            tint(
                canvas,
                ellipse(petal, (r * 0.22, r * 0.13), float(np.rad2deg(turn))),
                scaled(bloom, rng.uniform(0.7, 1.1)),
                1.0,
                1.0,
            )


def _pattern(rng: np.random.Generator, n: int) -> Pixels:
    first, second, third = (any_colour(rng, 0.8, (0.2, 0.95)) for _ in range(3))
    ys, xs = np.mgrid[0:n, 0:n].astype(np.float32) / n
    bend = 0.06 * cloud(rng, (n, n), 5)
    angle, count = rng.uniform(0, np.pi), rng.integers(5, 14)
    waves = np.sin((xs * np.cos(angle) + ys * np.sin(angle) + bend) * count * 2 * np.pi).astype(np.float32)
    canvas = gradient((n, n), first, second, rng.uniform(0, 360)).astype(np.float32)
    canvas += (np.asarray(third, np.float32) - canvas) * np.clip(waves * 4 + 0.5, 0, 1)[..., None]
    relief = cv2.GaussianBlur(cloud(rng, (n, n), 120), (0, 0), 1.0)
    return np.clip(canvas * (1 + 0.05 * relief[..., None]), 0, 255).astype(np.uint8)
