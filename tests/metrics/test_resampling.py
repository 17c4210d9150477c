"""Intervals over groups that are drawn whole."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics.resampling import intervals_over_groups


def test_the_interval_of_a_mean_is_that_of_the_groups_means() -> None:
    values = np.random.default_rng(0).normal(size=400)
    [interval] = intervals_over_groups(400, lambda drawn: [float(drawn @ values / 400)], 0, 2000)
    reach = 1.96 * values.std() / 20
    assert interval == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.01)


def test_every_group_is_drawn_once_on_average_and_as_many_as_there_are() -> None:
    counts: list[np.ndarray] = []
    intervals_over_groups(5, lambda drawn: counts.append(drawn) or [0.0], 0, 300)
    assert {int(drawn.sum()) for drawn in counts} == {5}
    assert np.mean(counts, axis=0) == pytest.approx(np.ones(5), abs=0.2)


def test_resamples_without_a_value_are_left_out_of_that_number_alone() -> None:
    def first_group_and_all(drawn: np.ndarray) -> list[float]:
        return [1.0 if drawn[0] else np.nan, float(drawn[0])]

    known, drawn = intervals_over_groups(3, first_group_and_all, 0, 300)
    assert known == (1, 1)
    assert drawn.low == 0


def test_nothing_to_draw_and_nothing_known_are_clear_errors() -> None:
    with pytest.raises(ValueError, match="at least 1 group"):
        intervals_over_groups(0, lambda _: [0.0], 0, 10)
    with pytest.raises(ValueError, match="no value in any resample"):
        intervals_over_groups(2, lambda _: [np.nan], 0, 10)
