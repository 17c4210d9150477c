"""Neck, shoulders and clothes under a photo-like head, and its ears."""

from dataclasses import dataclass

import numpy as np

from .head import Pose
from .painting import curve, ellipse, fill, mixed, scaled, stroke, tint
from .truth import Pixels, Points, Rgb

COLLARS = ("crew", "vneck", "shirt", "turtleneck", "hood")


@dataclass(frozen=True)
class Clothes:
    """What the person wears."""

    colour: Rgb
    second: Rgb
    collar: str
    stripes: bool = False


def torso(pose: Pose) -> Pose:
    """The pose of the body under the head: upright, and turned half as far."""
    root = pose.project(np.array([0.0, 0.9, -0.45]))
    upright = Pose((0.0, 0.0), pose.scale, pose.yaw_deg * 0.4, 0.0, pose.roll_deg * 0.15)
    offset = upright.project(np.array([0.0, 1.1, -0.35]))
    return Pose(
        (float(root[0] - offset[0]), float(root[1] - offset[1])),
        pose.scale,
        upright.yaw_deg,
        0.0,
        upright.roll_deg,
    )


def draw(canvas: Pixels, pose: Pose, skin: Rgb, clothes: Clothes, light: Points) -> None:
    """Draw the neck and the clothed shoulders."""
    at = torso(pose)
    _neck(canvas, at, skin, light)
    _garment(canvas, at, clothes, light)


def _place(at: Pose, points: Points) -> Points:
    """Flat body points (n, 2) in pixels."""
    return at.project(np.concatenate([points, np.zeros((len(points), 1))], axis=1))


def _both(left: list[tuple[float, float]]) -> Points:
    half = np.array(left)
    return np.concatenate([half, (half * (-1, 1))[::-1]])


def _neck(canvas: Pixels, at: Pose, skin: Rgb, light: Points) -> None:
    outline = _both([(-0.63, 0.4), (-0.6, 1.2), (-0.6, 1.75), (-0.75, 2.05), (-1.1, 2.25), (-1.2, 3.6)])
    fill(canvas, _place(at, outline), scaled(skin, 0.74))
    s = at.scale
    for x, level in ((-0.5, -light[0]), (0.5, light[0])):
        band = np.array([(x * 0.45, 0.8), (x * 1.5, 0.8), (x * 1.5, 2.2), (x * 0.45, 2.2)])
        ink = scaled(skin, 0.98) if level > 0 else scaled(skin, 0.36)
        tint(canvas, _place(at, band), ink, 0.65, 0.16 * s, inside=_place(at, outline))
    under = _both([(-0.75, 0.7), (-0.62, 1.42), (-0.3, 1.66)])
    tint(
        canvas,
        _place(at, under + (-light[0] * 0.12, 0.0)),
        scaled(skin, 0.26),
        0.62,
        0.09 * s,
        inside=_place(at, outline),
    )
    for x in (-0.2, 0.2):
        cord = np.array([(x * 2.2, 1.5), (x * 1.3, 2.0), (x * 0.55, 2.2)])
        tint(canvas, _place(at, curve(cord)), scaled(skin, 0.5), 0.22, 0.03 * s, 0.05 * s)
    tint(canvas, _place(at, ellipse((0, 2.2), (0.13, 0.09))), scaled(skin, 0.5), 0.3, 0.05 * s)


def _garment(canvas: Pixels, at: Pose, clothes: Clothes, light: Points) -> None:
    s = at.scale
    neckline = {
        "crew": [(-0.62, 1.98), (-0.4, 2.22), (-0.0, 2.34)],
        "vneck": [(-0.66, 1.95), (-0.4, 2.35), (-0.0, 2.95)],
        "shirt": [(-0.6, 1.85), (-0.3, 2.2), (-0.0, 2.6)],
        "turtleneck": [(-0.62, 1.5), (-0.3, 1.66), (-0.0, 1.72)],
        "hood": [(-0.66, 1.9), (-0.4, 2.2), (-0.0, 2.3)],
    }[clothes.collar]
    outer = [
        (-0.0, 7.0),
        (-2.9, 7.0),
        (-2.75, 3.8),
        (-2.45, 2.95),
        (-2.05, 2.62),
        (-1.3, 2.36),
        (-0.85, 2.12),
    ]
    left = np.array(outer + neckline)
    outline = np.concatenate([left, (left[1:-1] * (-1, 1))[::-1]])
    whole = _place(at, outline)
    fill(canvas, whole, scaled(clothes.colour, 0.8))
    for x, level in ((-1.9, -light[0]), (1.9, light[0])):
        spot = ellipse((x, 3.3), (0.9, 1.6))
        tint(
            canvas, _place(at, spot), scaled(clothes.colour, 0.85 + 0.4 * level), 0.75, 0.3 * s, inside=whole
        )
    if clothes.stripes:
        for y in np.arange(2.7, 7, 0.34):
            band = curve([(-3.2, y + 0.3), (-1.3, y - 0.02), (0, y + 0.06), (1.3, y - 0.02), (3.2, y + 0.3)])
            tint(canvas, _place(at, band), clothes.second, 0.75, 1.2, 0.13 * s, inside=whole)
    for x, lean in ((-1.15, 0.25), (-0.55, 0.1), (0.6, -0.12), (1.2, -0.3)):
        fold = curve([(x, 2.75), (x + lean * 0.6, 3.3), (x + lean, 4.2)])
        tint(canvas, _place(at, fold), scaled(clothes.colour, 0.5), 0.4, 0.05 * s, 0.06 * s, inside=whole)
    _collar(canvas, at, clothes, _both(neckline))


def _collar(canvas: Pixels, at: Pose, clothes: Clothes, neckline: Points) -> None:
    s = at.scale
    middle = np.delete(neckline, len(neckline) // 2, axis=0)
    edge = _place(at, curve(middle))
    if clothes.collar == "turtleneck":
        roll = np.concatenate([middle, [(0.64, 2.1), (0.35, 2.28), (-0.35, 2.28), (-0.64, 2.1)]])
        fill(canvas, _place(at, roll), scaled(clothes.colour, 0.72))
        tint(
            canvas,
            _place(at, np.array([(-0.35, 1.66), (0.2, 1.7), (0.15, 2.2), (-0.35, 2.2)])),
            clothes.colour,
            0.5,
            0.12 * s,
        )
        stroke(
            canvas,
            _place(at, curve([(-0.64, 2.1), (-0.3, 2.28), (0.3, 2.28), (0.64, 2.1)])),
            scaled(clothes.colour, 0.45),
            3,
        )
    elif clothes.collar == "shirt":
        for side in (-1, 1):
            flap = np.array([(-0.62, 1.8), (-0.66, 2.12), (-0.5, 2.62), (-0.05, 2.5)]) * (side, 1)
            fill(canvas, _place(at, flap), scaled(clothes.colour, 0.97))
            stroke(canvas, _place(at, flap), scaled(clothes.colour, 0.5), 2, closed=True)
        stroke(canvas, _place(at, np.array([(0.04, 2.6), (0.05, 6.0)])), scaled(clothes.colour, 0.55), 2)
        for y in (2.95, 3.5, 4.05):
            fill(
                canvas,
                _place(at, ellipse((0.0, y), (0.05, 0.05))),
                mixed(clothes.second, (240, 240, 235), 0.5),
            )
    else:
        wide = 0.3 if clothes.collar == "hood" else 0.09
        tint(canvas, edge + (0, wide * 0.4 * s), scaled(clothes.colour, 0.62), 0.95, 1.5, wide * s)
        stroke(canvas, edge, scaled(clothes.colour, 0.38), 2)


def draw_ear(canvas: Pixels, pose: Pose, side: int, skin: Rgb, brightness: float) -> None:
    """Draw the ear at the image's left (-1) or right (1) side of the head."""
    shape = np.array(
        [(0.0, -0.16), (0.1, -0.22), (0.19, -0.14), (0.2, 0.05), (0.14, 0.25), (0.06, 0.36), (-0.02, 0.34)]
    )

    def place(flat: Points) -> Points:
        lifted = np.stack(
            [side * (0.955 + flat[:, 0] * 0.75), flat[:, 1] + 0.12, -0.12 - flat[:, 0] * 0.9], axis=1
        )
        return pose.project(lifted)

    s = pose.scale
    tone = scaled(skin, brightness)
    rim = curve(shape, closed=True)
    fill(canvas, place(rim), tone)
    red = mixed(scaled(tone, 0.68), (170, 60, 50), 0.18)
    hollow = ellipse((0.09, 0.06), (0.055, 0.17))
    tint(canvas, place(hollow), red, 0.8, 0.025 * s)
    tint(canvas, place(curve(shape[:5] * (0.82, 0.86))), scaled(tone, 0.75), 0.6, 0.012 * s, 0.02 * s)
    stroke(canvas, place(rim), scaled(tone, 0.72), 1, closed=True)
