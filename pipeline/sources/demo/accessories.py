"""Things that people wear or hold before their faces: glasses, sunglasses, scarves, hands, earrings."""

from dataclasses import dataclass

import numpy as np

from .head import Pose
from .painting import curve, ellipse, fill, scaled, stroke, tint
from .relief import Proportions
from .truth import Pixels, Points, Rgb


@dataclass(frozen=True)
class Glasses:
    """A pair of glasses; `tinted` ones hide the eyes."""

    rim: Rgb
    width: float
    round: float
    tinted: bool = False


def _lens(p: Proportions, side: int, roundness: float) -> Points:
    """The outline of one lens before the eye, (n, 3) in head coordinates."""
    t = np.linspace(0, 2 * np.pi, 44, endpoint=False)
    power = 1.0 if roundness > 0.5 else 0.62
    x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power * (0.29 if roundness < 0.5 else 0.27)
    y = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power * (0.2 + 0.06 * roundness)
    at = p.eye_x * 1.02
    flat_x = side * at + x
    return np.stack([flat_x, y + 0.035, 1.19 - 0.28 * np.abs(flat_x) ** 2], axis=1)


def draw_glasses(canvas: Pixels, p: Proportions, glasses: Glasses, pose: Pose) -> None:
    """Draw frame, lenses, bridge and temples."""
    s = pose.scale
    rim = max(1.0, glasses.width * s)
    for side in (-1, 1):
        lens = _lens(p, side, glasses.round)
        outline = pose.project(lens)
        hinge = lens[0 if side > 0 else 22]
        if side * pose.yaw_deg < 4:
            end = np.array([side * 1.03, 0.0, -0.1])
            stroke(canvas, pose.project(np.stack([hinge, end])), scaled(glasses.rim, 0.8), rim * 1.1)
        if glasses.tinted:
            tint(canvas, outline, (14, 13, 16), 0.97, 0.7)
            glint = (
                outline.mean(axis=0)
                + (outline - outline.mean(axis=0)) * (0.25, 0.12)
                + (-0.06 * s, -0.09 * s)
            )
            tint(canvas, glint, (150, 160, 175), 0.3, 0.03 * s)
        else:
            shadow = outline + (0, 0.035 * s)
            tint(canvas, np.concatenate([shadow, shadow[:1]]), (30, 18, 14), 0.22, 0.012 * s, rim * 1.6)
            glint = curve(outline[[26, 29, 32]] * 0.86 + outline.mean(axis=0) * 0.14)
            tint(canvas, glint, (255, 255, 255), 0.22, 0.012 * s, 0.03 * s)
        stroke(canvas, outline, glasses.rim, rim, closed=True)
        stroke(canvas, outline[26:32] - (0, rim * 0.2), scaled(glasses.rim, 1.7), max(1, rim * 0.25))
    inner = p.eye_x * 1.02 - 0.27
    bridge = curve([(-inner, 0.0, 1.17), (0, -0.05, 1.24), (inner, 0.0, 1.17)])
    stroke(canvas, pose.project(bridge), glasses.rim, rim)


def draw_scarf(canvas: Pixels, pose: Pose, ink: Rgb) -> None:
    """Wrap a scarf around everything below the eyes."""
    s = pose.scale
    edge = [(-1.02, 0.06), (-0.7, 0.2), (-0.3, 0.3), (0.0, 0.24), (0.3, 0.3), (0.7, 0.2), (1.02, 0.06)]
    upper = pose.project(np.array([(x, y, 1.25 * np.sqrt(max(0.0, 1.1 - x * x))) for x, y in edge]))
    around = [(1.12, 0.7, 0.3), (1.3, 1.3, 0.2), (1.45, 1.75, 0.2), (1.1, 2.2, 0.5), (0.0, 2.4, 0.7)]
    right = np.array(around)
    under = pose.project(np.concatenate([right, (right[:-1] * (-1, 1, 1))[::-1]]))
    outline = np.concatenate([curve(upper), curve(under)])
    fill(canvas, outline, scaled(ink, 0.8))
    left_edge, right_edge = under[::-1], under
    for i, share in enumerate(np.linspace(0.0, 1.0, 8)):
        at = share * 3.4
        k, part = int(at), at - int(at)
        ends = [e[k] * (1 - part) + e[k + 1] * part for e in (left_edge, right_edge)]
        sag = (ends[0] + ends[1]) / 2 + (0.12 * s * (-1) ** i, 0.28 * s)
        tone = scaled(ink, 0.5 if i % 2 else 1.2)
        tint(canvas, curve([ends[0], sag, ends[1]]), tone, 0.6, 0.05 * s, 0.09 * s, inside=outline)


def draw_hand(canvas: Pixels, pose: Pose, skin: Rgb, side: int) -> None:
    """Hold a hand before one eye."""
    s = pose.scale

    def place(points: list[tuple[float, float]]) -> Points:
        return pose.project(np.array([(x * side, y, 1.25) for x, y in points]))

    tone = scaled(skin, 0.9)
    fill(canvas, place([(0.15, 0.3), (0.95, 0.35), (1.2, 1.2), (1.5, 4.2), (0.5, 4.2), (0.25, 1.1)]), tone)
    for i, tip in enumerate([(0.02, -0.45), (0.28, -0.68), (0.56, -0.66), (0.84, -0.45)]):
        root = (0.25 + i * 0.21, 0.45)
        line = place([root, ((root[0] + tip[0]) / 2, -0.08), tip])
        stroke(canvas, curve(line), scaled(skin, 0.6), 0.27 * s)
        stroke(canvas, curve(line), scaled(skin, 0.92), 0.24 * s)
        nail = place([(tip[0], tip[1] + 0.01)])[0]
        fill(canvas, ellipse(nail, (0.06 * s, 0.075 * s)), scaled(skin, 1.08))
    tint(canvas, place([(0.3, 0.6), (0.7, 0.55), (0.8, 1.0), (0.4, 1.1)]), scaled(skin, 0.5), 0.4, 0.06 * s)


def draw_earring(canvas: Pixels, pose: Pose, side: int, ink: Rgb) -> None:
    """Hang an earring from the ear's lobe."""
    lobe = pose.project(np.array([side * 1.0, 0.52, -0.15]))
    r = 0.045 * pose.scale
    fill(canvas, ellipse(lobe, (r, r)), scaled(ink, 0.8))
    fill(canvas, ellipse(lobe - (r * 0.3, r * 0.3), (r * 0.4, r * 0.4)), scaled(ink, 1.5))
