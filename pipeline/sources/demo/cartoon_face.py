"""The inked face of a flat-drawn character: contour, eyes, brows, nose, mouth, blush."""

from dataclasses import dataclass

import numpy as np

from . import cartoon_head as head
from .cartoon_head import Measures, place
from .head import Pose
from .painting import apply, colour, curve, ellipse, fill, mixed, scaled, stroke, tint
from .truth import Pixels, Points, Rgb


@dataclass(frozen=True)
class Palette:
    """The colours of one character."""

    skin: Rgb
    hair: Rgb
    left_eye: Rgb
    right_eye: Rgb
    blush: float = 0.0
    lashes: int = 2


def shade_of(skin: Rgb) -> Rgb:
    """The cel shadow's colour on skin."""
    return colour(np.asarray(skin) * (0.88, 0.74, 0.74))


def ink_of(base: Rgb) -> Rgb:
    """The line colour that goes with a fill."""
    return mixed(scaled(base, 0.32), (52, 26, 34), 0.5)


def draw_contour(canvas: Pixels, m: Measures, palette: Palette, pose: Pose) -> Points:
    """Draw the face's shape with its ears; returns the shape in pixels."""
    s = pose.scale
    ink = ink_of(palette.skin)
    for side in (-1, 1):
        ear = curve([(0.95, 0.02), (1.12, -0.06), (1.15, 0.14), (1.05, 0.42), (0.95, 0.46)])
        pixels = pose.project(np.concatenate([ear * (side, 1), np.full((len(ear), 1), -0.05)], axis=1))
        fill(canvas, pixels, palette.skin)
        stroke(canvas, pixels, ink, 0.02 * s)
        inner = pixels.mean(axis=0) + (pixels - pixels.mean(axis=0)) * 0.5
        stroke(canvas, inner[6:26], shade_of(palette.skin), 0.03 * s)
    shape = pose.project(head.contour(m))
    forehead = pose.project(np.array([(0.85, -0.85, 0.2), (0.0, -1.02, 0.4), (-0.85, -0.85, 0.2)]))
    whole = np.concatenate([shape, forehead])
    fill(canvas, whole, palette.skin)
    stroke(canvas, shape, ink, 0.022 * s)
    return whole


def draw_features(canvas: Pixels, m: Measures, palette: Palette, pose: Pose) -> None:
    """Draw blush, nose, mouth and eyes."""
    s = pose.scale
    if palette.blush:
        for side in (-1, 1):
            cheek = place(pose, ellipse((side * 0.6, 0.62), (0.2, 0.09)))
            tint(canvas, cheek, (240, 110, 110), 0.55 * palette.blush, 0.05 * s)
            for x in (-0.08, 0.0, 0.08) if palette.blush > 0.6 else ():
                line = place(pose, [(side * 0.6 + x + 0.02, 0.58), (side * 0.6 + x - 0.02, 0.66)])
                stroke(canvas, line, (220, 92, 96), 0.014 * s)
    side = -1 if pose.yaw_deg > 0 else 1
    nose = place(
        pose,
        [(0.035 * side, m.nose_y - 0.06), (-0.03 * side, m.nose_y + 0.01), (0.02 * side, m.nose_y + 0.03)],
    )
    fill(
        canvas,
        place(pose, [(0.0, m.nose_y - 0.02), (0.07 * side, m.nose_y + 0.03), (0.0, m.nose_y + 0.04)]),
        shade_of(palette.skin),
    )
    stroke(canvas, curve(nose), ink_of(palette.skin), 0.016 * s)
    _mouth(canvas, m, palette, pose)
    for mirror, iris in ((1, palette.left_eye), (-1, palette.right_eye)):
        _eye(canvas, m, palette, pose, mirror, iris)


def _mouth(canvas: Pixels, m: Measures, palette: Palette, pose: Pose) -> None:
    s = pose.scale
    points = place(pose, head.mouth(m))
    ink = mixed(ink_of(palette.skin), (96, 20, 30), 0.4)
    inner_up, inner_low = curve(points[12:17]), curve(points[[16, 17, 18, 19, 12]])
    if m.mouth_open > 0.03:
        inside = np.concatenate([inner_up, inner_low])
        fill(canvas, inside, (150, 44, 52))
        tongue = ellipse(
            points[18] - (0, 0.15 * m.mouth_open * s), (m.mouth_width * 0.55 * s, m.mouth_open * 0.42 * s)
        )
        tint(canvas, tongue, (232, 112, 112), 1.0, 0.6, inside=inside)
        if m.mouth_open > 0.1:
            teeth = np.concatenate([inner_up, inner_up[::-1] + (0, 0.04 * s)])
            tint(canvas, teeth, (255, 252, 248), 1.0, 0.5, inside=inside)
        stroke(canvas, inside, ink, 0.018 * s, closed=True)
    else:
        stroke(canvas, inner_up, ink, 0.022 * s)
    tint(
        canvas,
        points[9:10] + [(-0.05 * s, 0.05 * s), (0.05 * s, 0.05 * s)],
        shade_of(palette.skin),
        0.9,
        1.0,
        0.02 * s,
    )


def _eye(canvas: Pixels, m: Measures, palette: Palette, pose: Pose, mirror: int, iris: Rgb) -> None:
    flat = head.eye(m) * (mirror, 1)
    rim = place(pose, curve(flat, 10, closed=True))
    dark = mixed(ink_of(palette.hair), (24, 12, 22), 0.6)
    x0, y0 = np.floor(rim.min(axis=0)).astype(int) - 4
    x1, y1 = np.ceil(rim.max(axis=0)).astype(int) + 5
    if x0 < 0 or y0 < 0 or x1 > canvas.shape[1] or y1 > canvas.shape[0]:
        return
    view = canvas[y0:y1, x0:x1]
    mask = np.zeros(view.shape[:2], np.uint8)
    fill(mask, rim - (x0, y0), 255)
    apply(
        view,
        mask.astype(np.float32) * np.float32(1 / 255),
        _iris(m, pose, view.shape, mirror, iris, dark, (x0, y0)),
    )
    _lids(canvas, m, palette, pose, flat, mirror, dark)


def _iris(
    m: Measures,
    pose: Pose,
    shape: tuple[int, ...],
    mirror: int,
    iris: Rgb,
    dark: Rgb,
    corner: tuple[int, int],
) -> Pixels:
    """The eyeball behind one eye's opening: white, lid's shadow, iris, pupil and highlights."""
    s = pose.scale
    ball = np.full(shape, (252, 250, 250), np.uint8)
    middle = (-m.eye_x * mirror, m.eye_y + 0.02)
    rx, ry = m.eye_width * 0.33, m.eye_height * 0.47

    def oval(at: tuple[float, float], radii: tuple[float, float]) -> Points:
        return place(pose, ellipse((middle[0] + at[0], middle[1] + at[1]), radii)) - corner

    shadow = oval((0, -0.62 * m.eye_height), (m.eye_width, 0.3 * m.eye_height))
    fill(ball, shadow, (206, 204, 222))
    fill(ball, oval((0, 0), (rx, ry)), scaled(iris, 0.3))
    body = oval((0, 0.01), (rx * 0.87, ry * 0.9))
    fill(ball, body, iris)
    tint(ball, oval((0, -ry * 0.62), (rx, ry * 0.55)), scaled(iris, 0.28), 0.9, 0.05 * s, inside=body)
    tint(
        ball,
        oval((0, ry * 0.6), (rx * 0.6, ry * 0.3)),
        mixed(iris, (255, 255, 255), 0.55),
        0.85,
        0.03 * s,
        inside=body,
    )
    fill(ball, oval((0, 0), (rx * 0.4, ry * 0.45)), mixed(scaled(iris, 0.18), dark, 0.4))
    fill(ball, oval((-rx * 0.38, -ry * 0.45), (rx * 0.34, ry * 0.26)), (255, 255, 255))
    fill(ball, oval((rx * 0.42, ry * 0.42), (rx * 0.16, ry * 0.12)), (255, 255, 255))
    return ball


def _lids(
    canvas: Pixels, m: Measures, palette: Palette, pose: Pose, flat: Points, mirror: int, dark: Rgb
) -> None:
    s = pose.scale
    upper = curve(flat[[0, 1, 2, 3]], 12)
    share = np.linspace(0, 1, len(upper))
    thick = 0.085 * (0.45 + 0.8 * np.sin(np.pi * (0.12 + 0.76 * (1 - share))) * (1.15 - 0.5 * share))
    band = np.concatenate([upper + (0, 0.012), (upper - np.stack([0 * thick, thick], axis=1))[::-1]])
    fill(canvas, place(pose, band), dark)
    outer = flat[0]
    for i in range(palette.lashes):
        root = upper[i * 4] - (0, 0.03)
        tip = root + (-0.13 * mirror, -0.07 - 0.03 * i)
        fill(canvas, place(pose, [root - (0, 0.05), tip, root + (0.02 * mirror, 0.05)]), dark)
    stroke(
        canvas,
        place(pose, curve([outer, outer + (0.01 * mirror, 0.1), flat[5] + (-0.04 * mirror, -0.03)])),
        dark,
        0.02 * s,
    )
    stroke(canvas, place(pose, curve(flat[[5, 4]] + (0, 0.005))), dark, 0.024 * s)
    crease = upper[8:-6] - (0, 0.15)
    stroke(canvas, place(pose, crease), ink_of(palette.skin), 0.013 * s)


def draw_brows(canvas: Pixels, m: Measures, palette: Palette, pose: Pose) -> None:
    """Draw the brows, over the bangs as is the custom."""
    left = curve(head.brow(m), 6)
    share = np.linspace(0, 1, len(left))
    thick = (0.012 + 0.03 * np.sin(np.pi * (0.15 + 0.75 * share)))[:, None] * (0, 1)
    for mirror in (1, -1):
        body = np.concatenate([left - thick, (left + thick)[::-1]]) * (mirror, 1)
        fill(canvas, place(pose, body), mixed(scaled(palette.hair, 0.45), (40, 20, 28), 0.3))


def cast_shadow(canvas: Pixels, face: Points, shape: Points, palette: Palette, pose: Pose) -> None:
    """Draw the cel shadow that hair of the given shape throws on the face."""
    offset = np.array([0.05, 0.11]) * pose.scale
    tint(canvas, shape + offset, shade_of(palette.skin), 1.0, 0.6, inside=face)
