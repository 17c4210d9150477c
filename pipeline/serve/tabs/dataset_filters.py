"""What the faces of the dataset's tab are filtered by: the fields on the page, and what they ask for."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr

from pipeline.serve.browsing import PARTS_OF_FACE, Filter, Index, Near, Range
from pipeline.serve.reviewing import Reviews

MOST_TAGS = 500
_MOST_DEG = 90
_ANY = ""
_KEPT = {"all": None, "kept": True, "left out": False}
_MARKED = "with a mark"
_RGB = re.compile(r"rgba?\(([\d.]+), *([\d.]+), *([\d.]+)")


class DatasetFilters:
    """The fields; what they say comes in the order of `inputs`."""

    def __init__(self) -> None:
        self._kept = gr.Radio([*_KEPT, _MARKED], value="all", label="Faces and images", elem_id="ds-kept")
        self._source = _dropdown("Source", "ds-source")
        self._domain = _dropdown("Domain", "ds-domain")
        self._split = _dropdown("Split", "ds-split")
        self._reason = _dropdown("Left out because", "ds-reason")
        self._tag = gr.Dropdown(
            [("any", _ANY)], value=_ANY, label="Tag", allow_custom_value=True, elem_id="ds-tag"
        )
        with gr.Accordion("Pose and colour", open=False, elem_id="ds-more"):
            with gr.Group(elem_id="ds-yaw"):
                self._yaw_from = _angle("Yaw from (°)", "ds-yaw-from", -_MOST_DEG)
                self._yaw_to = _angle("to (°)", "ds-yaw-to", _MOST_DEG)
            with gr.Group(elem_id="ds-pitch"):
                self._pitch_from = _angle("Pitch from (°)", "ds-pitch-from", -_MOST_DEG)
                self._pitch_to = _angle("to (°)", "ds-pitch-to", _MOST_DEG)
            self._part = gr.Radio(
                ["any", *PARTS_OF_FACE], value="any", label="Colour of", elem_id="ds-color-part"
            )
            self._color = gr.ColorPicker(value="#8a5a3c", label="is near", elem_id="ds-color")
            self._within = gr.Slider(1, 50, 10, step=1, label="at most (ΔE 2000)", elem_id="ds-color-within")

    def inputs(self) -> list[Any]:
        """Return the fields."""
        angles = [self._yaw_from, self._yaw_to, self._pitch_from, self._pitch_to]
        return [self._kept, *self.offering(), *angles, self._part, self._color, self._within]

    def offering(self) -> list[Any]:
        """Return the fields that offer what there is in the catalogue."""
        return [self._source, self._domain, self._split, self._reason, self._tag]

    def offers(self, index: Index) -> list[Any]:
        """Return what those fields offer for a catalogue."""
        reasons = [
            (f"{reason} ({stage}): {count}", f"{stage}/{reason}")
            for (stage, reason), count in index.reasons().items()
        ]
        return [
            *(gr.Dropdown([("any", _ANY), *index.values(name)]) for name in ("source", "domain", "split")),
            gr.Dropdown([("whatever", _ANY), *reasons]),
            gr.Dropdown([("any", _ANY), *index.tags(MOST_TAGS)]),
        ]


def filter_of(
    reviews: Reviews,
    kept: str,
    source: str,
    domain: str,
    split: str,
    reason: str,
    tag: str | None,
    yaw_from: float,
    yaw_to: float,
    pitch_from: float,
    pitch_to: float,
    part: str,
    color: str | None,
    within: float,
) -> Filter:
    """Return what the fields ask for, in the order of `DatasetFilters.inputs`."""
    stage, _, why = reason.partition("/")
    return Filter(
        source=source or None,
        domain=domain or None,
        split=split or None,
        kept=_KEPT.get(kept),
        reason=(stage, why) if why else None,
        tag=(tag or "").strip() or None,
        yaw_deg=_range(yaw_from, yaw_to),
        pitch_deg=_range(pitch_from, pitch_to),
        near=Near(part, _rgb(color), within) if part in PARTS_OF_FACE and color else None,
        images=reviews.images() if kept == _MARKED else None,
    )


def _rgb(color: str) -> tuple[int, int, int]:
    """Return a colour picker's `#rrggbb` or `rgb(r, g, b)` as sRGB 0..255."""
    found = _RGB.match(color)
    values = (
        [round(float(value)) for value in found.groups()]
        if found
        else [int(color.lstrip("#")[place : place + 2], 16) for place in (0, 2, 4)]
    )
    red, green, blue = (min(value, 255) for value in values)
    return red, green, blue


def _dropdown(label: str, elem_id: str) -> gr.Dropdown:
    return gr.Dropdown([("any", _ANY)], value=_ANY, label=label, elem_id=elem_id)


def _angle(label: str, elem_id: str, value: int) -> gr.Slider:
    return gr.Slider(-_MOST_DEG, _MOST_DEG, value, step=1, label=label, elem_id=elem_id)


def _range(low: float, high: float) -> Range:
    """Return a range of angles; where a slider stands at its end, there is none."""
    return (low if low > -_MOST_DEG else None), (high if high < _MOST_DEG else None)
