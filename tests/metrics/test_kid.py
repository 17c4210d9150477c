"""KID against a double loop, in expectation, and on inputs that have no answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.metrics.kid import kid, kid_interval


def normal(seed: int, count: int, length: int = 16, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (count, length))


def slow_kid(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(z: np.ndarray) -> float:
        return float(np.mean([kernel(a, b) for a, b in itertools.permutations(z, 2)]))

    return within(x) + within(y) - 2 * float(np.mean([kernel(a, b) for a in x for b in y]))


def test_equals_the_double_loop_over_pairs() -> None:
    x, y = normal(0, 9), normal(1, 7, mean=0.3)
    assert kid(x, y) == pytest.approx(slow_kid(x, y), rel=1e-12)


def test_one_dimensional_case_by_hand() -> None:
    # k(0, 1) = 1, k(2, 3) = 7³, k(0, ·) = 1, k(1, 2) = 3³, k(1, 3) = 4³
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    assert kid(x, y) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_does_not_care_which_set_comes_first_nor_in_what_order() -> None:
    x, y = normal(0, 30), normal(1, 20, mean=0.5)
    assert kid(x, y) == pytest.approx(kid(y, x[::-1]))


def test_is_unbiased_for_equal_distributions() -> None:
    values = [kid(normal(seed, 20), normal(1000 + seed, 20)) for seed in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


def test_zero_lies_in_the_interval_of_equal_distributions_and_below_that_of_others() -> None:
    x, y, far = normal(0, 150), normal(1, 150), normal(2, 150, mean=0.5)
    low, high = kid_interval(x, y, seed=0)
    assert low < 0 < high
    assert abs(kid(x, y)) < 0.05
    assert kid_interval(x, far, seed=0).low > high


def test_the_interval_holds_the_true_value_about_as_often_as_it_says() -> None:
    # With one mean apart in every dimension, the true value is that of very large samples.
    truth = kid(normal(7, 4000), normal(8, 4000, mean=0.6))
    held = 0
    for seed in range(60):
        low, high = kid_interval(normal(2 * seed, 80), normal(2 * seed + 1, 80, mean=0.6), seed)
        held += low <= truth <= high
    assert held >= 50


def test_the_interval_is_the_same_for_the_same_seed_only() -> None:
    x, y = normal(0, 20), normal(1, 20)
    assert kid_interval(x, y, seed=3) == kid_interval(x, y, seed=3)
    assert kid_interval(x, y, seed=3) != kid_interval(x, y, seed=4)


def test_two_samples_and_constant_features_have_a_value() -> None:
    assert np.isfinite(kid_interval(normal(0, 2), normal(1, 2), seed=0)).all()
    assert kid(np.ones((3, 4)), np.ones((2, 4))) == 0
    assert kid_interval(np.ones((3, 4)), np.ones((2, 4)), seed=0) == pytest.approx((0, 0), abs=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.ones((1, 4)), np.ones((5, 4)), "at least 2 samples"),
        (np.ones((5, 4)), np.ones((0, 4)), "at least 2 samples"),
        (np.ones(4), np.ones((5, 4)), "at least 2 samples"),
        (np.ones((5, 4)), np.ones((5, 3)), "one length"),
        (np.full((5, 4), np.nan), np.ones((5, 4)), "finite"),
    ],
)
def test_what_has_no_kid_is_a_clear_error(x: np.ndarray, y: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kid(x, y)
    with pytest.raises(ValueError, match=said):
        kid_interval(x, y, seed=0)
