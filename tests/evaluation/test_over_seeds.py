"""How much numbers vary from seed to seed."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.evaluation.seeds import interval, over_seeds


def metrics(kid: float, psnr: float, error: float | None) -> dict[str, Any]:
    return {
        "outputs": 22,
        "kid_dlib_resnet128": {"value": kid, "low": 0.0, "high": 1.0},
        "landmark_consistency": {"value": error, "found": 3, "of": 22},
        "psnr_after_way_back": psnr,
    }


def test_the_interval_is_that_of_the_t_distribution() -> None:
    # Mean 2, deviation 1, and t(0.975, 2) = 4.302653: 2 ± 4.302653 / √3.
    assert interval([1, 2, 3]) == {"mean": 2.0, "low": -0.484138, "high": 4.484138, "n": 3}
    # t(0.975, 1) = 12.706205, deviation √2 / 10: 0.5 ± 1.2706205.
    assert interval([0.4, 0.6]) == {"mean": 0.5, "low": -0.77062, "high": 1.77062, "n": 2}


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        interval([1.0])


def test_the_headlines_of_all_seeds_are_gathered() -> None:
    found = over_seeds([metrics(0.1, 15, 0.2), metrics(0.1, 16, 0.3), metrics(0.1, 17, None)])
    assert list(found) == ["kid_dlib_resnet128", "landmark_consistency", "psnr_after_way_back"]
    assert found["kid_dlib_resnet128"] == {"mean": 0.1, "low": 0.1, "high": 0.1, "n": 3}
    assert found["psnr_after_way_back"]["mean"] == 16
    assert found["landmark_consistency"]["n"] == 2, "in the third seed no face was found"


def test_a_number_that_one_seed_alone_has_is_left_out() -> None:
    found = over_seeds([metrics(0.1, 15, 0.2), metrics(0.2, 16, None)])
    assert "landmark_consistency" not in found
