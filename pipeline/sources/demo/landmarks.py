"""The 68 iBUG points of the photo-like head: in the frontal plane, and as seen under a pose."""

import numpy as np

from .head import Pose
from .relief import Proportions, depth, half_width
from .truth import Points

_JAW_HEIGHTS = (0.0, 0.19, 0.375, 0.545, 0.70, 0.825, 0.92, 0.98, 1.0)


def _mirrored(half: Points) -> Points:
    """The points with x negated, in reverse order."""
    return (half * (-1, 1))[::-1]


def frontal(p: Proportions) -> Points:
    """The points (68, 2) in the head's frontal plane; x and y in head units."""
    return np.concatenate([_jaw(p), _brows(p), _nose(p), _eyes(p), _mouth(p)])


def _jaw(p: Proportions) -> Points:
    ys = np.array(_JAW_HEIGHTS) * (p.chin_y - 0.01)
    xs = -0.98 * half_width(p, ys)
    xs[-1] = 0.0
    side = np.stack([xs, ys], axis=1)
    return np.concatenate([side, _mirrored(side[:-1])])


def _brows(p: Proportions) -> Points:
    inner, outer = p.eye_x - 0.62 * p.eye_width + 0.01, p.eye_x + 0.66 * p.eye_width
    share = np.array([0.0, 0.22, 0.48, 0.75, 1.0])
    rise = np.array([-0.055, 0.035, 0.065, 0.05, 0.0]) * (p.brow_arch / 0.065)
    left = np.stack([-outer + (outer - inner) * share, p.brow_y - rise], axis=1)
    return np.concatenate([left, _mirrored(left)])


def _nose(p: Proportions) -> Points:
    bridge = np.stack([np.zeros(4), np.linspace(-0.02, p.nose_y - 0.11, 4)], axis=1)
    w = p.nose_width
    base = [(-w * 0.78, 0.0), (-w * 0.4, 0.025), (0.0, 0.045), (w * 0.4, 0.025), (w * 0.78, 0.0)]
    return np.concatenate([bridge, np.array(base) + (0, p.nose_y)])


def eye(p: Proportions) -> Points:
    """Points 36 to 41, of the eye at the image's left, in the frontal plane."""
    w, up, low = p.eye_width / 2, p.eye_open * 0.58, p.eye_open * 0.42
    shape = np.array(
        [(-w, 0), (-w * 0.38, -up), (w * 0.33, -up * 0.97), (w, 0.015), (w * 0.36, low), (-w * 0.38, low)]
    )
    shape[:, 1] += shape[:, 0] / p.eye_width * p.eye_slant
    return shape + (-p.eye_x, 0)


def _eyes(p: Proportions) -> Points:
    left = eye(p)
    right = left * (-1, 1)
    return np.concatenate([left, right[[3, 2, 1, 0, 5, 4]]])


def _mouth(p: Proportions) -> Points:
    w = p.mouth_width * (1 + 0.18 * p.smile)
    corner = -0.07 * p.smile
    gap, lip = p.mouth_open, p.lip
    upper = [(-w, corner), (-w * 0.62, -lip * 0.62), (-w * 0.24, -lip * 1.05), (0, -lip * 0.85)]
    lower = [(0, lip * 1.25 + gap), (-w * 0.3, lip * 1.18 + gap * 0.97), (-w * 0.66, lip * 0.72 + gap * 0.72)]
    inner_up = [(-w * 0.86, corner * 0.85), (-w * 0.36, -gap * 0.12 - 0.004), (0, -gap * 0.1)]
    inner_low = [(0, gap + 0.004), (-w * 0.36, gap * 0.9 + 0.002)]
    top = np.array(upper)
    bottom = np.array(lower)
    outer = np.concatenate([top, _mirrored(top[:-1]), _mirrored(bottom[1:])[::1], bottom])
    up, low = np.array(inner_up), np.array(inner_low)
    inner = np.concatenate([up, _mirrored(up[:-1]), _mirrored(low[1:]), low])
    return np.concatenate([outer, inner]) + (0, p.mouth_y)


def on_surface(p: Proportions, points: Points) -> Points:
    """Frontal points (n, 2) lifted onto the head's surface, (n, 3)."""
    return np.concatenate([points, depth(p, points[:, 0], points[:, 1])[:, None]], axis=1)


def seen(p: Proportions, pose: Pose) -> Points:
    """The points (68, 2) in pixels; jaw points turned out of sight move to the visible contour."""
    flat = frontal(p)
    pixels = pose.project(on_surface(p, flat))
    untilted = Pose((0.0, 0.0), 1.0, pose.yaw_deg, pose.pitch_deg)
    for i in [*range(8), *range(9, 17)]:
        side = -1.0 if i < 8 else 1.0
        y = flat[i, 1]
        width = float(half_width(p, np.array(y)))
        row = np.stack([side * width * np.linspace(0.5, 1.0, 60), np.full(60, y)], axis=1)
        lifted = on_surface(p, row)
        out = untilted.project(lifted)[:, 0] * side
        outermost = int(np.argmax(out))
        if outermost < 58:
            pixels[i] = pose.project(lifted[outermost])
    return pixels
