"""Average precision, thresholds and accuracy of tags, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.metrics.tags import (
    accuracy,
    average_precision,
    average_precisions,
    best_threshold,
    decisions,
)


def drawn(seed: int, faces: int = 60, tags: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return scores with ties, and truth values that they say something of."""
    random = np.random.default_rng(seed)
    right = random.random((faces, tags)) < np.linspace(0.1, 0.6, tags)
    return (random.random((faces, tags)) + 0.5 * right).round(1), right


def by_hand(scores: np.ndarray, right: np.ndarray) -> float:
    """Return the mean, over the faces that have the tag, of the precision among all with at least that score."""
    return float(np.mean([right[scores >= score].mean() for score in scores[right]]))


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_scikit_learns_and_the_definition(seed: int) -> None:
    scores, right = drawn(seed)
    ours = [average_precision(scores[:, tag], right[:, tag]) for tag in range(4)]
    theirs = average_precision_score(right, scores, average=None)
    assert ours == pytest.approx(theirs.tolist(), abs=1e-6)
    assert ours == pytest.approx([by_hand(scores[:, tag], right[:, tag]) for tag in range(4)])


def test_the_best_and_the_worst_order() -> None:
    right = np.array([True, True, False, False])
    assert average_precision(np.array([4, 3, 2, 1.0]), right) == 1
    assert average_precision(np.array([1, 2, 3, 4.0]), right) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert average_precision(np.zeros(4), right) == 0.5, "without an opinion it is the share of faces"


@pytest.mark.parametrize("right", [[False, False], [True, True], []])
def test_a_tag_of_none_or_all_has_no_average_precision(right: list[bool]) -> None:
    assert np.isnan(average_precision(np.arange(float(len(right))), np.array(right, bool)))


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        average_precision(np.array([0.1, np.nan]), np.array([True, False]))


def test_the_mean_is_over_the_tags_that_can_be_measured() -> None:
    scores, right = drawn(0)
    right[:, 1] = False
    asked = np.ones_like(right)
    found = average_precisions(scores, right, asked, seed=0)
    each = [average_precision(scores[:, tag], right[:, tag]) for tag in (0, 2, 3)]
    assert found.of_tag[1] is None
    assert found.mean is not None
    assert found.mean.value == pytest.approx(np.mean(each))
    assert [estimate.value for estimate in found.of_tag if estimate] == pytest.approx(each)
    for estimate in (found.mean, *found.of_tag):
        assert estimate is None or 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert average_precisions(scores, right, asked, seed=0) == found


def test_faces_of_which_a_tag_is_not_asked_do_not_count() -> None:
    scores, right = drawn(1)
    asked = np.ones_like(right)
    asked[30:, 0] = False
    of_tag = average_precisions(scores, right, asked, seed=0).of_tag
    assert of_tag[0] is not None
    assert of_tag[0].value == pytest.approx(average_precision(scores[:30, 0], right[:30, 0]))
    assert average_precisions(scores, right, np.zeros_like(right), seed=0).mean is None


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of 40 samples of one population at least 34 (P > 99% for intervals of 95%)."""
    scores, right = drawn(7, faces=20_000, tags=3)
    truth = np.mean([average_precision(scores[:, tag], right[:, tag]) for tag in range(3)])
    held = 0
    for sample in range(40):
        own = slice(sample * 150, (sample + 1) * 150)
        mean = average_precisions(scores[own], right[own], np.ones((150, 3), bool), seed=sample).mean
        assert mean is not None
        held += mean.low <= truth <= mean.high
    assert held >= 34


def test_accuracy_is_over_all_decisions_that_are_asked() -> None:
    decided = np.array([[1, 0], [1, 1], [0, 0]], bool)
    right = np.array([[1, 1], [1, 1], [1, 0]], bool)
    asked = np.array([[1, 1], [1, 1], [0, 1]], bool)
    found = accuracy(decided, right, asked, seed=0)
    assert found.value == pytest.approx(4 / 5)
    assert found.low < found.value <= found.high
    with pytest.raises(ValueError, match="at least one decision"):
        accuracy(decided, right, np.zeros_like(asked), seed=0)


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_has_a_better_f1_than_the_best(seed: int) -> None:
    scores, right = drawn(seed, tags=1)
    threshold = best_threshold(scores[:, 0], right[:, 0])
    assert threshold is not None
    best = decisions(scores[:, 0] >= threshold, right[:, 0]).f1
    assert best == max(decisions(scores[:, 0] >= value, right[:, 0]).f1 for value in scores[:, 0])


def test_a_threshold_lies_between_two_scores_and_needs_enough_faces() -> None:
    scores, right = np.array([0.9, 0.7, 0.2, 0.1]), np.array([True, True, False, False])
    assert best_threshold(scores, right) == pytest.approx(0.45)
    assert best_threshold(scores, np.array([True] * 3 + [False]), least=2) is None
    assert best_threshold(scores, np.zeros(4, bool)) is None
    assert best_threshold(np.full(4, 0.3), right) == pytest.approx(0.3), "all alike, all are given the tag"


def test_decisions_of_nothing_are_0() -> None:
    assert decisions(np.zeros(3), np.ones(3)) == (0, 0, 0)
    assert decisions(np.array([1, 1, 0]), np.array([1, 0, 1])) == (0.5, 0.5, 0.5)
