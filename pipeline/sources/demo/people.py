"""Who the portraits show: persons drawn by lot, with their proportions, looks, hair and clothes."""

from dataclasses import dataclass

import numpy as np

from .accessories import Glasses
from .backgrounds import any_colour
from .body import COLLARS, Clothes
from .hair import COVERING, STYLES, Haircut
from .painting import colour, mixed, scaled
from .relief import Proportions
from .skin import Looks
from .truth import Rgb
from .words import said

_SKINS: tuple[Rgb, ...] = (
    (246, 216, 198), (238, 200, 176), (228, 186, 156), (216, 168, 134), (198, 146, 110), (172, 120, 86),
    (142, 94, 66), (112, 74, 52), (88, 58, 42),
)  # fmt: skip
_HAIRS: tuple[Rgb, ...] = (
    (34, 27, 25), (58, 40, 31), (92, 62, 42), (128, 88, 54), (176, 134, 82), (212, 176, 118), (142, 66, 34),
    (168, 164, 160), (216, 212, 206),
)  # fmt: skip
_IRISES: tuple[Rgb, ...] = (
    (66, 42, 28), (92, 60, 36), (124, 88, 48), (98, 112, 66), (86, 124, 132), (92, 132, 168), (120, 140, 150),
)  # fmt: skip


_SKIN_WORDS = ("light",) * 3 + ("medium",) * 3 + ("dark",) * 3
_HAIR_WORDS = ("black", "brown", "brown", "light brown", "blonde", "blonde", "red", "grey", "white")
_IRIS_WORDS = ("brown", "brown", "brown", "green", "blue", "blue", "grey")
_SMILES, _IS_OLD = 0.3, 0.6


@dataclass(frozen=True)
class Person:
    """Everything about one person but the pose and the light; `traits` are words for what can be seen of it."""

    proportions: Proportions
    looks: Looks
    haircut: Haircut | None
    clothes: Clothes
    glasses: Glasses | None
    earrings: Rgb | None
    traits: tuple[str, ...]


def _pick(rng: np.random.Generator, options: tuple[Rgb, ...], index: int) -> Rgb:
    jitter = rng.normal(1, 0.03) * (1 + rng.normal(0, 0.015, 3))
    return colour(np.asarray(options[index]) * jitter)


def _skin(rng: np.random.Generator) -> tuple[Rgb, int]:
    tone = int(rng.integers(len(_SKINS)))
    return _pick(rng, _SKINS, tone), tone


def _proportions(rng: np.random.Generator, feminine: bool) -> Proportions:
    smile = float(np.clip(rng.normal(0.35, 0.45), -0.4, 1.0))
    opened = float(rng.uniform(0.03, 0.13)) if rng.uniform() < 0.3 else 0.0
    return Proportions(
        eye_x=rng.normal(0.42, 0.012),
        eye_width=rng.normal(0.41, 0.018),
        eye_open=rng.normal(0.155, 0.018),
        eye_slant=rng.normal(-0.02, 0.03),
        brow_y=rng.normal(-0.285 if feminine else -0.255, 0.02),
        brow_arch=rng.uniform(0.03, 0.09 if feminine else 0.06),
        nose_y=rng.normal(0.6, 0.03),
        nose_width=rng.normal(0.205 if feminine else 0.235, 0.02),
        nose_length=rng.normal(0.33, 0.03),
        mouth_y=rng.normal(0.94, 0.02),
        mouth_width=rng.normal(0.345, 0.025),
        lip=rng.uniform(0.06, 0.11),
        smile=smile,
        mouth_open=opened,
        jaw=rng.normal(0.93 if feminine else 1.04, 0.04),
        chin_y=rng.normal(1.42 if feminine else 1.48, 0.03),
        cheek=rng.uniform(0.02, 0.09),
    )


def _haircut(rng: np.random.Generator, feminine: bool, hair: Rgb, dark_skin: bool) -> Haircut | None:
    if not feminine and rng.uniform() < 0.13:
        return None
    options = (
        ("parted", "bob", "long", "fringe", "tied", "curly")
        if feminine
        else ("cropped", "cropped", "swept", "curly")
    )
    style = "curly" if dark_skin and rng.uniform() < 0.45 else str(options[rng.integers(len(options))])
    return Haircut(
        style if style in STYLES else "cropped",
        hair,
        volume=rng.uniform(0.05, 0.16),
        parting=rng.uniform(-0.7, 0.7),
        length=rng.uniform(0.85, 1.15),
        wave=rng.uniform(0.0, 0.07),
    )


def _glasses(rng: np.random.Generator) -> Glasses | None:
    if rng.uniform() > 0.17:
        return None
    rim = ((24, 22, 24), (96, 62, 34), (120, 118, 116), (60, 24, 28))[rng.integers(4)]
    return Glasses(rim, rng.uniform(0.015, 0.045), float(rng.integers(2)))


def person(rng: np.random.Generator) -> Person:
    """A person drawn by lot."""
    skin, tone = _skin(rng)
    feminine = bool(rng.uniform() < 0.5)
    age = float(np.clip(rng.beta(1.2, 2.6), 0, 1))
    grey = age > 0.6 and rng.uniform() < 0.7
    shade = int(rng.integers(7, 9)) if grey else int(rng.integers(0, 2 if tone > 4 else 7))
    hair = _pick(rng, _HAIRS, shade)
    bearded = 0.0 if feminine else float(rng.choice([0.0, 0.0, 0.0, 0.85]))
    stubble = 0.0 if feminine or bearded else float(rng.uniform(0.1, 0.9))
    tache = bearded or (0.8 if not feminine and rng.uniform() < 0.12 else 0.0)
    lips = mixed(
        scaled(skin, 0.82), (176, 62, 70), rng.uniform(0.25, 0.65) if feminine else rng.uniform(0.12, 0.3)
    )
    looks = Looks(
        skin,
        hair,
        scaled(hair, 0.72) if not grey else scaled(hair, 0.6),
        _pick(rng, _IRISES, iris := int(rng.integers(0, 2 if tone > 4 else len(_IRISES)))),
        lips,
        gaze=(rng.normal(0, 0.02), rng.normal(0, 0.006)),
        blush=rng.uniform(0.15, 0.7),
        freckles=rng.uniform(0.2, 1) if tone < 3 and rng.uniform() < 0.3 else 0.0,
        age=age,
        beard=bearded,
        stubble=stubble,
        moustache=tache,
        lashes=rng.uniform(0.6, 1.0) if feminine else rng.uniform(0.1, 0.4),
        brow_weight=rng.uniform(0.3, 0.6) if feminine else rng.uniform(0.5, 1.0),
    )
    haircut = _haircut(rng, feminine, hair, tone > 5)
    clothes = Clothes(
        any_colour(rng, 0.8, (0.15, 0.9)),
        any_colour(rng, 0.5, (0.3, 1.0)),
        COLLARS[rng.integers(len(COLLARS))],
        bool(rng.uniform() < 0.2),
    )
    earrings = (
        ((214, 178, 90), (205, 208, 214))[rng.integers(2)] if feminine and rng.uniform() < 0.4 else None
    )
    proportions, glasses = _proportions(rng, feminine), _glasses(rng)
    traits = (
        f"{_SKIN_WORDS[tone]} skin",
        f"{_IRIS_WORDS[iris]} eyes",
        *((f"{_HAIR_WORDS[shade]} hair", f"{haircut.style} hair") if haircut else ("bald",)),
        *said(
            woman=feminine,
            man=not feminine,
            old=age > _IS_OLD,
            beard=bearded > 0,
            moustache=tache > 0,
            freckles=looks.freckles > 0,
            smiling=proportions.smile > _SMILES,
            open_mouth=proportions.mouth_open > 0,
            glasses=glasses is not None,
            earrings=earrings is not None and not (haircut and haircut.style in COVERING),
        ),
    )
    return Person(proportions, looks, haircut, clothes, glasses, earrings, traits)
