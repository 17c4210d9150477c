"""From controls to inputs and back: only what a visitor changed is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.serve.asking import chosen_of, color_of, inputs_of
from pipeline.serve.controls import Chosen, Control
from tests.serve.small_zoo import a_face

CONTROLS = (
    Control("colors", "colors", "Colours", "", choices=("skin", "hair", "eyes")),
    Control("noise_seed", "seed", "Seed", "", 0, 0, 99),
    Control("labels", "labels", "Labels", "", ("after",), choices=("after",)),
    Control("style_image", "image", "Style", ""),
    Control("strength", "number", "Strength", "", 0.5, 0.0, 1.0),
)
CROP = np.zeros((8, 8, 3), np.uint8)


def crop_of(_: str) -> np.ndarray:
    return CROP


def test_colours_start_as_measured_and_grey_where_they_are_unknown() -> None:
    inputs = inputs_of(CONTROLS, a_face())
    assert [(each.label, each.start) for each in inputs[:3]] == [
        ("Colours: skin", "#c89678"),
        ("Colours: hair", "#808080"),
        ("Colours: eyes", "#808080"),
    ]
    assert [each.start for each in inputs[3:]] == [0, ["after"], None, 0.5]


def test_what_was_not_changed_is_not_asked_for() -> None:
    inputs = inputs_of(CONTROLS, a_face())
    assert chosen_of(inputs, [each.start for each in inputs], crop_of) == Chosen()


def test_what_was_changed_is_asked_for() -> None:
    inputs = inputs_of(CONTROLS, a_face())
    values = ["#c89678", "rgba(10, 20.4, 300, 1)", "#808080", 7.0, [], "style.jpg", 0.75]
    chosen = chosen_of(inputs, values, crop_of)
    assert chosen.asked() == {
        "colors": {"hair": (10, 20, 255)},
        "noise_seed": 7,
        "labels": (),
        "style_image": CROP,
        "strength": 0.75,
    }


@pytest.mark.parametrize("text", ["red", "", "#12", "rgb(1,2)", "<script>"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"is no colour; write it as #rrggbb"):
        color_of(text)
