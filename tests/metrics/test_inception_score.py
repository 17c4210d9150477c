"""The Inception Score against torch-fidelity, in closed form, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

from pipeline.metrics.inception_score import inception_score
from pipeline.metrics.measurable import NotMeasurable


@pytest.mark.parametrize(("count", "splits"), [(100, 10), (97, 10), (10, 10), (23, 4), (5, 1)])
def test_equals_torch_fidelity(count: int, splits: int) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (count, 50)).astype(np.float32)
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits)
    ours = inception_score(logits, splits)
    assert ours.value == pytest.approx(theirs[KEY_METRIC_ISC_MEAN], rel=1e-9)
    assert ours.deviation == pytest.approx(theirs[KEY_METRIC_ISC_STD], rel=1e-6, abs=1e-12)


def test_sure_and_even_answers_score_the_number_of_classes() -> None:
    assert inception_score(np.eye(8) * 1000, splits=1).value == pytest.approx(8)


def test_the_same_answer_for_every_image_scores_1() -> None:
    score = inception_score(np.tile([1.0, 2.0, 3.0], (20, 1)))
    assert score.value == pytest.approx(1)
    assert score.deviation == pytest.approx(0, abs=1e-12)


def test_a_class_that_is_never_seen_does_not_matter() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 5))
    with_another = np.column_stack([logits, np.full(20, -1e5)])
    assert inception_score(with_another).value == pytest.approx(inception_score(logits).value, rel=1e-12)


@pytest.mark.parametrize(
    ("logits", "error", "said"),
    [
        (np.ones((9, 4)), NotMeasurable, "each of 10 splits, not 9"),
        (np.ones((0, 4)), NotMeasurable, "not 0"),
        (np.ones(40), ValueError, "N×C"),
        (np.full((20, 4), np.nan), ValueError, "finite"),
    ],
)
def test_what_has_no_score_is_a_clear_error(logits, error, said: str) -> None:
    with pytest.raises(error, match=said):
        inception_score(logits)
