"""Where pictures of a face differ: regions on rendered faces, and numbers against known changes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.faces.mean_face import MEAN_FACE
from pipeline.metrics.face_regions import REGIONS, region_map
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.regional_change import (
    MAP_PX,
    changes,
    profile_distances,
    ratio_estimate,
    regional,
    regional_ratio,
)

SIDE = 96
# The mean face as alignment puts it: the eyes 0.3 of the side apart, at 0.45 of its height.
POINTS = MEAN_FACE * 0.3 * SIDE + np.array([0.5, 0.45]) * SIDE


def region_at(x: float, y: float, regions: np.ndarray) -> str:
    """Return the region at a point of the mean face, in distances between the eyes from the middle between them."""
    column, row = (np.array([x, y]) * 0.3 * SIDE + np.array([0.5, 0.45]) * SIDE).astype(int)
    return REGIONS[regions[row, column]]


def places(name: str) -> np.ndarray:
    """Return the mask of a region of the mean face."""
    return region_map(SIDE, POINTS) == REGIONS.index(name)


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (count, SIDE, SIDE, 3)).astype(np.uint8)


def lighter(pictures: np.ndarray, region: str, by: int) -> np.ndarray:
    """Return pictures whose region is lighter by so much in every channel."""
    changed = pictures.copy()
    changed[:, places(region)] += np.uint8(by)
    return changed


@pytest.mark.parametrize(
    ("x", "y", "region"),
    [
        *((-0.5, 0.0, "eyes"), (0.5, -0.18, "eyes"), (0.6, -0.34, "brows"), (0.0, 0.4, "nose")),
        *((0.0, 1.1, "mouth"), (0.0, 1.6, "jaw"), (-0.95, 1.2, "jaw"), (0.0, 1.8, "jaw")),
        *((-0.6, 0.6, "cheeks"), (0.0, -0.95, "hair"), (0.0, -0.6, "rest"), (1.6, 0.0, "rest")),
    ],
)
def test_each_part_of_the_mean_face_is_found(x: float, y: float, region: str) -> None:
    assert region_at(x, y, region_map(SIDE, POINTS)) == region


def test_regions_turn_and_grow_with_the_face() -> None:
    regions = region_map(SIDE, POINTS)
    upside_down = region_map(SIDE, SIDE - POINTS)
    assert (upside_down == regions[::-1, ::-1]).mean() > 0.95
    large = region_map(4 * SIDE, 4 * POINTS)
    small = cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    assert (small == regions).mean() > 0.95


def test_a_face_half_outside_the_crop_has_the_regions_that_are_in_it() -> None:
    regions = region_map(SIDE, POINTS + np.array([0, 0.45 * SIDE]))
    assert {"eyes", "hair"} <= {REGIONS[place] for place in np.unique(regions)}
    assert not (regions == REGIONS.index("mouth")).any()


def test_only_the_region_that_changed_has_a_change() -> None:
    before = faces(3)
    found = changes(before, lighter(before, "nose", 30), [POINTS] * 3)
    nose = REGIONS.index("nose")
    assert found.pixels[:, nose] == pytest.approx(30)
    assert np.delete(found.pixels, nose, axis=1) == pytest.approx(0)
    assert (found.delta_e[:, nose] > 1).all()
    assert np.delete(found.delta_e, nose, axis=1) == pytest.approx(0)
    assert found.mean_map is not None
    assert found.mean_map == pytest.approx(np.where(places("nose"), 30, 0))


def test_delta_e_is_ciede2000() -> None:
    before, after = faces(2)[:1], faces(2)[1:]
    expected = deltaE_ciede2000(rgb2lab(before[0]), rgb2lab(after[0]))
    found = changes(before, after, [POINTS]).delta_e[0]
    for place in range(len(REGIONS)):
        mask = region_map(SIDE, POINTS) == place
        assert found[place] == pytest.approx(expected[mask].mean(), abs=0.2)


def test_faces_without_landmarks_and_regions_outside_the_crop_are_unknown() -> None:
    before = faces(3)
    found = changes(before, before, [None, POINTS, POINTS + np.array([0, 0.62 * SIDE])])
    assert np.isnan(found.pixels[0]).all()
    assert np.isfinite(found.pixels[1]).all()
    assert np.isnan(found.pixels[2, REGIONS.index("mouth")])
    assert changes(before, before, [None] * 3).mean_map is None


def test_the_map_is_small_whatever_the_pictures_are() -> None:
    large = np.zeros((1, 4 * MAP_PX, 4 * MAP_PX, 3), np.uint8)
    found = changes(large, large + np.uint8(9), [POINTS * 4 * MAP_PX / SIDE])
    assert found.mean_map is not None
    assert found.mean_map.shape == (MAP_PX, MAP_PX)
    assert found.mean_map == pytest.approx(9)


@pytest.mark.parametrize(
    ("points", "message"),
    [([POINTS], "2 pictures, but landmarks of 1"), ([POINTS, np.full((68, 2), np.nan)], "finite")],
)
def test_landmarks_that_do_not_fit_are_refused(points: list[np.ndarray | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changes(faces(2), faces(2), points)


def test_each_region_has_its_mean_and_its_interval_over_the_faces() -> None:
    table = np.full((40, len(REGIONS)), np.nan)
    table[:, 0] = np.linspace(10, 30, 40)
    table[:20, 2] = 7
    found = regional(table, seed=0)
    assert list(found) == ["eyes", "nose"]
    assert found["eyes"].value == pytest.approx(20)
    assert 16 < found["eyes"].low < 20 < found["eyes"].high < 24
    assert found["nose"] == (7, 7, 7)


def test_a_region_is_compared_with_what_should_have_changed_in_it() -> None:
    made, truth = np.zeros((4, len(REGIONS))), np.zeros((4, len(REGIONS)))
    made[:, 2], truth[:, 2] = 5, 20
    made[:, 3] = 9
    found = regional_ratio(made, truth, seed=0)
    assert list(found) == ["nose"], "the truth changes nothing else"
    assert found["nose"] == pytest.approx((0.25, 0.25, 0.25))


def test_a_ratio_to_nothing_is_none() -> None:
    with pytest.raises(NotMeasurable, match="nothing to compare with"):
        ratio_estimate(np.ones(3), np.zeros(3), seed=0)


def test_profiles_are_alike_however_much_changed_and_apart_where_something_else_did() -> None:
    eyes, nose = np.eye(len(REGIONS))[[0, 2]]
    made = np.array([3 * nose, eyes, eyes + nose, 0 * nose])
    found = profile_distances(made, np.array([9 * nose, nose, nose, nose]))
    assert found[:3] == pytest.approx([0, 1, 0.5])
    assert np.isnan(found[3]), "nothing changed"


def test_profiles_are_of_the_regions_that_both_have() -> None:
    made, truth = np.ones((1, len(REGIONS))), np.ones((1, len(REGIONS)))
    made[0, 0] = np.nan
    truth[0, 1] = np.nan
    assert profile_distances(made, truth) == pytest.approx([0])
    with pytest.raises(ValueError, match="one shape"):
        profile_distances(made, truth[:, 1:])
