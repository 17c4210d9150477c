"""Precision, recall, density and coverage against torch-fidelity, plain loops, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_fidelity.metric_prc import calculate_precision_recall_full

from pipeline.metrics import manifold
from pipeline.metrics.manifold import density_coverage, precision_recall
from pipeline.metrics.measurable import NotMeasurable


def normal(seed: int, count: int, length: int = 8, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (count, length))


def slow(outputs: np.ndarray, real: np.ndarray, k: int) -> tuple[float, float, float, float]:
    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5

    def reach(points: np.ndarray) -> list[float]:
        return [sorted(apart(a, b) for b in points)[k] for a in points]

    real_reach, output_reach = reach(real), reach(outputs)
    balls = [sum(apart(a, b) <= r for b, r in zip(real, real_reach, strict=True)) for a in outputs]
    precision = sum(count > 0 for count in balls) / len(outputs)
    recalled = [any(apart(b, a) <= r for a, r in zip(outputs, output_reach, strict=True)) for b in real]
    covered = [any(apart(a, b) <= r for a in outputs) for b, r in zip(real, real_reach, strict=True)]
    return precision, sum(recalled) / len(real), sum(balls) / k / len(outputs), sum(covered) / len(real)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equals_plain_loops(k: int) -> None:
    outputs, real = normal(0, 40, 3, mean=0.7), normal(1, 50, 3)
    shares, counted = precision_recall(outputs, real, k), density_coverage(outputs, real, 0, k)
    ours = (shares.precision.value, shares.recall.value, counted.density.value, counted.coverage.value)
    assert ours == pytest.approx(slow(outputs, real, k), rel=1e-12)


@pytest.mark.parametrize("rows", [7, 1024])
def test_equals_torch_fidelity_however_it_is_cut_into_chunks(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifold, "_ROWS", rows)
    outputs, real = normal(0, 150, mean=0.8), normal(1, 120)
    theirs = calculate_precision_recall_full(torch.from_numpy(outputs), torch.from_numpy(real), 3)
    ours = precision_recall(outputs, real, k=3)
    assert (ours.precision.value, ours.recall.value) == pytest.approx(theirs, rel=1e-6)
    assert 0 < ours.recall.value < 1


def test_by_hand_on_a_line() -> None:
    # With k = 1 the real balls are [-1, 1], [0, 2] and [1, 3]; -0.5 is in one, 1.5 in two, 9 in none.
    real, outputs = np.array([[0.0], [1.0], [2.0]]), np.array([[-0.5], [1.5], [9.0]])
    counted = density_coverage(outputs, real, seed=0, k=1)
    assert counted.density.value == pytest.approx((1 + 2 + 0) / 3)
    assert counted.coverage.value == 1
    assert precision_recall(outputs, real, k=1).precision.value == pytest.approx(2 / 3)


@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_identical_sets_lie_in_each_other_even_far_from_the_origin(mean: float) -> None:
    images = normal(0, 60, mean=mean).astype(np.float32)
    shares, counted = precision_recall(images, images[::-1]), density_coverage(images, images[::-1], 0)
    assert shares.precision.value == shares.recall.value == counted.coverage.value == 1
    # Every ball holds its centre and the k nearest, the k-th on its surface.
    assert counted.density.value == pytest.approx((5 + 1) / 5)


def test_constant_features_lie_in_each_other_and_others_do_not() -> None:
    same, other = np.full((9, 4), 1 / 3), np.full((9, 4), 0.4)
    assert precision_recall(same, same).precision.value == 1
    assert density_coverage(same, same, 0).density.value == pytest.approx(9 / 5)
    assert precision_recall(same, other).precision.value == 0
    assert density_coverage(same, other, 0).coverage.value == 0


def test_intervals_hold_the_numbers_and_are_the_same_for_the_same_seed() -> None:
    outputs, real = normal(0, 80, mean=0.8), normal(1, 90)
    for estimate in (*precision_recall(outputs, real), *density_coverage(outputs, real, seed=1)):
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.low < estimate.high
    assert density_coverage(outputs, real, seed=1) == density_coverage(outputs, real, seed=1)


def test_a_single_output_has_a_density() -> None:
    counted = density_coverage(np.zeros((1, 4)), normal(0, 30, 4), seed=0)
    assert counted.density.low == counted.density.value == counted.density.high


@pytest.mark.parametrize(
    ("outputs", "real", "error", "said"),
    [
        (np.ones((1, 4)), np.ones((9, 4)), NotMeasurable, "1 outputs and 9 real images: the 3 nearest"),
        (np.ones((9, 4)), np.ones((3, 4)), NotMeasurable, "9 outputs and 3 real images"),
        (np.ones((0, 4)), np.ones((9, 4)), NotMeasurable, "0 outputs"),
        (np.ones((9, 4)), np.ones((9, 3)), ValueError, "M×D and N×D"),
        (np.ones(9), np.ones((9, 3)), ValueError, "M×D and N×D"),
        (np.full((9, 4), np.nan), np.ones((9, 4)), ValueError, "finite"),
    ],
)
def test_what_has_no_manifold_is_a_clear_error(outputs, real, error, said: str) -> None:
    with pytest.raises(error, match=said):
        precision_recall(outputs, real)


def test_no_neighbour_is_an_error() -> None:
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        density_coverage(normal(0, 9), normal(1, 9), seed=0, k=0)
