"""Photo-like portraits: shaded heads under varied light, pose and dress, drawn by lot."""

from dataclasses import replace

import cv2
import numpy as np

from . import accessories, backgrounds, body, hair, landmarks, scenes, skin
from .head import Pose
from .painting import apply, grain
from .people import Person, person
from .plan import face_count, is_hidden
from .relief import LEFT, TOP, Field, cast, relief, shading
from .truth import Face, Picture, Pixels, Points, face_box
from .words import said

SIZE = 512
WORK = 1024
_SCRATCH = 64
_STEP = 4
_HIDINGS = ("sunglasses", "scarf", "hand", "turned", "small", "dark")


def draw(seed: int, index: int) -> Picture:
    """The portrait of the given seed and index."""
    rng = _lot(seed, index)
    count = face_count(index)
    if count == 0:
        return Picture(developed(scenes.draw(rng, WORK), rng, 1.0), ())
    canvas = backgrounds.draw(rng, WORK)
    light, ambient = _light(rng)
    hiding = _hiding(index)
    faces = []
    for place in range(count):
        who = _disguised(person(rng), hiding, rng)
        pose = _pose(rng, place, count, hiding)
        portray(canvas, who, pose, light, ambient, hiding, rng)
        faces.append(truth_of(who, pose, not hiding))
    exposure = 0.16 if hiding == "dark" else float(rng.uniform(0.88, 1.06))
    return Picture(developed(canvas, rng, exposure), tuple(faces))


def traits(seed: int, index: int) -> tuple[str, ...]:
    """What can be seen of the one person that the portrait shows, in words; nothing where it shows another number."""
    if face_count(index) != 1:
        return ()
    rng = _lot(seed, index)
    backgrounds.draw(rng, _SCRATCH)  # moves the lot on, at any size alike
    _light(rng)
    hiding = _hiding(index)
    return said(**{hiding: bool(hiding)}) + person(rng).traits


def _lot(seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, index, 1])


def _hiding(index: int) -> str:
    """What hides the portrait's face; nothing does for most."""
    return _HIDINGS[(index // 16) % len(_HIDINGS)] if is_hidden(index) else ""


def _light(rng: np.random.Generator) -> tuple[Points, float]:
    """A direction towards the light, in camera axes, and the share of light from everywhere."""
    way = np.array(
        [rng.choice([-1, 1]) * rng.uniform(0.1, 0.75), -rng.uniform(0.15, 0.7), rng.uniform(0.6, 1.0)]
    )
    return way / np.linalg.norm(way), float(rng.uniform(0.3, 0.5))


def _disguised(who: Person, hiding: str, rng: np.random.Generator) -> Person:
    if hiding == "sunglasses":
        return replace(
            who, glasses=accessories.Glasses((20, 18, 20), 0.04, float(rng.uniform(0, 1)), tinted=True)
        )
    return who


def _pose(rng: np.random.Generator, place: int, count: int, hiding: str) -> Pose:
    if count == 2:
        centre = (WORK * (0.29 + 0.43 * place) + rng.normal(0, 12), WORK * 0.47 + rng.normal(0, 30))
        scale = rng.uniform(112, 132)
    else:
        scale = rng.uniform(165, 235)
        centre = (WORK / 2 + rng.normal(0, 45), WORK * 0.46 + rng.normal(0, 25))
    yaw = float(np.clip(rng.normal(0, 11), -25, 25))
    if hiding == "turned":
        yaw = float(rng.choice([-1, 1]) * rng.uniform(42, 52))
    if hiding == "small":
        scale = rng.uniform(30, 42)
        centre = (centre[0], WORK - 3.6 * scale)
    pitch, roll = np.clip(rng.normal(0, (5, 5)), (-12, -12), (12, 12))
    return Pose((float(centre[0]), float(centre[1])), float(scale), yaw, float(pitch), float(roll))


def portray(
    canvas: Pixels,
    who: Person,
    pose: Pose,
    light: Points,
    ambient: float,
    hiding: str,
    rng: np.random.Generator,
) -> None:
    """Draw the person onto a canvas of `WORK` pixels; `light` in camera axes, `hiding` one of `_HIDINGS` or empty.

    Hair and skin are drawn by lot: one person drawn twice needs the same lot twice.
    """
    cut = who.haircut
    grown = hair.strands(cut, rng) if cut else None
    if cut and grown:
        hair.draw(canvas, cut, grown, pose, light, in_front=False)
    body.draw(canvas, pose, who.looks.skin, who.clothes, light)
    far = 1 if pose.yaw_deg > 0 else -1
    glow = [0.72 + 0.22 * float(np.clip(side * light[0], -1, 1)) for side in (far, -far)]
    ears_show = not (cut and cut.style in hair.COVERING)
    if ears_show:
        body.draw_ear(canvas, pose, far, who.looks.skin, glow[0])
    _draw_head(canvas, who, pose, light, ambient, rng)
    if ears_show:
        body.draw_ear(canvas, pose, -far, who.looks.skin, glow[1])
    if ears_show and who.earrings:
        accessories.draw_earring(canvas, pose, -far, who.earrings)
    if who.glasses:
        accessories.draw_glasses(canvas, who.proportions, who.glasses, pose)
    if cut and grown:
        hair.draw(canvas, cut, grown, pose, light, in_front=True)
    if hiding == "scarf":
        accessories.draw_scarf(canvas, pose, who.clothes.second)
    if hiding == "hand":
        accessories.draw_hand(canvas, pose, who.looks.skin, int(rng.choice([-1, 1])))


def _draw_head(
    canvas: Pixels, who: Person, pose: Pose, light: Points, ambient: float, rng: np.random.Generator
) -> None:
    looks = who.looks if who.haircut else replace(who.looks, scalp=float(rng.choice([0.0, 0.55])))
    surface = relief(who.proportions)
    shade = shading(surface, pose.rotation.T @ light, ambient, 0.12)
    texture = skin.lit(skin.paint(who.proportions, looks, rng), shade, (1.0, 0.985, 0.97))
    u, v, inside, corner = _visible(surface, pose)
    seen = cv2.remap(texture, _enlarged(_texel(u, LEFT)), _enlarged(_texel(v, TOP)), cv2.INTER_LINEAR)
    edge = _enlarged(cv2.GaussianBlur(inside, (0, 0), 1.2))
    mask = np.clip((edge - 0.5) * 6 + 0.5, 0, 1)
    height, width = (min(WORK - at, length) for at, length in zip(corner[::-1], mask.shape, strict=True))
    x0, y0 = corner
    apply(canvas[y0 : y0 + height, x0 : x0 + width], mask[:height, :width], seen[:height, :width])


def _visible(surface: Field, pose: Pose) -> tuple[Field, Field, Field, tuple[int, int]]:
    """What `cast` sees on a coarse grid over the head, and the grid's corner in pixels."""
    reach = 1.95 * pose.scale
    starts = [max(0, int(c - reach)) for c in pose.centre]
    xs, ys = (
        np.arange(start, min(WORK, int(c + reach)), _STEP, dtype=np.float32) + np.float32(_STEP / 2 - 0.5)
        for start, c in zip(starts, pose.centre, strict=True)
    )
    u, v, inside = cast(surface, pose, *np.meshgrid(xs, ys))
    left, top, width, height = cv2.boundingRect(inside.astype(np.uint8))
    left, top = max(0, left - 3), max(0, top - 3)
    rows, columns = slice(top, top + height + 6), slice(left, left + width + 6)
    corner = (starts[0] + left * _STEP, starts[1] + top * _STEP)
    return u[rows, columns], v[rows, columns], inside[rows, columns], corner


def _texel(flat: Field, edge: float) -> Field:
    return (flat - np.float32(edge)) * np.float32(skin.DENSITY) - np.float32(0.5)


def _enlarged(coarse: Field) -> Field:
    return cv2.resize(coarse, None, fx=_STEP, fy=_STEP, interpolation=cv2.INTER_LINEAR)


def developed(canvas: Pixels, rng: np.random.Generator, exposure: float) -> Pixels:
    """The photograph: reduced, slightly blurred, with sensor noise."""
    small = cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(0.35, 0.7)))
    noise = grain(rng, (SIZE, SIZE))[..., None] * np.float32(rng.uniform(1.0, 3.2))
    tone = (1 + rng.normal(0, 0.02, 3)) * exposure
    return np.clip(small * tone.astype(np.float32) + noise, 0, 255).astype(np.uint8)


def truth_of(who: Person, pose: Pose, findable: bool) -> Face:
    """What is true of a person portrayed in a pose, in the pixels of the developed photograph."""
    points = (landmarks.seen(who.proportions, pose) + 0.5) * (SIZE / WORK) - 0.5
    looks = who.looks
    hair_rgb = looks.hair if who.haircut else looks.skin
    return Face(
        points,
        face_box(points),
        looks.skin,
        hair_rgb,
        looks.iris,
        looks.iris,
        pose.yaw_deg,
        pose.pitch_deg,
        pose.roll_deg,
        findable,
    )
