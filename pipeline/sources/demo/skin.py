"""The colours of the photo-like head's surface: skin, eyes, brows, lips, beard and scalp, seen frontally."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import landmarks
from .painting import apply, cloud, colour, curve, ellipse, fill, grain, mixed, scaled, stroke, tint
from .relief import BOTTOM, LEFT, RIGHT, TOP, Proportions
from .truth import Pixels, Points, Rgb

DENSITY = 180
SHAPE = (round((BOTTOM - TOP) * DENSITY), round((RIGHT - LEFT) * DENSITY))


@dataclass(frozen=True)
class Looks:
    """What one person's surface looks like; amounts run from 0 to 1."""

    skin: Rgb
    hair: Rgb
    brow: Rgb
    iris: Rgb
    lips: Rgb
    gaze: tuple[float, float] = (0.0, 0.0)
    blush: float = 0.4
    freckles: float = 0.0
    age: float = 0.0
    beard: float = 0.0
    stubble: float = 0.0
    moustache: float = 0.0
    lashes: float = 0.5
    brow_weight: float = 0.6
    scalp: float = 1.0
    crease: float = 1.0
    lids_closed: bool = False


def px(points: ArrayLike) -> Points:
    """Frontal points in texture pixels."""
    return (np.asarray(points, dtype=float) - (LEFT, TOP)) * DENSITY - 0.5


def _both(points: ArrayLike) -> tuple[Points, Points]:
    """The points of the image's left side and their mirror image, in texture pixels."""
    p = np.asarray(points, dtype=float)
    return px(p), px(p * (-1, 1))


def paint(p: Proportions, looks: Looks, rng: np.random.Generator) -> Pixels:
    """The unlit surface over the frontal plane, `SHAPE` pixels."""
    canvas = _complexion(looks, rng)
    points = landmarks.frontal(p)
    _scalp(canvas, p, looks)
    _cheeks(canvas, p, looks)
    _lines(canvas, p, looks)
    if looks.freckles:
        _freckles(canvas, looks, rng)
    _nose(canvas, p, looks)
    _mouth(canvas, points, p, looks)
    _facial_hair(canvas, p, looks, rng)
    for side in (-1, 1):
        _eye(canvas, p, looks, side, rng)
        _brow(canvas, points[17:22] if side < 0 else points[22:27], looks, side, rng)
    return canvas


def _complexion(looks: Looks, rng: np.random.Generator) -> Pixels:
    pores = grain(rng, SHAPE) * np.float32(0.012 + 0.012 * looks.age)
    pores = cv2.GaussianBlur(pores, (3, 3), 0.8) * np.float32(1.5) + cloud(rng, SHAPE, 9) * np.float32(0.012)
    tone = np.asarray(looks.skin, dtype=np.float32)
    return np.clip(tone * (1 + pores[..., None]), 0, 255).astype(np.uint8)


def _scalp(canvas: Pixels, p: Proportions, looks: Looks) -> None:
    if looks.scalp <= 0:
        return
    line = [(-1.4, -1.8), (-1.4, 0.3), (-1.0, 0.32), (-0.955, 0.1), (-0.93, -0.3), (-0.86, -0.5),
            (-0.78, -0.72), (-0.5, -0.92), (0.0, -0.97)]  # fmt: skip
    left = np.array(line)
    outline = np.concatenate([left, (left * (-1, 1))[::-1]])
    tint(canvas, px(outline), scaled(looks.hair, 0.5), 0.93 * looks.scalp, 7)


def _cheeks(canvas: Pixels, p: Proportions, looks: Looks) -> None:
    rosy = colour(np.asarray(looks.skin) * (1.02, 0.78, 0.76))
    for spot in _both(ellipse((-0.55, 0.42), (0.26, 0.2))):
        tint(canvas, spot, rosy, 0.55 * looks.blush, 22)
    tint(canvas, px(ellipse((0, p.nose_y - 0.08), (0.14, 0.1))), rosy, 0.45 * looks.blush, 12)
    tint(canvas, px(ellipse((0, p.chin_y - 0.18), (0.2, 0.12))), rosy, 0.25 * looks.blush, 16)
    dark = colour(np.asarray(looks.skin) * (0.78, 0.7, 0.72))
    for socket in _both(ellipse((-p.eye_x, -0.02), (0.27, 0.16))):
        tint(canvas, socket, dark, 0.34, 12)
    for bag in _both(ellipse((-p.eye_x + 0.03, 0.15), (0.17, 0.05), 6)):
        tint(canvas, bag, dark, 0.2 + 0.35 * looks.age, 7)


def _lines(canvas: Pixels, p: Proportions, looks: Looks) -> None:
    dark = colour(np.asarray(looks.skin) * (0.62, 0.52, 0.5))
    fold = [(-p.nose_width - 0.04, p.nose_y - 0.08), (-p.nose_width - 0.15, p.nose_y + 0.1),
            (-p.mouth_width - 0.1, p.mouth_y - 0.04), (-p.mouth_width - 0.09, p.mouth_y + 0.1)]  # fmt: skip
    for line in _both(curve(fold)):
        tint(canvas, line, dark, min(0.65, 0.16 + 0.3 * max(p.smile, 0) + 0.5 * looks.age), 3.5, 5)
    if looks.age < 0.35:
        return
    strength = 0.6 * looks.age
    for height in (-0.5, -0.6, -0.71):
        sag = 0.02 * np.cos(np.linspace(-2, 2, 9) * 1.5)
        line = np.stack([np.linspace(-0.5, 0.5, 9), height + sag], axis=1)
        tint(canvas, px(curve(line)), dark, strength * 0.7, 2, 3)
    outer = -p.eye_x - p.eye_width / 2 - 0.05
    for rise in (-0.06, 0.0, 0.06):
        foot = curve([(outer, rise * 0.4), (outer - 0.07, rise), (outer - 0.14, rise * 2.2 + 0.02)])
        for line in _both(foot):
            tint(canvas, line, dark, strength * 0.7, 1.5, 2)
    for line in _both(curve([(-0.05, -0.12), (-0.06, -0.2), (-0.05, -0.3)])):
        tint(canvas, line, dark, strength * 0.6, 2, 3)


def _freckles(canvas: Pixels, looks: Looks, rng: np.random.Generator) -> None:
    spot = colour(np.asarray(looks.skin) * (0.74, 0.6, 0.5))
    mask = np.zeros(SHAPE, np.uint8)
    count = round(220 * looks.freckles)
    at = rng.normal((0, 0.28), (0.5, 0.17), (count, 2))
    for centre, size in zip(px(at), rng.uniform(1.0, 2.6, count), strict=True):
        fill(mask, ellipse(centre, (size, size * 0.8), 0, 8), float(rng.uniform(90, 190)))
    apply(canvas, cv2.GaussianBlur(mask, (0, 0), 0.9).astype(np.float32) / 255, spot)


def _nose(canvas: Pixels, p: Proportions, looks: Looks) -> None:
    dark = colour(np.asarray(looks.skin) * (0.42, 0.3, 0.28))
    soft = colour(np.asarray(looks.skin) * (0.66, 0.55, 0.53))
    w, y = p.nose_width, p.nose_y
    tint(canvas, px(ellipse((0, y + 0.0), (w * 0.75, 0.05))), soft, 0.5, 7)
    for hole in _both(ellipse((-w * 0.45, y - 0.005), (w * 0.27, 0.026), -12)):
        tint(canvas, hole, dark, 0.95, 2.2)
    wing = curve([(-w * 0.86, y - 0.16), (-w * 1.07, y - 0.07), (-w * 0.98, y + 0.01), (-w * 0.72, y + 0.02)])
    for line in _both(wing):
        tint(canvas, line, soft, 0.75, 3, 4)


def _mouth(canvas: Pixels, points: Points, p: Proportions, looks: Looks) -> None:
    m = px(points[48:68])
    outer_up, outer_low = curve(m[0:7]), curve(m[[6, 7, 8, 9, 10, 11, 0]])
    inner_up, inner_low = curve(m[12:17]), curve(m[[16, 17, 18, 19, 12]])
    upper = np.concatenate([outer_up, m[16:17], inner_up[::-1], m[0:1]])
    lower = np.concatenate([outer_low, m[12:13], inner_low[::-1], m[16:17]])
    inside = np.concatenate([inner_up, inner_low])
    if p.mouth_open > 0.015:
        tint(canvas, inside, (52, 18, 18), 1.0, 1.0)
        _teeth(canvas, inside, m, p)
    tint(canvas, lower, scaled(looks.lips, 1.06), 0.88, 1.6)
    tint(canvas, upper, scaled(looks.lips, 0.86), 0.9, 1.6)
    shine = px(ellipse((0, p.mouth_y + p.mouth_open + 0.07), (0.13, 0.018)))
    tint(canvas, shine, mixed(looks.lips, (255, 235, 230), 0.5), 0.3, 4)
    seam = scaled(looks.lips, 0.32)
    tint(canvas, inner_up, seam, 0.8, 1.2, 3)
    for corner in (m[0], m[6]):
        tint(canvas, ellipse(corner, (8, 6)), scaled(looks.lips, 0.4), 0.6, 3)
    under = px(ellipse((0, p.mouth_y + p.mouth_open + 0.19), (0.2, 0.03)))
    tint(canvas, under, scaled(looks.skin, 0.62), 0.4, 6)


def _teeth(canvas: Pixels, inside: Points, m: Points, p: Proportions) -> None:
    edge = min(0.09, p.mouth_open * 0.75) * DENSITY
    top = curve(m[12:17])
    row = np.concatenate([top[4:-4], top[4:-4][::-1] + (0, edge)])
    mask = np.zeros(SHAPE, np.uint8)
    fill(mask, row, 235)
    clip = np.zeros(SHAPE, np.uint8)
    fill(clip, inside, 255)
    for x in np.linspace(m[12, 0], m[16, 0], 13)[2:-2]:
        stroke(mask, [(x, top[:, 1].min()), (x, top[:, 1].max() + edge)], 190, 1)
    both = cv2.GaussianBlur(np.minimum(mask, clip), (0, 0), 1.2)
    apply(canvas, both.astype(np.float32) / 255, (226, 218, 205))


def _facial_hair(canvas: Pixels, p: Proportions, looks: Looks, rng: np.random.Generator) -> None:
    chin_hair = max(looks.beard, looks.stubble * 0.4)
    if max(chin_hair, looks.moustache) <= 0:
        return
    start = round((0.0 - TOP) * DENSITY)
    view = canvas[start:]
    growth = np.zeros(view.shape[:2], np.uint8)

    def place(points: ArrayLike) -> Points:
        return px(points) - (0, start)

    side = np.array([(-1.3, 0.1), (-0.93, 0.1), (-0.88, 0.42), (-0.7, 0.75), (-0.5, 0.82), (-0.3, 0.74)])
    below = [(1.3, 1.75), (-1.3, 1.75)]
    fill(growth, place(np.concatenate([side, (side * (-1, 1))[::-1], below])), 255 * chin_hair)
    if looks.moustache:
        wing = np.array([(0, p.mouth_y - 0.08), (-0.42, p.mouth_y + 0.02), (-0.3, p.mouth_y - 0.13)])
        brush = np.concatenate([wing, [(0, p.nose_y + 0.09)], (wing[1:] * (-1, 1))[::-1]])
        fill(growth, place(curve(brush, closed=True)), 255 * looks.moustache)
    lips = np.full_like(growth, 255)
    fill(lips, place(curve(landmarks.frontal(p)[48:60], closed=True)), 0)
    soft = cv2.GaussianBlur(growth, (0, 0), 7).astype(np.float32) * np.float32(1 / 255)
    bare = cv2.GaussianBlur(lips, (0, 0), 2).astype(np.float32) * np.float32(1 / 255)
    hairs = cv2.GaussianBlur(grain(rng, view.shape[:2]), (0, 0), sigmaX=0.7, sigmaY=2.2)
    apply(view, np.clip(soft * bare * (1 + np.float32(0.62) * hairs), 0, 0.95), scaled(looks.brow, 0.75))


def _eye(canvas: Pixels, p: Proportions, looks: Looks, side: int, rng: np.random.Generator) -> None:
    corners = landmarks.eye(p)
    mirror = (1, 1) if side < 0 else (-1, 1)
    outline = px(corners * mirror)
    rim = curve(outline, 10, closed=True)
    upper, lower = curve(outline[0:4], 8), curve(outline[[3, 4, 5, 0]], 8)
    dark = colour(np.asarray(looks.skin) * (0.3, 0.22, 0.2))
    lid = scaled(looks.skin, 0.62)
    pad = 30
    x0, y0 = np.floor(rim.min(axis=0)).astype(int) - pad
    x1, y1 = np.ceil(rim.max(axis=0)).astype(int) + pad
    view = canvas[y0:y1, x0:x1]
    ball = _eyeball(p, looks, rim - (x0, y0), view.shape, px((-p.eye_x * mirror[0], 0)) - (x0, y0), rng)
    opening = np.zeros(view.shape[:2], np.uint8)
    fill(opening, rim - (x0, y0), 255)
    apply(view, cv2.GaussianBlur(opening, (0, 0), 0.7).astype(np.float32) / 255, ball)
    crease = upper + (0, -0.055 * DENSITY)
    tint(canvas, crease[2:-3], lid, 0.6 * looks.crease, 2.0, 4)
    tint(canvas, lower + (0, 3), mixed(looks.skin, (235, 170, 160), 0.3), 0.5, 1.5, 3)
    tint(canvas, lower, lid, 0.55, 0.9, 2)
    tint(canvas, upper, dark, 0.9, 0.9, 3 + 3 * looks.lashes)
    for share in np.linspace(0.05, 0.85, round(6 + 12 * looks.lashes)):
        root = upper[round(share * (len(upper) - 1))]
        lean = (share - 0.62) * 26 * mirror[0] + rng.normal(0, 1)
        tip = root + (lean, -(4 + 8 * looks.lashes) * (1 - 0.4 * share))
        stroke(canvas, [root, (root + tip) / 2 + (lean * 0.1, 1.5), tip], mixed(dark, looks.skin, 0.2), 1)


def _eyeball(
    p: Proportions,
    looks: Looks,
    rim: Points,
    shape: tuple[int, ...],
    middle: Points,
    rng: np.random.Generator,
) -> Pixels:
    """A square view of sclera, iris, pupil, the upper lid's shadow and the highlight."""
    ball = np.full(shape, (226, 219, 213), np.uint8)
    radius = 0.098 * DENSITY
    at = middle + np.asarray(looks.gaze) * DENSITY + (0, -0.008 * DENSITY)
    corners = rim[[0, 30]]
    for corner in corners:
        tint(ball, ellipse(corner, (12, 9)), (188, 130, 122), 0.7, 5)
    tint(ball, ellipse(at, (radius + 1.5, radius + 1.5)), scaled(looks.iris, 0.35), 1.0, 1.2)
    tint(ball, ellipse(at, (radius - 1.5, radius - 1.5)), looks.iris, 1.0, 1.4)
    tint(ball, ellipse(at + (0, 6), (radius * 0.62, radius * 0.5)), scaled(looks.iris, 1.4), 0.5, 3)
    for angle, glow in zip(rng.uniform(0, 2 * np.pi, 22), rng.uniform(0.7, 1.35, 22), strict=True):
        ray = np.array([np.cos(angle), np.sin(angle)])
        stroke(ball, [at + ray * radius * 0.45, at + ray * radius * 0.84], scaled(looks.iris, float(glow)), 1)
    tint(ball, ellipse(at, (radius * 0.42, radius * 0.42)), (12, 9, 9), 1.0, 1.0)
    shadow = curve(rim[:31][::6], 6) + (0, 1)
    tint(ball, shadow, (40, 24, 24), 0.6, 4, 11)
    spark = at + (-radius * 0.34, -radius * 0.36)
    tint(ball, ellipse(spark, (4.2, 4.2)), (255, 255, 255), 1.0, 0.8)
    return ball


def _brow(canvas: Pixels, points: Points, looks: Looks, side: int, rng: np.random.Generator) -> None:
    line = px(curve(points, 10))
    if side > 0:
        line = line[::-1]
    share = np.linspace(0, 1, len(line))
    thick = (4 + 12 * looks.brow_weight) * (0.35 + 0.65 * np.sin(np.clip(share * 2.2 + 0.15, 0, 1.571)))
    body = np.concatenate(
        [line - np.stack([0 * thick, thick * 0.6], 1), (line + np.stack([0 * thick, thick * 0.6], 1))[::-1]]
    )
    tint(canvas, body, looks.brow, 0.55, 3)
    inward = 1 if side < 0 else -1
    count = round(50 + 70 * looks.brow_weight)
    draws = rng.uniform(0, 1, (count, 4))
    for where, off, reach, shade in draws:
        i = round(where * (len(line) - 1))
        root = line[i] + (3 * off - 1.5, (1.3 * reach - 0.6) * thick[i])
        tip = root + (-inward * (4 + 9 * (1 - where)), -9 * where - 3 * off)
        stroke(canvas, [root, tip], scaled(looks.brow, 0.6 + 0.5 * shade), 1)


def lit(texture: Pixels, shade: NDArray[np.float32], tone: ArrayLike) -> Pixels:
    """The texture under the relief's shading and a coloured light."""
    full = cv2.resize(shade, (SHAPE[1], SHAPE[0]), interpolation=cv2.INTER_LINEAR)
    return np.clip(texture * (full * np.asarray(tone, np.float32)), 0, 255).astype(np.uint8)
