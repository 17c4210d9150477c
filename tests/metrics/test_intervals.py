"""Estimates with their intervals."""

import numpy as np
import pytest
from scipy import stats

from pipeline.metrics.intervals import Estimate, mean_estimate, median_estimate, share_estimate


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    found = mean_estimate(values, seed=0)
    reach = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - reach, values.mean() + reach), abs=reach / 8
    )


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random(30)
    assert mean_estimate(values, seed=3) == mean_estimate(values, seed=3)
    assert mean_estimate(values, seed=3) != mean_estimate(values, seed=4)


def test_a_median_lies_between_the_values_around_it() -> None:
    found = median_estimate(list(range(101)), seed=0)
    assert found.value == 50
    assert 35 < found.low < 50 < found.high < 65


def test_a_single_value_is_its_own_interval() -> None:
    assert mean_estimate([3.5], seed=0) == (3.5, 3.5, 3.5)


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [np.inf], [[1.0], [2.0]]])
def test_what_cannot_be_averaged_is_refused(values: list) -> None:
    with pytest.raises(ValueError, match="at least 1 value"):
        mean_estimate(values, seed=0)


@pytest.mark.parametrize(("hits", "of"), [(0, 10), (3, 10), (10, 10)])
def test_a_share_has_wilsons_interval(hits: int, of: int) -> None:
    """The ends are where the share would be just 1.96 of its own deviations away."""
    found = share_estimate(hits, of)
    z = stats.norm.ppf(0.975)
    for end in {found.low, found.high} - {0.0, 1.0}:
        assert abs(end - hits / of) == pytest.approx(z * np.sqrt(end * (1 - end) / of))
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(("hits", "of"), [(1, 0), (-1, 3), (4, 3)])
def test_an_impossible_share_is_refused(hits: int, of: int) -> None:
    with pytest.raises(ValueError, match="a share needs"):
        share_estimate(hits, of)


def test_files_hold_rounded_numbers() -> None:
    assert Estimate(1 / 3, 0.1, 2 / 3).as_dict(3) == {"value": 0.333, "low": 0.1, "high": 0.667}
