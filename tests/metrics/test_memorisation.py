"""Suspected copies: a copier is caught, honest images are not, and what duplicates in the splits do."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics.memorisation import memorisation, worst_copies
from pipeline.metrics.nearest import Nearest, nearest, nearest_features


def drawn(seed: int, count: int, size: int = 12) -> np.ndarray:
    """Return features of real images, all of one distribution."""
    return np.random.default_rng(seed).normal(size=(count, size))


def at(*closeness: float) -> Nearest:
    """Return neighbours of these closenesses, each output's its own training image."""
    values = np.array(closeness)
    return Nearest(np.arange(len(values)), values, values)


def test_a_copier_is_caught() -> None:
    training, held_out = drawn(0, 400), drawn(1, 60)
    copies = training[:100] + 0.05 * drawn(2, 100)
    found = memorisation(nearest_features(copies, training), nearest_features(held_out, training))
    assert found.suspected.mean() == 1
    assert found.outputs.indices.tolist() == list(range(100))
    assert found.share.value == 1
    assert found.held_out_share.value == 0


def test_a_copier_is_caught_in_pixels() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (80, 6, 6, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    training, held_out = images[:60], images[60:]
    noisy = np.clip(training[:30] + random.normal(0, 12, (30, 48, 48, 3)), 0, 255).astype(np.uint8)
    found = memorisation(nearest(noisy, training), nearest(held_out, training))
    assert found.suspected.all()
    assert found.held_out_share.value == 0


def test_of_honest_images_1_percent_are_suspected() -> None:
    rates = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        scales = random.lognormal(0, 0.8, 64)
        training, held_out, honest = (
            random.standard_t(4, (count, 64)) * scales for count in (300, 199, 1000)
        )
        near = [nearest_features(features, training) for features in (honest, held_out)]
        rates.append(memorisation(*near).share.value)
    assert 0.003 < np.mean(rates) < 0.025


def test_with_few_held_out_images_the_threshold_is_half_their_upper_quartile() -> None:
    found = memorisation(at(0.1, 0.44, 0.46, 0.9), at(0.6, 0.7, 0.8, 0.9, 1.0))
    assert found.threshold == 0.45
    assert found.suspected.tolist() == [True, True, False, False]
    assert found.as_dict()["value"] == 0.5
    assert found.as_dict()["held_out"]["value"] == 0


def test_with_many_it_is_their_hundredth_part() -> None:
    held_out = at(*np.linspace(0.8, 1, 200))
    found = memorisation(at(0.79, 0.9), held_out)
    assert found.threshold == pytest.approx(held_out.closeness[1])
    assert found.suspected.tolist() == [True, False]


def test_duplicates_among_the_held_out_images_are_told_and_do_not_blind_the_check() -> None:
    training, honest = drawn(0, 300), drawn(1, 80)
    held_out = np.concatenate([training[:160], honest])
    found = memorisation(nearest_features(training[100:150], training), nearest_features(held_out, training))
    assert found.suspected.all()
    assert found.held_out_share.value == pytest.approx(2 / 3)


def test_a_soft_average_is_near_to_all_and_no_copy() -> None:
    training, held_out = 50 + drawn(0, 300), 50 + drawn(1, 60)
    average = training.mean(axis=0) + 0.1 * drawn(2, 20)
    found = memorisation(nearest_features(average, training), nearest_features(held_out, training))
    assert np.median(found.outputs.distances) < np.median(found.held_out.distances)
    assert not found.suspected.any()


def test_one_output_has_a_wide_interval() -> None:
    found = memorisation(at(0.0), at(*np.linspace(0.8, 1, 9)))
    assert found.share.value == 1
    assert found.share.low < 0.5


@pytest.mark.parametrize(
    ("outputs", "held_out", "message"),
    [
        (at(), at(*[1.0] * 9), "no outputs"),
        (at(0.5), at(1.0, 1.0), "at least 5 held-out images, got 2"),
        (at(0.5), at(*[0.0] * 8, 1.0), "three quarters of the held-out images"),
    ],
)
def test_what_cannot_be_judged_is_a_clear_error(outputs: Nearest, held_out: Nearest, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        memorisation(outputs, held_out)


def test_the_worst_are_those_of_which_features_and_pixels_agree() -> None:
    features = Nearest(np.array([4, 5, 6, 7]), np.zeros(4), np.array([0.1, 0.5, 0.2, 0.9]))
    pixels = Nearest(np.array([4, 8, 9, 7]), np.zeros(4), np.array([0.1, 0.7, 0.2, 0.6]))
    worst = worst_copies([features, pixels], count=3)
    assert [(copy.output, copy.training, copy.rank) for copy in worst] == [(0, 4, 0), (2, 6, 1), (1, 5, 2)]


def test_each_training_image_is_shown_once() -> None:
    same = Nearest(np.array([3, 3, 2, 3]), np.zeros(4), np.array([0.2, 0.1, 0.3, 0.4]))
    assert [(copy.output, copy.training) for copy in worst_copies([same])] == [(1, 3), (2, 2)]
