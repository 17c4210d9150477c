"""The photo-like head as a relief: a depth for every frontal point, its shading and its projection."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .head import Pose
from .truth import Points

LEFT, TOP, RIGHT, BOTTOM = -1.3, -1.75, 1.3, 1.75
GRID = 80
WALL_SLOPE = 9.0
Field = NDArray[np.float32]


@dataclass(frozen=True)
class Proportions:
    """The measures of one person's face in head units (see `head.Pose`), expression included."""

    eye_x: float = 0.42
    eye_width: float = 0.41
    eye_open: float = 0.15
    eye_slant: float = 0.0
    brow_y: float = -0.27
    brow_arch: float = 0.07
    nose_y: float = 0.60
    nose_width: float = 0.22
    nose_length: float = 0.33
    nose_ridge: float = 1.0
    mouth_y: float = 0.95
    mouth_width: float = 0.36
    lip: float = 0.09
    smile: float = 0.0
    mouth_open: float = 0.0
    jaw: float = 1.0
    chin_y: float = 1.47
    cheek: float = 0.05


_WIDTH_KNOTS = (
    (-1.50, 0.0), (-1.495, 0.16), (-1.47, 0.33), (-1.38, 0.56), (-1.2, 0.76), (-0.9, 0.91),
    (-0.5, 0.985), (-0.1, 1.0), (0.3, 0.97), (0.6, 0.915), (0.85, 0.83), (1.05, 0.71),
    (1.22, 0.55), (1.35, 0.39), (1.44, 0.22), (1.47, 0.0),
)  # fmt: skip
_DEPTH_KNOTS = (
    (-1.5, 0.3), (-1.4, 0.55), (-1.2, 0.78), (-0.9, 0.97), (-0.5, 1.07), (-0.25, 1.09), (0.0, 1.03),
    (0.4, 1.03), (0.7, 1.06), (0.95, 1.08), (1.2, 1.02), (1.35, 0.95), (1.44, 0.8), (1.5, 0.6),
)  # fmt: skip


def half_width(p: Proportions, y: NDArray) -> NDArray:
    """The half width of the face at each height; negative beyond its ends."""
    knots = np.array(_WIDTH_KNOTS)
    ys, widths = knots[:, 0].copy(), knots[:, 1].copy()
    low = ys > 0.3
    widths[low] *= 1 + (p.jaw - 1) * np.clip((ys[low] - 0.3) / 0.6, 0, 1)
    ys[low] = 0.3 + (ys[low] - 0.3) * (p.chin_y - 0.3) / 1.17
    inside = np.interp(y, ys, widths)
    beyond = np.maximum(np.maximum(y - ys[-1], ys[0] - y), 0)
    return inside - 6 * beyond


def depth(p: Proportions, x: NDArray, y: NDArray) -> NDArray:
    """The z of the head's surface over frontal points (x, y)."""
    width = half_width(p, y)
    knots = np.array(_DEPTH_KNOTS)
    front = np.interp(y, knots[:, 0], knots[:, 1])
    ratio = np.clip(np.abs(x) / np.maximum(width, 1e-3), 0, 1)
    outside = np.maximum(np.abs(x) - width, 0)
    base = front * np.sqrt(1 - ratio**2.3) - WALL_SLOPE * outside
    return base + _features(p, x, y) * np.clip((1 - ratio) * 6, 0, 1)


def _bump(x: NDArray, y: NDArray, at: tuple[float, float], size: tuple[float, float]) -> NDArray:
    return np.exp(-(((x - at[0]) / size[0]) ** 2)) * np.exp(-(((y - at[1]) / size[1]) ** 2))


def _features(p: Proportions, x: NDArray, y: NDArray) -> NDArray:
    side = np.abs(x)
    sockets = -0.13 * _bump(side, y, (p.eye_x * 0.95, -0.03), (0.27, 0.17))
    eyeballs = 0.075 * _bump(side, y, (p.eye_x, 0.01), (0.17, 0.11))
    brows = 0.05 * _bump(side, y, (p.eye_x * 0.9, p.brow_y + 0.02), (0.34, 0.1))
    cheeks = p.cheek * _bump(side, y, (0.62, 0.38), (0.26, 0.22)) - 0.03 * _bump(
        side, y, (0.62, 0.8), (0.2, 0.25)
    )
    return sockets + eyeballs + brows + cheeks + _nose(p, x, y) + _mouth(p, x, y)


def _nose(p: Proportions, x: NDArray, y: NDArray) -> NDArray:
    tip = p.nose_y - 0.09
    along = np.clip((y + 0.2) / (tip + 0.2), 0, 1)
    below = np.clip((y - tip) / 0.17, 0, 1)
    height = (0.12 + (p.nose_length - 0.12) * along**1.6) * (1 - below * below * (3 - 2 * below))
    start = np.clip((y + 0.32) / 0.25, 0, 1)
    across = (0.095 + 0.065 * along) * p.nose_ridge
    ridge = height * start * np.exp(-((np.abs(x) / across) ** 2.2))
    wings = 0.15 * _bump(np.abs(x), y, (p.nose_width * 0.75, p.nose_y - 0.06), (0.075, 0.085))
    return ridge + wings


def _mouth(p: Proportions, x: NDArray, y: NDArray) -> NDArray:
    upper = 0.06 * _bump(x, y, (0, p.mouth_y - 0.055), (p.mouth_width * 0.8, 0.06))
    lower = 0.08 * _bump(x, y, (0, p.mouth_y + 0.075 + p.mouth_open * 0.8), (p.mouth_width * 0.65, 0.065))
    seam = -0.03 * _bump(x, y, (0, p.mouth_y), (p.mouth_width, 0.025))
    corners = -0.03 * _bump(np.abs(x), y, (p.mouth_width + 0.03, p.mouth_y), (0.07, 0.08))
    fold = -0.05 * _bump(x, y, (0, p.mouth_y + 0.23), (0.25, 0.06))
    chin = 0.08 * _bump(x, y, (0, p.chin_y - 0.16), (0.22, 0.13))
    philtrum = -0.02 * _bump(x, y, (0, p.mouth_y - 0.2), (0.04, 0.08))
    smile_cheeks = 0.07 * max(p.smile, 0) * _bump(np.abs(x), y, (0.52, 0.5), (0.2, 0.2))
    return upper + lower + seam + corners + fold + chin + philtrum + smile_cheeks


def relief(p: Proportions) -> Field:
    """The depth map of the head, `GRID` samples a unit."""
    xs = np.linspace(LEFT, RIGHT, round((RIGHT - LEFT) * GRID), dtype=np.float32)
    ys = np.linspace(TOP, BOTTOM, round((BOTTOM - TOP) * GRID), dtype=np.float32)
    surface = depth(p, xs[None, :], ys[:, None]).astype(np.float32)
    return cv2.GaussianBlur(surface, (0, 0), 1.6)


def shading(surface: Field, light: Points, ambient: float, gloss: float) -> Field:
    """How bright each surface point is, per channel, as a factor on its sRGB colour; `light` in head axes."""
    dy, dx = np.gradient(surface, np.float32(1 / GRID))
    norm = 1 / np.sqrt(dx * dx + dy * dy + 1)
    towards = (-dx * light[0] - dy * light[1] + light[2]) * norm
    half = light + (0.0, 0.0, 1.0)
    half = half / np.linalg.norm(half)
    shine = np.clip((-dx * half[0] - dy * half[1] + half[2]) * norm, 0, 1) ** 24
    hollow = cv2.GaussianBlur(surface, (0, 0), 7) - np.maximum(surface, -0.2)
    occlusion = 1 - np.clip(hollow * 3.2, -0.08, 0.5)
    lit = _lit(surface, light)
    sky = ambient * (0.85 + 0.15 * (dy * norm))[..., None] * occlusion[..., None]
    wrap = np.array([0.28, 0.16, 0.1], np.float32)
    direct = np.clip((towards[..., None] + wrap) / (1 + wrap), 0, None) * lit[..., None]
    total = sky + (1.12 - ambient) * direct * occlusion[..., None] + (gloss * shine * lit)[..., None]
    return np.power(np.clip(total, 0.004, 2.5), 1 / 2.2).astype(np.float32)


def _lit(surface: Field, light: Points) -> Field:
    """1 where the light reaches the surface, less where something stands before it."""
    height, width = surface.shape
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    blocked = np.zeros_like(surface)
    for step in (0.05, 0.09, 0.14, 0.2, 0.28, 0.38):
        there = cv2.remap(
            surface,
            xs + np.float32(light[0] * step * GRID),
            ys + np.float32(light[1] * step * GRID),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        blocked = np.maximum(blocked, there - surface - np.float32(light[2] * step))
    soft = np.clip(blocked * 9, 0, 1)
    return 1 - 0.75 * cv2.GaussianBlur(soft, (0, 0), 2.0)


def back_limit(y: NDArray) -> NDArray:
    """The z at which the head ends behind: far back at the skull, at the ears along the jaw."""
    return np.interp(y, [-1.6, -1.3, -0.9, -0.1, 0.35, 0.8], [-0.45, -0.65, -0.78, -0.72, -0.3, -0.12])


def cast(surface: Field, pose: Pose, xs: Field, ys: Field) -> tuple[Field, Field, Field]:
    """For pixels (xs, ys): the frontal x and y of the head's point seen there, and a 0/1 mask."""
    back = pose.rotation.T.astype(np.float32)
    u = (xs - np.float32(pose.centre[0])) / np.float32(pose.scale)
    v = (ys - np.float32(pose.centre[1])) / np.float32(pose.scale)
    start_x, start_y = back[0, 0] * u + back[0, 1] * v, back[1, 0] * u + back[1, 1] * v
    start_z = back[2, 0] * u + back[2, 1] * v
    way = -back[:, 2]

    def gap(s: Field) -> Field:
        x, y, z = start_x + way[0] * s, start_y + way[1] * s, start_z + way[2] * s
        ground = cv2.remap(
            surface,
            (x - LEFT) * GRID - 0.5,
            (y - TOP) * GRID - 0.5,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return z - ground

    near: Field = np.full_like(u, -1.7)
    far = near.copy()
    best, closest = near.copy(), np.full_like(u, 9.0)
    open_rays = np.ones(u.shape, bool)
    for s in np.linspace(-1.6, 1.3, 27, dtype=np.float32):
        g = gap(np.full_like(u, s))
        nearer = open_rays & (g < closest)
        best[nearer], closest[nearer] = s, g[nearer]
        hit = open_rays & (g <= 0)
        far[hit] = s
        open_rays &= ~hit
        near[open_rays] = s
    hits = ~open_rays
    for _ in range(5):
        middle = 0.5 * (near + far)
        inside = gap(middle) <= 0
        far = np.where(inside, middle, far)
        near = np.where(inside, near, middle)
    s = np.where(hits, far, best)
    x, y, z = start_x + way[0] * s, start_y + way[1] * s, start_z + way[2] * s
    mask = hits & (z > back_limit(y))
    return x, y, mask.astype(np.float32)
