"""Patients before and after surgery: one person portrayed twice, with a known change of nose, eyes or chin."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from . import operations
from .backgrounds import any_colour
from .head import Pose
from .painting import gradient, scaled
from .people import Person, person
from .plan import procedures
from .portraits import WORK, developed, portray, truth_of
from .truth import Picture, Pixels, Points, Rgb

Role = Literal["before", "after"]
Sittings = Literal["two", "one"]
_PATIENT, _SURFACE, _ROOM, _FIRST, _SECOND, _CAMERA = range(6)


@dataclass(frozen=True, eq=False)
class Sitting:
    """All that differs between two photographs of one person, but for the person."""

    pose: Pose
    light: Points
    ambient: float
    clothes: Rgb
    gaze: tuple[float, float]
    exposure: float


def draw(seed: int, index: int, role: Role, sittings: Sittings = "two") -> Picture:
    """The photograph of a case before or after the operation.

    Of `two` sittings, light, pose, dress and exposure of the second differ a little from those of the first, as
    months later; of `one`, the operation is all that differs.
    """
    who = patient(seed, index, role)
    second = role == "after" and sittings == "two"
    sitting = _sitting(seed, index, second)
    dressed = replace(
        who,
        looks=replace(who.looks, gaze=sitting.gaze),
        clothes=replace(who.clothes, colour=sitting.clothes),
    )
    canvas = _room(_lot(seed, index, _ROOM), sitting.light)
    surface = _lot(seed, index, _SURFACE)
    portray(canvas, dressed, sitting.pose, sitting.light, sitting.ambient, "", surface)
    camera = _lot(seed, index, _CAMERA + second)
    pixels = developed(canvas, camera, sitting.exposure)
    return Picture(pixels, (truth_of(dressed, sitting.pose, findable=True),))


def patient(seed: int, index: int, role: Role) -> Person:
    """The person of a case as they are before or after: with a neutral face, shaved, without glasses and jewels."""
    rng = _lot(seed, index, _PATIENT)
    drawn = person(rng)
    who = replace(
        drawn,
        proportions=replace(drawn.proportions, smile=float(rng.normal(0.12, 0.08)), mouth_open=0.0),
        looks=replace(drawn.looks, beard=0.0, moustache=0.0, stubble=0.3 * drawn.looks.stubble),
        glasses=None,
        earrings=None,
    )
    extents = {name: float(rng.uniform(0.8, 1.2)) for name in procedures(index)}
    return operations.before(who, extents) if role == "before" else operations.after(who, extents)


def _lot(seed: int, index: int, what: int) -> np.random.Generator:
    return np.random.default_rng([seed, index, 5, what])


def _sitting(seed: int, index: int, second: bool) -> Sitting:
    first = _first_sitting(_lot(seed, index, _FIRST))
    return _later(first, _lot(seed, index, _SECOND)) if second else first


def _first_sitting(rng: np.random.Generator) -> Sitting:
    yaw, pitch, roll = np.clip(rng.normal(0, (3.0, 2.5, 1.5)), -7, 7)
    centre = WORK / 2 + rng.normal(0, 14), WORK * 0.46 + rng.normal(0, 12)
    pose = Pose(
        (float(centre[0]), float(centre[1])),
        float(rng.uniform(195, 220)),
        float(yaw),
        float(pitch),
        float(roll),
    )
    light = np.array([rng.uniform(-0.45, 0.45), -rng.uniform(0.25, 0.55), 0.9])
    return Sitting(
        pose,
        light / np.linalg.norm(light),
        float(rng.uniform(0.4, 0.52)),
        any_colour(rng, 0.6, (0.3, 0.95)),
        (float(rng.normal(0, 0.01)), float(rng.normal(0, 0.005))),
        float(rng.uniform(0.92, 1.04)),
    )


def _later(first: Sitting, rng: np.random.Generator) -> Sitting:
    """A sitting months after the first, in the same room."""
    pose, (yaw, pitch, roll) = first.pose, rng.normal(0, (2.5, 2.0, 1.2))
    moved = Pose(
        (pose.centre[0] + rng.normal(0, 10), pose.centre[1] + rng.normal(0, 8)),
        pose.scale * rng.uniform(0.95, 1.05),
        float(np.clip(pose.yaw_deg + yaw, -8, 8)),
        float(np.clip(pose.pitch_deg + pitch, -8, 8)),
        float(np.clip(pose.roll_deg + roll, -8, 8)),
    )
    light = first.light + rng.normal(0, (0.16, 0.08, 0.0))
    return Sitting(
        moved,
        light / np.linalg.norm(light),
        first.ambient + float(rng.normal(0, 0.02)),
        any_colour(rng, 0.6, (0.3, 0.95)),
        (float(rng.normal(0, 0.01)), float(rng.normal(0, 0.005))),
        first.exposure * float(rng.uniform(0.95, 1.05)),
    )


def _room(rng: np.random.Generator, light: Points) -> Pixels:
    """A plain wall, brighter at the light's side."""
    wall = any_colour(rng, 0.25, (0.55, 0.9))
    towards = float(np.rad2deg(np.arctan2(-light[1], -light[0])))
    return gradient((WORK, WORK), scaled(wall, 1.08), scaled(wall, 0.82), towards)
