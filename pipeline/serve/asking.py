"""From a model's controls to inputs on a page, and from what a visitor put in to what is asked of the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import UserError
from pipeline.serve.controls import Chosen, Color, Control, measured_colors
from pipeline.serve.looking import Face

_UNKNOWN_COLOR = "#808080"
_HEX = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})(?:[0-9a-fA-F]{2})?")
_RGB = re.compile(r"rgba?\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*(?:,\s*[\d.]+\s*)?\)")


@dataclass(frozen=True)
class Input:
    """One input on the page: `start` is its value before a visitor changes it; `part` names one of several colours."""

    control: Control
    start: Any
    part: str | None = None

    @property
    def label(self) -> str:
        """What stands above it."""
        return self.control.label if self.part is None else f"{self.control.label}: {self.part}"


def inputs_of(controls: Sequence[Control], face: Face) -> list[Input]:
    """Return the inputs for a model's controls: one for each, but for colours one for each colour, as measured."""
    found = []
    for control in controls:
        if control.kind == "colors":
            measured = measured_colors(face)
            found += [Input(control, _hex(measured.get(name)), name) for name in control.choices]
        elif control.kind == "labels":
            found.append(Input(control, list(control.default or ())))
        else:
            found.append(Input(control, control.default))
    return found


def chosen_of(inputs: Sequence[Input], values: Sequence[Any], crop_of: Callable[[str], np.ndarray]) -> Chosen:
    """Return what is asked: the values that differ from what the inputs started with.

    `crop_of` makes an aligned crop of an uploaded file. Raises `UserError` for a colour that is none.
    """
    asked: dict[str, Any] = {}
    for each, value in zip(inputs, values, strict=True):
        if value is None or value == each.start:
            continue
        field = each.control.field
        if each.part is not None:
            asked[field] = asked.get(field, {}) | {each.part: color_of(str(value))}
        elif each.control.kind == "labels":
            asked[field] = tuple(value)
        elif each.control.kind == "image":
            asked[field] = crop_of(value)
        elif each.control.kind == "seed":
            asked[field] = int(value)
        else:
            asked[field] = value
    return Chosen(**asked)


def color_of(text: str) -> Color:
    """Return the colour of `#rrggbb` or `rgb(r, g, b)`, as browsers' inputs write it; `UserError` for others."""
    if found := _HEX.fullmatch(text.strip()):
        red, green, blue = (int(part, 16) for part in found.groups())
    elif found := _RGB.fullmatch(text.strip()):
        red, green, blue = (min(round(float(part)), 255) for part in found.groups())
    else:
        raise UserError(f"colors: {text[:40]!r} is no colour; write it as #rrggbb")
    return red, green, blue


def _hex(color: Color | None) -> str:
    return _UNKNOWN_COLOR if color is None else "#{:02x}{:02x}{:02x}".format(*color)
