"""FID against three libraries, in closed form, and on sets that have none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from cleanfid.fid import fid_from_feats
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from pipeline.metrics import fid as module
from pipeline.metrics.fid import Statistics, fid, fid_of, from_covariance, statistics
from pipeline.metrics.measurable import NotMeasurable


def normal(seed: int, count: int, length: int = 64, mean: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, scale, (count, length))


def by_torch_fidelity(x: np.ndarray, y: np.ndarray) -> float:
    of_sets = [fid_features_to_statistics(torch.from_numpy(each)) for each in (x, y)]
    return fid_statistics_to_metric(*of_sets, verbose=False)[KEY_METRIC_FID]


@pytest.mark.parametrize("other", [by_torch_fidelity, fid_from_feats])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_libraries_on_the_same_features(other, dtype) -> None:
    x, y = normal(0, 400).astype(dtype), normal(1, 450, mean=0.4, scale=1.3).astype(dtype)
    assert fid(x, y) == pytest.approx(other(x, y), rel=1e-6)


def test_equals_torch_fidelity_where_there_are_fewer_images_than_features() -> None:
    x, y = normal(0, 40), normal(1, 30, mean=0.4)
    assert fid(x, y) == pytest.approx(by_torch_fidelity(x, y), rel=1e-6)


def test_independent_features_in_closed_form() -> None:
    # One dimension: (m1 - m2)² + (s1 - s2)² with the sample deviations.
    x, y = np.array([[0.0], [2.0]]), np.array([[5.0], [9.0]])
    assert fid(x, y) == pytest.approx((7 - 1) ** 2 + (8**0.5 - 2**0.5) ** 2, rel=1e-12)


def test_two_images_in_many_dimensions_are_exact() -> None:
    # S = v vᵀ / 2 each, so tr (S1 S2)^½ = |v1 · v2| / 2: rational where the features are.
    random = np.random.default_rng(0)
    x, y = random.integers(-9, 10, (2, 2, 300))
    v, w = x[0] - x[1], y[0] - y[1]
    apart = sum(Fraction(int(a), 2) ** 2 for a in x.sum(axis=0) - y.sum(axis=0))
    exact = apart + Fraction(int(v @ v + w @ w), 2) - abs(int(v @ w))
    assert fid(x, y) == pytest.approx(float(exact), rel=1e-13)


@pytest.mark.parametrize(("count", "others"), [(30, 90), (90, 30), (90, 100), (10, 12), (16, 17)])
def test_roots_and_covariances_say_the_same(count: int, others: int) -> None:
    x, y = normal(0, count, 16), normal(1, others, 16, mean=0.5)
    published = [from_covariance(each.mean(axis=0), np.cov(each, rowvar=False)) for each in (x, y)]
    assert fid_of(*published) == pytest.approx(fid(x, y), rel=1e-6)
    assert fid_of(statistics(x), published[1]) == pytest.approx(fid(x, y), rel=1e-6)


@pytest.mark.parametrize("count", [5, 16, 17, 50, 200])
def test_statistics_are_mean_and_sample_covariance_however_many_images(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROWS", 20)
    x = normal(0, count, 16, mean=3)
    found = statistics(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=1e-9, atol=1e-12)
    assert len(found.root) <= max(20, 16)


def test_does_not_care_which_set_comes_first_nor_in_what_order() -> None:
    x, y = normal(0, 30), normal(1, 90, mean=0.5)
    assert fid(x, y) == pytest.approx(fid(y, x[::-1]), rel=1e-12)


@pytest.mark.parametrize("count", [2, 30, 300])
def test_a_set_has_no_distance_from_itself(count: int) -> None:
    x = normal(0, count, mean=5)
    assert 0 <= fid(x, x) < 1e-9


def test_constant_features_are_as_far_apart_as_their_means() -> None:
    assert fid(np.ones((5, 4)), np.full((3, 4), 3.0)) == 16
    assert fid(np.ones((5, 4)), np.ones((3, 4))) == 0


def test_rounding_below_zero_in_a_published_covariance_counts_as_zero() -> None:
    tilted = np.array([[1.0, 0.0], [0.0, -1e-12]])
    assert fid_of(from_covariance(np.zeros(2), tilted), from_covariance(np.zeros(2), tilted)) < 1e-9


@pytest.mark.parametrize(
    ("x", "y", "error", "said"),
    [
        (np.ones((1, 4)), np.ones((5, 4)), NotMeasurable, "at least 2 images"),
        (np.ones((5, 4)), np.ones((0, 4)), NotMeasurable, "at least 2 images"),
        (np.ones(4), np.ones((5, 4)), ValueError, "N×D"),
        (np.ones((5, 4)), np.ones((5, 3)), ValueError, "one length, not 4 and 3"),
        (np.full((5, 4), np.nan), np.ones((5, 4)), ValueError, "finite"),
        (np.full((5, 4), np.inf), np.ones((5, 4)), ValueError, "finite"),
    ],
)
def test_what_has_no_fid_is_a_clear_error(x, y, error, said: str) -> None:
    with pytest.raises(error, match=said):
        fid(x, y)


@pytest.mark.parametrize(
    ("mean", "covariance", "said"),
    [
        (np.zeros(2), np.eye(3), "D×D"),
        (np.zeros((2, 2)), np.eye(2), "D×D"),
        (np.zeros(2), np.full((2, 2), np.nan), "finite"),
    ],
)
def test_what_are_no_statistics_is_a_clear_error(mean, covariance, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_covariance(mean, covariance)


def test_statistics_are_what_is_kept_of_a_set() -> None:
    x, y = normal(0, 50, 16), normal(1, 40, 16)
    kept = Statistics(*(np.array(each) for each in (statistics(x).mean, statistics(x).root)))
    assert fid_of(kept, statistics(y)) == fid(x, y)
