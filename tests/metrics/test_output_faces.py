"""What is found on small aligned faces: how many, and where they were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.faces.detection import Search
from pipeline.metrics.landmark_consistency import landmark_consistency
from pipeline.metrics.output_faces import look, look_at
from pipeline.metrics.single_face import one_face
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
def test_faces_of_64_px_are_found_once_and_where_they_were_drawn(
    style: str, fixture: str, request: pytest.FixtureRequest
) -> None:
    shown: Aligned = request.getfixturevalue(fixture)
    seen = look(shown.crops, *DOMAINS[style])
    alone = one_face([each.faces for each in seen])
    assert alone["of"] == 30
    assert alone["value"] >= 28 / 30
    median = landmark_consistency([each.points_68 for each in seen], list(shown.landmarks), seed=0)
    assert median["of"] == 30
    assert median["found"] >= 28
    assert median["value"] < 0.15


def test_a_larger_crop_has_the_same_landmarks_at_its_own_size(people: Aligned) -> None:
    crop = people.crops[0]
    points = look_at(crop, *DOMAINS["portrait"]).points_68
    doubled = look_at(crop.repeat(2, axis=0).repeat(2, axis=1), *DOMAINS["portrait"]).points_68
    assert points is not None
    assert doubled is not None
    assert np.linalg.norm(doubled / 2 - points, axis=1).mean() < 1


@pytest.mark.parametrize("style", DOMAINS)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_nothing_is_found_on_a_constant_image(style: str, value: int) -> None:
    assert look_at(np.full((64, 64, 3), value, np.uint8), *DOMAINS[style]) == (0, None)


def test_two_faces_side_by_side_are_two(people: Aligned) -> None:
    both = np.concatenate(people.crops[:2], axis=1)
    assert look_at(both, *DOMAINS["portrait"]).faces == 2


def test_without_a_model_faces_are_counted_and_not_marked(people: Aligned) -> None:
    search, _ = DOMAINS["portrait"]
    assert look(people.crops[:1], search, "none") == [(1, None)]


def test_what_are_no_images_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="uint8"):
        look(np.zeros((1, 64, 64, 3)), *DOMAINS["portrait"])
