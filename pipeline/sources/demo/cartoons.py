"""Flat-drawn, anime-like characters, drawn by lot."""

import cv2
import numpy as np

from . import cartoon_dress, cartoon_face, cartoon_hair, cartoon_head, scenes
from .backgrounds import any_colour
from .cartoon_dress import OUTFITS, TRINKETS, Outfit
from .cartoon_face import Palette
from .cartoon_hair import BACKS, BANGS, Hairdo
from .cartoon_head import Measures
from .head import Pose
from .painting import colour
from .plan import face_count, is_hidden
from .truth import Face, Picture, Pixels, face_box
from .words import colour_word, said

SIZE = 512
WORK = 1024
_SCRATCH = 64
# animeface finds fewer faces the darker the skin is drawn, and almost none below the last of these.
_SKINS = (
    (255, 232, 216),
    (254, 222, 200),
    (246, 208, 180),
    (228, 180, 146),
    (214, 164, 128),
    (200, 148, 114),
)
_HIDINGS = ("sunglasses", "bandages", "small", "dark")
_BACK_WORDS = {"short": "short hair", "long": "long hair"}
_SMILES = 0.03


def draw(seed: int, index: int) -> Picture:
    """The cartoon of the given seed and index."""
    rng = _lot(seed, index)
    count = face_count(index)
    if count == 0:
        return Picture(_reduced(scenes.draw(rng, WORK), 1.0), ())
    canvas = cartoon_dress.backdrop(rng, WORK)
    hiding = _hiding(index)
    faces = []
    for place in range(count):
        measures, palette = _measures(rng), _palette(rng)
        pose = _pose(rng, place, count, hiding)
        hair = _hairdo(rng, palette, (seed, index, place))
        _draw_character(canvas, measures, palette, hair, _outfit(rng), pose, hiding, rng)
        points = (cartoon_head.landmarks(measures, pose) + 0.5) * (SIZE / WORK) - 0.5
        faces.append(
            Face(
                points,
                face_box(points),
                palette.skin,
                palette.hair,
                palette.left_eye,
                palette.right_eye,
                pose.yaw_deg,
                pose.pitch_deg,
                pose.roll_deg,
                not hiding,
            )
        )
    return Picture(_reduced(canvas, 0.14 if hiding == "dark" else 1.0), tuple(faces))


def traits(seed: int, index: int) -> tuple[str, ...]:
    """What can be seen of the one character that the cartoon shows, in words; nothing where it shows another number."""
    if face_count(index) != 1:
        return ()
    rng, hiding = _lot(seed, index), _hiding(index)
    cartoon_dress.backdrop(rng, _SCRATCH)  # moves the lot on, at any size alike
    measures, palette = _measures(rng), _palette(rng)
    _pose(rng, 0, 1, hiding)
    hair, outfit = _hairdo(rng, palette, (seed, index, 0)), _outfit(rng)
    eyes = {palette.left_eye, palette.right_eye}
    return (
        *(f"{colour_word(eye)} eyes" for eye in eyes if len(eyes) == 1),
        f"{colour_word(palette.hair)} hair",
        f"{hair.bangs} bangs",
        _BACK_WORDS.get(hair.back, hair.back),
        *said(
            **{hiding: bool(hiding), outfit.trinket: bool(outfit.trinket)},
            eyes_of_two_colours=len(eyes) == 2,
            open_mouth=measures.mouth_open > 0,
            smiling=measures.smile > _SMILES,
            blush=palette.blush > 0,
        ),
    )


def _lot(seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, index, 2])


def _hiding(index: int) -> str:
    """What hides the cartoon's face; nothing does for most."""
    return _HIDINGS[(index // 16) % len(_HIDINGS)] if is_hidden(index) else ""


def _measures(rng: np.random.Generator) -> Measures:
    opened = float(rng.uniform(0.06, 0.2)) if rng.uniform() < 0.4 else 0.0
    return Measures(
        eye_x=rng.uniform(0.45, 0.51),
        eye_y=rng.uniform(0.16, 0.26),
        eye_width=rng.uniform(0.44, 0.54),
        eye_height=rng.uniform(0.42, 0.6),
        slant=rng.uniform(-0.16, 0.14),
        brow_y=rng.uniform(-0.3, -0.2),
        brow_tilt=rng.uniform(-0.1, 0.1),
        nose_y=rng.uniform(0.58, 0.66),
        mouth_y=rng.uniform(0.83, 0.9),
        mouth_width=rng.uniform(0.12, 0.22),
        mouth_open=opened,
        smile=rng.uniform(-0.02, 0.07),
        chin_y=rng.uniform(1.17, 1.32),
        chin_width=rng.uniform(0.34, 0.46),
    )


def _palette(rng: np.random.Generator) -> Palette:
    skin = colour(np.asarray(_SKINS[min(5, int(rng.exponential(1.6)))]) * rng.uniform(0.98, 1.0))
    vivid = rng.uniform() < 0.7
    hair = (
        any_colour(rng, 0.75, (0.55, 0.98))
        if vivid
        else colour(np.array((62, 46, 48)) * rng.uniform(0.7, 2.6))
    )
    iris = any_colour(rng, 1.0, (0.5, 0.9))
    other = any_colour(rng, 1.0, (0.5, 0.9)) if rng.uniform() < 0.06 else iris
    blush = float(rng.uniform(0.4, 1.0)) if rng.uniform() < 0.6 else 0.0
    return Palette(skin, hair, iris, other, blush, int(rng.integers(1, 4)))


def _hairdo(rng: np.random.Generator, palette: Palette, seed: tuple[int, ...]) -> Hairdo:
    return Hairdo(
        BANGS[rng.integers(len(BANGS))],
        BACKS[rng.integers(len(BACKS))],
        palette.hair,
        float(rng.uniform(0.7, 1.7)),
        seed,
        bool(rng.uniform() < 0.75),
        bool(rng.uniform() < 0.25),
    )


def _outfit(rng: np.random.Generator) -> Outfit:
    return Outfit(
        OUTFITS[rng.integers(len(OUTFITS))],
        any_colour(rng, 0.7, (0.4, 1.0)),
        any_colour(rng, 0.8, (0.35, 0.95)),
        TRINKETS[rng.integers(len(TRINKETS))],
    )


def _pose(rng: np.random.Generator, place: int, count: int, hiding: str) -> Pose:
    if count == 2:
        x, y, scale = WORK * (0.28 + 0.44 * place) + rng.normal(0, 10), WORK * 0.45, rng.uniform(135, 152)
    else:
        x, y, scale = WORK / 2 + rng.normal(0, 40), WORK * 0.45 + rng.normal(0, 25), rng.uniform(190, 265)
    if hiding == "small":
        scale = rng.uniform(26, 36)
        y = WORK - 3.2 * scale
    yaw = float(np.clip(rng.normal(0, 7), -16, 16))
    roll = float(np.clip(rng.normal(0, 4.5), -10, 10))
    return Pose((float(x), float(y)), float(scale), yaw, 0.0, roll)


def _draw_character(
    canvas: Pixels,
    measures: Measures,
    palette: Palette,
    hair: Hairdo,
    outfit: Outfit,
    pose: Pose,
    hiding: str,
    rng: np.random.Generator,
) -> None:
    side = int(rng.choice([-1, 1]))
    cartoon_hair.draw_back(canvas, hair, pose)
    cartoon_dress.draw_body(canvas, pose, palette, outfit)
    face = cartoon_face.draw_contour(canvas, measures, palette, pose)
    bangs = cartoon_hair.bangs_place(pose, cartoon_hair.bangs_shape(hair))
    cartoon_face.cast_shadow(canvas, face, bangs, palette, pose)
    cartoon_face.draw_features(canvas, measures, palette, pose)
    if hiding == "bandages":
        cartoon_dress.draw_bandages(canvas, pose, side)
    if hiding == "sunglasses":
        cartoon_dress.draw_sunglasses(canvas, pose)
    cartoon_hair.draw_front(canvas, hair, pose)
    if not hiding:
        cartoon_face.draw_brows(canvas, measures, palette, pose)
    cartoon_dress.draw_trinket(canvas, pose, outfit, side)


def _reduced(canvas: Pixels, exposure: float) -> Pixels:
    small = cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return cv2.convertScaleAbs(small, alpha=exposure) if exposure != 1.0 else small
