"""What stands behind a portrait, mostly out of focus."""

import cv2
import numpy as np

from .painting import cloud, colour, ellipse, fill, gradient, scaled, stroke
from .truth import Pixels, Rgb

KINDS = ("studio", "bokeh", "foliage", "wall", "shelves", "window", "sky")


def any_colour(rng: np.random.Generator, vivid: float, light: tuple[float, float]) -> Rgb:
    """A random colour of limited saturation and a lightness in the range (0..1)."""
    hue, saturation, value = rng.uniform(0, 180), rng.uniform(0.1, 1) * vivid, rng.uniform(*light)
    cell = np.array([[[hue, 255 * saturation, 255 * value]]], dtype=np.uint8)
    return colour(cv2.cvtColor(cell, cv2.COLOR_HSV2RGB)[0, 0])


def draw(rng: np.random.Generator, size: int) -> Pixels:
    """A random background of size x size pixels, drawn small because it is blurred anyway."""
    small = size // 4
    kind = KINDS[rng.integers(len(KINDS))]
    canvas, blur = _PAINTERS[kind](rng, small)
    canvas = cv2.GaussianBlur(canvas, (0, 0), max(0.6, blur))
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_LINEAR)


def _studio(rng: np.random.Generator, n: int) -> tuple[Pixels, float]:
    base = any_colour(rng, 0.4, (0.25, 0.9))
    canvas = gradient((n, n), base, scaled(base, rng.uniform(0.35, 0.8)), rng.uniform(40, 140))
    ys, xs = np.mgrid[0:n, 0:n].astype(np.float32) / n
    at = rng.uniform(0.2, 0.8, 2)
    glow = np.exp(-((xs - at[0]) ** 2 + (ys - at[1]) ** 2) / 0.12)
    mottled = 0.05 * cloud(rng, (n, n), 7)
    return np.clip(canvas * (1 + 0.25 * glow + mottled)[..., None], 0, 255).astype(np.uint8), 2.0


def _bokeh(rng: np.random.Generator, n: int) -> tuple[Pixels, float]:
    canvas = gradient(
        (n, n), any_colour(rng, 0.6, (0.05, 0.3)), any_colour(rng, 0.6, (0.1, 0.4)), rng.uniform(0, 360)
    )
    for _ in range(rng.integers(18, 40)):
        spot = np.zeros_like(canvas)
        r = rng.uniform(0.02, 0.08) * n
        fill(
            spot,
            ellipse(rng.uniform(0, n, 2), (r, r)),
            scaled(any_colour(rng, 0.7, (0.5, 1.0)), rng.uniform(0.3, 0.9)),
        )
        canvas = cv2.add(canvas, spot)
    return canvas, rng.uniform(1.0, 2.5)


def _foliage(rng: np.random.Generator, n: int) -> tuple[Pixels, float]:
    canvas = gradient((n, n), (190, 205, 150), (40, 70, 35), rng.uniform(60, 120))
    for _ in range(rng.integers(120, 220)):
        hue = (rng.uniform(40, 150), rng.uniform(90, 180), rng.uniform(20, 70))
        r = rng.uniform(0.015, 0.07) * n
        leaf = ellipse(rng.uniform(0, n, 2), (r, r * rng.uniform(0.4, 0.9)), rng.uniform(0, 180), 14)
        fill(canvas, leaf, scaled(hue, rng.uniform(0.4, 1.2)))
    return canvas, rng.uniform(2.0, 5.0)


def _wall(rng: np.random.Generator, n: int) -> tuple[Pixels, float]:
    base = any_colour(rng, 0.45, (0.35, 0.85))
    canvas = np.full((n, n, 3), scaled(base, 0.7), np.uint8)
    height, width = n * rng.uniform(0.05, 0.09), n * rng.uniform(0.14, 0.22)
    for row, y in enumerate(np.arange(0, n, height)):
        for x in np.arange(-width * (row % 2) / 2, n, width):
            tone = scaled(base, rng.uniform(0.85, 1.1))
            cv2.rectangle(
                canvas, (int(x) + 1, int(y) + 1), (int(x + width) - 1, int(y + height) - 1), tone, -1
            )
    fall = gradient((n, n), (255, 255, 255), (130, 130, 135), rng.uniform(0, 360)).astype(np.float32) / 255
    return np.clip(canvas * fall, 0, 255).astype(np.uint8), rng.uniform(0.8, 3.0)


def _shelves(rng: np.random.Generator, n: int) -> tuple[Pixels, float]:
    canvas = np.full((n, n, 3), scaled((70, 48, 32), rng.uniform(0.6, 1.2)), np.uint8)
    step = n * rng.uniform(0.2, 0.3)
    for bottom in np.arange(step * 0.8, n + step, step):
        x = 0.0
        while x < n:
            width = rng.uniform(0.02, 0.06) * n
            top = bottom - step * rng.uniform(0.55, 0.85)
            cv2.rectangle(
                canvas,
                (int(x), int(top)),
                (int(x + width), int(bottom)),
                any_colour(rng, 0.7, (0.2, 0.8)),
                -1,
            )
            x += width + rng.choice([0, 0, 0, 0.08]) * n
    return canvas, rng.uniform(2.0, 4.0)


def _window(rng: np.random.Generator, n: int) -> tuple[Pixels, float]:
    wall = any_colour(rng, 0.3, (0.35, 0.75))
    canvas = gradient((n, n), wall, scaled(wall, 0.6), rng.uniform(-40, 40))
    x, w = rng.uniform(-0.2, 0.7) * n, rng.uniform(0.35, 0.5) * n
    frame = np.array([(x, n * 0.05), (x + w, n * 0.05), (x + w, n * 0.75), (x, n * 0.75)])
    fill(canvas, frame, (235, 240, 248))
    for share in (0.0, 0.5, 1.0):
        stroke(canvas, [(x + w * share, n * 0.05), (x + w * share, n * 0.75)], scaled(wall, 1.2), n * 0.02)
    stroke(canvas, [(x, n * 0.4), (x + w, n * 0.4)], scaled(wall, 1.2), n * 0.02)
    return canvas, rng.uniform(2.0, 4.5)


def _sky(rng: np.random.Generator, n: int) -> tuple[Pixels, float]:
    canvas = gradient((n, n), (120, 165, 215), (215, 222, 228), 90).astype(np.float32)
    puffs = np.clip(cloud(rng, (n, n), 6, 0.6) + 0.5 * cloud(rng, (n, n), 14, 0.7), 0, 1.5)[..., None] / 1.5
    canvas += (250 - canvas) * puffs * 0.8
    sea = round(n * rng.uniform(0.6, 0.85))
    canvas[sea:] = gradient((n - sea, n), (70, 105, 120), any_colour(rng, 0.5, (0.3, 0.6)), 90)
    return canvas.astype(np.uint8), rng.uniform(2.0, 4.0)


_PAINTERS = {
    "studio": _studio, "bokeh": _bokeh, "foliage": _foliage, "wall": _wall, "shelves": _shelves,
    "window": _window, "sky": _sky,
}  # fmt: skip
