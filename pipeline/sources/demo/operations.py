"""What an operation changes of a face: known differences of proportions and looks, before against after."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from .people import Person
from .relief import Proportions
from .skin import Looks

Measures = TypeVar("Measures", Proportions, Looks)


@dataclass(frozen=True)
class Change:
    """By how much an operation of full extent changes measures, in head units or the amounts of `skin.Looks`."""

    proportions: Mapping[str, float]
    looks: Mapping[str, float]


# A narrower nose with a raised tip and a slender, higher bridge; more open eyes under a folded lid; a slighter,
# shorter jaw. The eyes' width stays: the brows are as long as it says.
CHANGES: Mapping[str, Change] = {
    "nose": Change({"nose_width": -0.1, "nose_y": -0.065, "nose_length": 0.1, "nose_ridge": -0.35}, {}),
    "eyes": Change({"eye_open": 0.08, "eye_slant": -0.04}, {"crease": 1.2}),
    "chin": Change({"jaw": -0.25, "chin_y": -0.1}, {}),
}
# Half of the change is what a patient has more than others, the other half goes beyond the usual.
_BEFOREHAND = 0.5


def before(who: Person, extents: Mapping[str, float]) -> Person:
    """The person with what brings them to the clinic; `extents` are of each procedure, near 1."""
    return _changed(who, {name: -_BEFOREHAND * extent for name, extent in extents.items()})


def after(who: Person, extents: Mapping[str, float]) -> Person:
    """The same person when all is done and healed."""
    return _changed(who, {name: (1 - _BEFOREHAND) * extent for name, extent in extents.items()})


def _changed(who: Person, extents: Mapping[str, float]) -> Person:
    for name, extent in extents.items():
        change = CHANGES[name]
        who = replace(
            who,
            proportions=_moved(who.proportions, change.proportions, extent),
            looks=_moved(who.looks, change.looks, extent),
        )
    return who


def _moved(measures: Measures, change: Mapping[str, float], extent: float) -> Measures:
    return replace(measures, **{name: getattr(measures, name) + extent * by for name, by in change.items()})
