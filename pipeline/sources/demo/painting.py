"""Brushes: antialiased polygons, strokes, soft tints and smooth curves on uint8 RGB canvases."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .truth import Pixels, Points, Rgb

FRACTION_BITS = 4
Colour = Rgb | Sequence[float]


def colour(values: ArrayLike) -> Rgb:
    """The nearest 8-bit colour."""
    r, g, b = np.clip(np.rint(np.asarray(values, dtype=float)), 0, 255).astype(int)
    return int(r), int(g), int(b)


def scaled(base: Colour, factor: float) -> Rgb:
    """The colour made brighter or darker by a factor."""
    return colour(np.asarray(base, dtype=float) * factor)


def mixed(first: Colour, second: Colour, share: float) -> Rgb:
    """The colour between the two, `share` of the way from the first to the second."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return colour(a + (b - a) * share)


def fixed(points: ArrayLike) -> NDArray[np.int32]:
    """Points in the fixed-point numbers that OpenCV draws at subpixel places with."""
    return np.rint(np.asarray(points, dtype=float) * (1 << FRACTION_BITS)).astype(np.int32)


def fill(canvas: NDArray, points: ArrayLike, ink: Colour | float) -> None:
    """Fill the polygon with antialiased edges."""
    cv2.fillPoly(canvas, [fixed(points)], _ink(ink), cv2.LINE_AA, FRACTION_BITS)


def stroke(
    canvas: NDArray, points: ArrayLike, ink: Colour | float, width: float, closed: bool = False
) -> None:
    """Draw the polyline with antialiased edges."""
    thickness = max(1, round(width))
    cv2.polylines(canvas, [fixed(points)], closed, _ink(ink), thickness, cv2.LINE_AA, FRACTION_BITS)


def _ink(ink: Colour | float) -> tuple[float, ...]:
    return (float(ink),) if isinstance(ink, int | float) else tuple(float(v) for v in ink)


def ellipse(centre: ArrayLike, radii: tuple[float, float], angle_deg: float = 0.0, count: int = 40) -> Points:
    """Points on an ellipse, shape (count, 2)."""
    t = np.linspace(0, 2 * np.pi, count, endpoint=False)
    a = np.deg2rad(angle_deg)
    x, y = radii[0] * np.cos(t), radii[1] * np.sin(t)
    turned = np.stack([x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)], axis=1)
    return turned + np.asarray(centre, dtype=float)


def curve(points: ArrayLike, steps: int = 8, closed: bool = False) -> Points:
    """A smooth (Catmull-Rom) curve through the points of any dimension."""
    p = np.asarray(points, dtype=float)
    if closed:
        padded = np.concatenate([p[-1:], p, p[:2]])
    else:
        padded = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (padded[i : len(padded) - 3 + i][:, None, :] for i in range(4))
    spans = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat = spans.reshape(-1, p.shape[1])
    return flat if closed else np.concatenate([flat, p[-1:]])


def tint(
    canvas: Pixels,
    points: ArrayLike,
    ink: Colour,
    alpha: float = 1.0,
    blur: float = 0.0,
    width: float = 0.0,
    inside: ArrayLike | None = None,
) -> None:
    """Blend a soft polygon, or a soft polyline where `width` is given, into the canvas.

    Nothing is painted outside the polygon `inside`, where one is given.
    """
    pts = np.asarray(points, dtype=float)
    pad = 3 * blur + width + 2
    height, span = canvas.shape[:2]
    x0, y0 = np.clip(np.floor(pts.min(axis=0) - pad), 0, (span, height)).astype(int)
    x1, y1 = np.clip(np.ceil(pts.max(axis=0) + pad), 0, (span, height)).astype(int)
    if x1 <= x0 or y1 <= y0:
        return
    mask = _soft_mask((y1 - y0, x1 - x0), pts - (x0, y0), blur, width)
    if inside is not None:
        window = np.zeros_like(mask)
        fill(window, np.asarray(inside, dtype=float) - (x0, y0), 255)
        mask = cv2.multiply(mask, window, scale=1 / 255)
    apply(canvas[y0:y1, x0:x1], mask.astype(np.float32) * np.float32(alpha / 255), ink)


def _soft_mask(shape: tuple[int, int], points: Points, blur: float, width: float) -> Pixels:
    """A blurred polygon or polyline as a 0..255 mask; wide blurs are done at a reduced size."""
    reduction = max(1, int(blur / 2.5))
    small = (-(-shape[0] // reduction), -(-shape[1] // reduction))
    mask = np.zeros(small, np.uint8)
    at = (points + 0.5) / reduction - 0.5
    if width:
        stroke(mask, at, 255, width / reduction)
    else:
        fill(mask, at, 255)
    if blur:
        mask = cv2.GaussianBlur(mask, (0, 0), blur / reduction)
    if reduction > 1:
        whole = (small[1] * reduction, small[0] * reduction)
        mask = cv2.resize(mask, whole, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
    return mask


def apply(canvas: Pixels, mask: NDArray[np.float32], ink: Colour | NDArray) -> None:
    """Blend a colour, or an image of the canvas's shape, into the canvas by a 0..1 mask."""
    if isinstance(ink, np.ndarray):
        over = ink
    else:
        over = np.empty(canvas.shape, np.uint8)
        cv2.rectangle(over, (0, 0), (canvas.shape[1], canvas.shape[0]), colour(ink), cv2.FILLED)
    canvas[...] = cv2.blendLinear(over, canvas, mask, 1 - mask)


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """White noise of mean 0 and deviation 1, evenly distributed because that is quick to draw."""
    draws = np.frombuffer(rng.bytes(shape[0] * shape[1]), np.uint8).reshape(shape)
    return (draws.astype(np.float32) - np.float32(127.5)) * np.float32(1 / 73.9)


def gradient(shape: tuple[int, int], first: Colour, second: Colour, angle_deg: float) -> Pixels:
    """An image (height, width) that runs from one colour to the other in the given direction."""
    a = np.deg2rad(angle_deg)
    ys, xs = np.linspace(-1, 1, shape[0], dtype=np.float32), np.linspace(-1, 1, shape[1], dtype=np.float32)
    share = 0.5 + 0.5 * (
        xs[None, :] * np.float32(np.cos(a)) + ys[:, None] * np.float32(np.sin(a))
    ) / np.float32(1.42)
    c0, c1 = np.asarray(first, dtype=np.float32), np.asarray(second, dtype=np.float32)
    return np.clip(c0 + (c1 - c0) * share[..., None] + 0.5, 0, 255).astype(np.uint8)


def cloud(
    rng: np.random.Generator, shape: tuple[int, int], cells: int, stretch: float = 1.0
) -> NDArray[np.float32]:
    """Smooth noise of mean 0 and deviation near 1; `cells` blobs across, longer in y by `stretch`."""
    rows = max(2, round(cells * shape[0] / shape[1] / stretch))
    coarse = rng.standard_normal((rows, max(2, cells)), dtype=np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
