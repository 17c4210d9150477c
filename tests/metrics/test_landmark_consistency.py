"""Landmarks found on small aligned faces, against those that they were drawn with."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.faces.detection import Search
from pipeline.metrics.landmark_consistency import find_landmarks, landmark_errors, summarize
from tests.metrics.aligned_faces import Aligned, aligned_faces

DOMAINS = {
    "cartoon": (Search("cartoon", ("animeface",)), "dlib-68"),
    "portrait": (Search("real", ("blazeface",)), "dlib-68"),
}


@pytest.fixture(scope="module")
def cartoons() -> Aligned:
    return aligned_faces("cartoon", 30)


@pytest.fixture(scope="module")
def people() -> Aligned:
    return aligned_faces("portrait", 30)


@pytest.mark.parametrize(("style", "fixture"), [("cartoon", "cartoons"), ("portrait", "people")])
def test_faces_of_64_px_are_found_where_they_were_drawn(
    style: str, fixture: str, request: pytest.FixtureRequest
) -> None:
    shown: Aligned = request.getfixturevalue(fixture)
    summary = summarize(landmark_errors(shown.crops, shown.landmarks, *DOMAINS[style]))
    assert summary["of"] == 30
    assert summary["found"] >= 28
    assert summary["median_error"] is not None
    assert summary["median_error"] < 0.15


def test_landmarks_asked_elsewhere_are_as_far_off_as_they_were_moved(people: Aligned) -> None:
    crops, search, model = people.crops[:4], *DOMAINS["portrait"]
    found = np.array([find_landmarks(crop, search, model) for crop in crops])
    assert landmark_errors(crops, found, search, model) == pytest.approx([0] * 4, abs=1e-12)
    eyes = np.linalg.norm(found[:, 42:48].mean(axis=1) - found[:, 36:42].mean(axis=1), axis=1)
    moved = found + np.array([3.0, 4.0])
    assert landmark_errors(crops, moved, search, model) == pytest.approx(5 / eyes)


def test_a_larger_crop_has_the_same_landmarks_at_its_own_size(people: Aligned) -> None:
    crop = people.crops[0]
    points = find_landmarks(crop, *DOMAINS["portrait"])
    doubled = find_landmarks(crop.repeat(2, axis=0).repeat(2, axis=1), *DOMAINS["portrait"])
    assert points is not None
    assert doubled is not None
    assert np.linalg.norm(doubled / 2 - points, axis=1).mean() < 1


def test_faces_not_found_are_counted(cartoons: Aligned) -> None:
    crops = np.concatenate([np.full((2, 64, 64, 3), 128, np.uint8), cartoons.crops[:1]])
    errors = landmark_errors(crops, cartoons.landmarks[:3], *DOMAINS["cartoon"])
    assert errors[:2] == [None, None]
    assert summarize(errors) == {"found": 1, "of": 3, "median_error": errors[2]}


def test_the_median_is_of_the_found_and_missing_if_there_are_none() -> None:
    assert summarize([0.1, None, 0.3, 0.8]) == {"found": 3, "of": 4, "median_error": 0.3}
    assert summarize([None]) == {"found": 0, "of": 1, "median_error": None}
    assert summarize([]) == {"found": 0, "of": 0, "median_error": None}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (np.zeros((1, 5, 2)), "1×68×2"),
        (np.zeros((2, 68, 2)), "1×68×2"),
        (np.zeros((1, 68, 2)), "two eyes"),
        (np.full((1, 68, 2), np.nan), "finite"),
    ],
)
def test_landmarks_that_cannot_be_asked_for_are_a_clear_error(asked: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        landmark_errors(np.zeros((1, 64, 64, 3), np.uint8), asked, *DOMAINS["portrait"])
