"""Colours seen on small aligned faces, against those that they were drawn with."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics.color_consistency import color_consistency, delta_e
from tests.metrics.aligned_faces import Aligned, aligned_faces


@pytest.fixture(scope="module")
def cartoons() -> Aligned:
    return aligned_faces("cartoon", 20)


def test_drawn_colors_are_seen_again_at_64_px(cartoons: Aligned) -> None:
    found = color_consistency(cartoons.crops, cartoons.colors, list(cartoons.landmarks), drawn=True, seed=0)
    assert [found[part]["of"] for part in ("skin", "hair", "eyes")] == [20, 20, 40]
    for part, limit in (("skin", 8), ("hair", 6), ("eyes", 10)):
        median = found[part]["value"]
        assert median is not None
        assert median < limit, part
        assert found[part]["compared"] >= 0.8 * found[part]["of"], part


def test_another_faces_colors_are_further_off(cartoons: Aligned) -> None:
    right = color_consistency(cartoons.crops, cartoons.colors, list(cartoons.landmarks), drawn=True, seed=0)
    moved = cartoons.colors[1:] + cartoons.colors[:1]
    wrong = color_consistency(cartoons.crops, moved, list(cartoons.landmarks), drawn=True, seed=0)
    for part in right:
        assert (wrong[part]["value"] or 0) > (right[part]["value"] or 0)


def test_a_face_of_one_color_is_compared_with_that_color(cartoons: Aligned) -> None:
    crops = np.full((1, 64, 64, 3), (228, 190, 160), np.uint8)
    found = color_consistency(crops, [{"skin": (228, 190, 160)}], [cartoons.landmarks[0]], drawn=True, seed=0)
    assert found["skin"]["value"] == pytest.approx(0, abs=0.5)
    assert (found["skin"]["compared"], found["skin"]["of"]) == (1, 1)


def test_what_was_not_asked_or_not_seen_is_counted_as_such(cartoons: Aligned) -> None:
    asked = [{"skin": (228, 190, 160), "hair": None, "left_eye": (0, 0, 255)}, cartoons.colors[1]]
    found = color_consistency(cartoons.crops[:2], asked, [None, None], drawn=True, seed=0)
    nothing = {"value": None, "low": None, "high": None, "compared": 0}
    assert found == {"skin": nothing | {"of": 2}, "hair": nothing | {"of": 1}, "eyes": nothing | {"of": 3}}


def test_the_interval_holds_the_median_and_is_the_same_for_the_same_seed_only(cartoons: Aligned) -> None:
    def eyes(seed: int) -> dict:
        landmarks = list(cartoons.landmarks)
        return color_consistency(cartoons.crops, cartoons.colors, landmarks, drawn=True, seed=seed)["eyes"]

    assert eyes(0)["low"] < eyes(0)["value"] < eyes(0)["high"]
    assert eyes(0) == eyes(0)
    assert eyes(0) != eyes(1)


def test_one_face_has_no_wider_interval_than_its_own_number(cartoons: Aligned) -> None:
    one = color_consistency(
        cartoons.crops[:1], cartoons.colors[:1], list(cartoons.landmarks[:1]), drawn=True, seed=0
    )
    assert one["skin"]["low"] == one["skin"]["value"] == one["skin"]["high"]


def test_delta_e_of_equal_colors_is_0_and_of_black_and_white_100() -> None:
    assert delta_e((12, 34, 56), (12, 34, 56)) == 0
    assert delta_e((0, 0, 0), (255, 255, 255)) == pytest.approx(100, abs=0.01)


def test_delta_e_of_greys_is_their_weighted_difference_in_lightness() -> None:
    """For greys CIEDE2000 is |L1 - L2| / S_L, with S_L = 1 + 0.015 (L - 50)² / √(20 + (L - 50)²) at their mean."""
    lightness = [116 * np.cbrt(((grey / 255 + 0.055) / 1.055) ** 2.4) - 16 for grey in (90, 200)]
    off = np.mean(lightness) - 50
    weight = 1 + 0.015 * off**2 / np.sqrt(20 + off**2)
    expected = (lightness[1] - lightness[0]) / weight
    assert delta_e((90,) * 3, (200,) * 3) == pytest.approx(expected, rel=1e-3)


def test_landmarks_or_lengths_that_do_not_fit_are_a_clear_error(cartoons: Aligned) -> None:
    crops, colors = cartoons.crops[:1], cartoons.colors[:1]
    with pytest.raises(ValueError, match="finite"):
        color_consistency(crops, colors, [np.full((68, 2), np.nan)], drawn=True, seed=0)
    with pytest.raises(ValueError, match="68×2"):
        color_consistency(crops, colors, [np.zeros((5, 2))], drawn=True, seed=0)
    with pytest.raises(ValueError, match="0 asked colours"):
        color_consistency(crops, [], [None], drawn=True, seed=0)
    with pytest.raises(ValueError, match="uint8"):
        color_consistency(crops.astype(float), colors, [None], drawn=True, seed=0)
