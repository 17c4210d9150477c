"""The shipped detectors and estimates on rendered faces, whose truth is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.demo_faces import Measured, measure
from pipeline.faces.detectors import load_detector
from pipeline.sources.demo import portraits


@pytest.fixture(scope="module")
def cartoons() -> Measured:
    return measure("cartoon", 32)


@pytest.fixture(scope="module")
def people() -> Measured:
    return measure("portrait", 44)


@pytest.mark.parametrize("style", ["cartoons", "people"])
def test_95_of_100_findable_faces_are_found_and_nothing_else(
    style: str, request: pytest.FixtureRequest
) -> None:
    counts: Counter[str] = request.getfixturevalue(style).counts
    assert counts["findable"] > 24
    assert counts["findable found"] >= 0.95 * counts["findable"]
    assert counts["found without a face there"] <= 1


def test_the_cartoon_detector_leaves_portraits_alone() -> None:
    detector = load_detector("animeface")
    found = sum(len(detector(portraits.draw(0, index).pixels)) for index in range(0, 40, 4))
    assert found <= 1


def test_aligned_eyes_lie_near_their_places(cartoons: Measured, people: Measured) -> None:
    for measured in (cartoons, people):
        assert np.quantile(measured.errors["eyes from their places / side"], 0.95) <= 0.03
        assert max(measured.errors["the same, findable faces"]) <= 0.045


@pytest.mark.parametrize("style", ["cartoons", "people"])
def test_skin_and_hair_are_near_the_truth(style: str, request: pytest.FixtureRequest) -> None:
    errors = request.getfixturevalue(style).errors
    for part in ("skin", "hair"):
        assert np.median(errors[f"{part} ΔE00"]) <= 5, part


@pytest.mark.parametrize("style", ["cartoons", "people"])
def test_eyes_are_near_the_truth(style: str, request: pytest.FixtureRequest) -> None:
    errors = request.getfixturevalue(style).errors
    for part in ("left_eye", "right_eye"):
        assert np.median(errors[f"{part} ΔE00"]) <= 8, part


def test_colors_that_are_trusted_less_are_further_off(people: Measured) -> None:
    for part, pairs in people.trust.items():
        errors = [error for _, error in sorted(pairs)]
        half = len(errors) // 2
        assert np.median(errors[:half]) > np.median(errors[half:]), part
