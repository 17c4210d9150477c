"""Models that ignore their input, copy it, or do their work, as the figures tell them apart."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics.input_use import change, own_input_nearest, relative_change
from pipeline.metrics.measurable import NotMeasurable

COUNT = 40
PIXELS = (32, 32, 3)


def some_faces(seed: int) -> np.ndarray:
    """Return pictures that differ in a few ways, as faces do, some more than others."""
    ways = np.random.default_rng(99).normal(size=(6, *PIXELS))
    strengths = np.random.default_rng(seed).normal(0, 14, (COUNT, 6))
    return (128 + np.tensordot(strengths, ways, axes=1)).round().clip(0, 255).astype(np.uint8)


INPUTS, OTHERS = some_faces(0), some_faces(1)
MEAN = INPUTS.mean(axis=0)


def faded(share: float) -> np.ndarray:
    """Return outputs that keep this share of what tells their inputs apart."""
    return (MEAN + share * (INPUTS - MEAN)).round().astype(np.uint8)


def test_a_copy_is_the_nearest_to_its_own_input() -> None:
    found = own_input_nearest(INPUTS, INPUTS)
    assert (found["value"], found["of"], found["chance"], found["spread"]) == (1, COUNT, 1 / COUNT, 1)
    assert 0.9 < found["low"] < found["high"] == 1
    assert found["p_of_chance"] == 0


@pytest.mark.parametrize(
    "outputs",
    [OTHERS, np.repeat(OTHERS[:1], COUNT, axis=0), np.roll(INPUTS, 1, axis=0)],
    ids=["faces at random", "one face for all", "each another's"],
)
def test_a_model_that_ignores_its_input_is_found_at_chance(outputs: np.ndarray) -> None:
    found = own_input_nearest(INPUTS, outputs)
    assert found["value"] <= 0.1
    assert found["p_of_chance"] > 0.05


def test_a_model_that_hardly_looks_at_its_input_is_found_too() -> None:
    collapsed, looking = (own_input_nearest(INPUTS, faded(share)) for share in (0.05, 0.9))
    assert (collapsed["p_of_chance"] > 0.05, collapsed["spread"]) == (True, pytest.approx(0.05, abs=0.01))
    assert (looking["value"], looking["spread"]) == (1, pytest.approx(0.9, abs=0.01))


def test_two_faces_are_too_few_to_tell() -> None:
    found = own_input_nearest(INPUTS[:2], INPUTS[:2])
    assert (found["value"], found["p_of_chance"]) == (1, 0.25)


def test_inputs_that_are_all_the_same_have_no_spread() -> None:
    alike = np.repeat(INPUTS[:1], COUNT, axis=0)
    assert own_input_nearest(alike, alike)["spread"] is None


def test_another_style_does_not_count() -> None:
    styled = (INPUTS * 0.9).astype(np.uint8) + np.array([20, 0, 9], np.uint8)
    assert own_input_nearest(INPUTS, styled)["value"] == 1


def test_an_input_that_occurs_twice_is_nobody_elses() -> None:
    twice = np.concatenate([INPUTS, INPUTS])
    assert own_input_nearest(twice, twice)["value"] == 1


def test_a_single_face_says_nothing() -> None:
    with pytest.raises(NotMeasurable, match="single"):
        own_input_nearest(INPUTS[:1], INPUTS[:1])


def test_a_copy_changes_nothing_and_the_truth_all_of_it() -> None:
    assert change(INPUTS, INPUTS, seed=0) == {"value": 0, "low": 0, "high": 0}
    assert relative_change(INPUTS, INPUTS, OTHERS, seed=0)["value"] == 0
    assert relative_change(INPUTS, OTHERS, OTHERS, seed=0)["value"] == 1


def test_half_the_change_is_a_half() -> None:
    inputs = np.full((COUNT, 32, 32, 3), 100, np.uint8)
    inputs[::2] = 120
    truth, outputs = inputs + np.uint8(40), inputs + np.uint8(20)
    assert change(inputs, outputs, seed=0)["value"] == 20
    assert relative_change(inputs, outputs, truth, seed=0) == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_where_nothing_should_change_there_is_no_ratio() -> None:
    with pytest.raises(NotMeasurable, match="the input itself"):
        relative_change(INPUTS, OTHERS, INPUTS, seed=0)


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        own_input_nearest(INPUTS, OTHERS[:, :16])
