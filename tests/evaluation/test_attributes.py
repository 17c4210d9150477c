"""Attribute mismatch: made-up changes of a distribution, each with its verdict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.evaluation.attributes import (
    attribute_mismatch,
    attribute_of,
    attribute_values,
    judge,
    mismatches,
)

Change = Callable[[np.ndarray], np.ndarray]


def around(middle: float, spread: float, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(middle, spread, count)


SOURCE, TARGET = around(0, 10, 40, 0), around(15, 8, 60, 1)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda yaw: yaw, "kept"),
        (lambda yaw: yaw + around(0, 2, len(yaw), 2), "kept"),
        (lambda yaw: yaw + 15, "moved towards the target"),
        (lambda yaw: yaw + 7, "moved towards the target"),
        (lambda yaw: yaw - 12, "changed otherwise"),
        (lambda yaw: 0.1 * yaw, "changed otherwise"),
    ],
    ids=["the same", "a little noise", "as the target", "half the way", "the other way", "all look ahead"],
)
def test_the_verdict(change: Change, verdict: str) -> None:
    assert judge(SOURCE, change(SOURCE), TARGET, 2.0, 0).verdict == verdict


def test_few_unlike_faces_are_undecided() -> None:
    assert judge(SOURCE[:10], around(0, 10, 10, 3), TARGET, 2.0, 0).verdict == "undecided"


def test_the_distances_are_those_of_a_shift() -> None:
    found = judge(SOURCE, SOURCE + 4, SOURCE + 10, 2.0, 0)
    assert found.from_source.value == pytest.approx(4)
    assert found.from_source.low == pytest.approx(4)
    assert found.to_target.value == pytest.approx(6)
    assert found.before == pytest.approx(10)
    assert found.medians["output"] == pytest.approx(found.medians["source"] + 4)


def test_constant_values_are_kept() -> None:
    ones = np.ones(8)
    assert judge(ones, ones, ones, 0.05, 0).verdict == "kept"


def test_what_should_be_kept_and_was_not_is_reported() -> None:
    source = {"yaw": SOURCE, "hair_chroma": SOURCE}
    outputs = {"yaw": SOURCE + 15, "hair_chroma": SOURCE + 15}
    target = {"yaw": TARGET, "hair_chroma": TARGET}
    found, missing = attribute_mismatch(source, outputs, target, 0)
    assert missing == {}
    assert found["yaw"]["mismatch"]
    assert not found["hair_chroma"]["mismatch"]
    [sentence] = mismatches(found)
    assert sentence.startswith("yaw should be kept, but moved towards the target: median ")
    found, _ = attribute_mismatch(source, outputs, target, 0, keep=["hair_chroma"])
    assert [name for name in found if found[name]["mismatch"]] == ["hair_chroma"]


def test_faces_that_were_not_found_are_left_out_and_too_few_are_told() -> None:
    outputs = SOURCE.copy()
    outputs[:35] = np.nan
    found, _ = attribute_mismatch({"yaw": SOURCE}, {"yaw": outputs}, {"yaw": TARGET}, 0)
    assert found["yaw"]["of"] == 5
    outputs[:36] = np.nan
    found, missing = attribute_mismatch({"yaw": SOURCE}, {"yaw": outputs}, {"yaw": TARGET}, 0)
    assert found == {}
    assert "known of 4 faces" in missing["attributes.yaw"]


def test_an_attribute_that_was_not_measured_of_all_three_is_told() -> None:
    found, missing = attribute_mismatch({"yaw": SOURCE}, {"yaw": SOURCE, "smile": SOURCE}, {"yaw": TARGET}, 0)
    assert set(found) == {"yaw"}
    assert set(missing) == {"attributes.smile"}


def test_values_of_known_pictures() -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[1] = 255
    colors: list[dict[str, tuple[int, int, int] | None]] = [
        {"skin": (255, 255, 255), "hair": None},
        {"left_eye": (0, 0, 0), "right_eye": (255, 255, 255)},
    ]
    values = attribute_values(
        images,
        poses=np.array([[1, 2, 3], [np.nan] * 3]),
        scales=np.array([0.5, np.nan]),
        colors=colors,
        tags=np.array([[0.9], [0.1]]),
        tag_names=["hat"],
    )
    assert values["pitch"][0] == 2
    assert np.isnan(values["yaw"][1])
    assert values["scale"][0] == -1
    assert values["brightness"] == pytest.approx([0, 100], abs=0.01)
    assert values["contrast"] == pytest.approx([0, 0], abs=1e-3)
    assert values["skin_lightness"][0] == pytest.approx(100, abs=0.01)
    assert values["eyes_lightness"][1] == pytest.approx(50, abs=0.01)
    assert np.isnan(values["hair_chroma"]).all()
    assert values["hat"].tolist() == [0.9, 0.1]


def test_values_of_other_faces_are_refused() -> None:
    with pytest.raises(ValueError, match="scale: not as many values as the 2 images"):
        attribute_values(np.zeros((2, 4, 4, 3), np.uint8), scales=np.ones(3))


def test_who_is_shown_is_kept_and_a_style_is_not() -> None:
    assert attribute_of("1girl").keep
    assert attribute_of("yaw").keep
    assert not attribute_of("monochrome").keep
