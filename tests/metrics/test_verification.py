"""Rank-1, ROC, TAR at a FAR and EER: by hand, in closed form, and where they do not exist."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.metrics.verification import (
    Pairs,
    equal_error_rate,
    pairs_among,
    pairs_between,
    pairs_of,
    rank_1,
    recognised,
    roc,
    tar_at,
    tar_name,
    verification,
)


def people(count: int, pictures: int, spread: float, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Return embeddings of people, `spread` around a direction of their own, and their names."""
    random = np.random.default_rng(seed)
    own = random.normal(size=(count, 1, 16))
    embeddings = own + spread * random.normal(size=(count, pictures, 16))
    return embeddings.reshape(-1, 16), [f"person {i}" for i in range(count) for _ in range(pictures)]


def scored(genuine: list[float], impostor: list[float]) -> Pairs:
    """Return pairs with these scores, each of people of its own."""
    first = 2 * np.arange(len(genuine) + len(impostor))
    second = first + (np.arange(len(first)) >= len(genuine))
    return pairs_of(np.array(genuine + impostor), first, second, 2 * len(first))


def test_rank_1_counts_who_is_alone_at_the_top() -> None:
    scores = np.array([[3.0, 1, 2], [0, 5, 1], [9, 1, 1], [4, 4, 0]])
    labels = np.array([0, 1, 2, 0])
    assert recognised(scores, labels).tolist() == [True, True, False, False]
    found = rank_1(scores, labels, None, seed=0)
    assert (found["value"], found["of"], found["people"]) == (0.5, 4, 3)
    assert found["low"] < 0.5 < found["high"]


def test_a_classifier_that_says_the_same_of_all_recognises_nobody() -> None:
    assert rank_1(np.ones((6, 3)), np.array([0, 0, 0, 1, 1, 2]), None, seed=0)["value"] == 0


def test_the_interval_is_as_wide_as_people_are_few_not_pictures() -> None:
    labels = np.arange(10).repeat(50)
    scores = np.eye(10)[labels]
    scores[:150] = np.eye(10)[9]  # every picture of three people is taken for the tenth
    of_people = rank_1(scores, labels, None, seed=0)
    of_pictures = rank_1(scores, labels, range(500), seed=0)
    assert of_people["value"] == of_pictures["value"] == 0.7
    assert of_people["high"] - of_people["low"] > 4 * (of_pictures["high"] - of_pictures["low"])


@pytest.mark.parametrize("right", [True, False])
def test_where_no_resample_differs_the_interval_is_wilsons_over_people(right: bool) -> None:
    labels = np.arange(18).repeat(5)
    scores = np.eye(18)[labels if right else (labels + 1) % 18]
    found = rank_1(scores, labels, None, seed=0)
    assert found["value"] == right
    z = 1.959964
    assert found["high"] - found["low"] == pytest.approx(z**2 / (18 + z**2), abs=1e-3)


@pytest.mark.parametrize(
    ("scores", "labels", "said"),
    [
        (np.ones((2, 3)), np.array([0, 3]), r"0\.\.2, got 0\.\.3"),
        (np.ones((2, 3)), np.array([0, -1]), r"0\.\.2"),
        (np.ones((2, 3)), np.array([0]), "2 whole numbers"),
        (np.ones((2, 3)), np.array([0.0, 1.0]), "whole numbers"),
        (np.full((2, 3), np.nan), np.array([0, 1]), "finite"),
        (np.ones((0, 3)), np.array([], int), "N >= 1"),
    ],
)
def test_what_cannot_be_recognised_is_a_clear_error(
    scores: np.ndarray, labels: np.ndarray, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        rank_1(scores, labels, None, seed=0)


def test_pairs_are_all_of_two_different_pictures_the_most_alike_first() -> None:
    embeddings, names = people(3, 2, 0.5)
    pairs = pairs_among(embeddings, names)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected = sorted(
        ((float(unit[i] @ unit[j]), names[i] == names[j]) for i, j in itertools.combinations(range(6), 2)),
        reverse=True,
    )
    assert pairs.scores == pytest.approx([score for score, _ in expected])
    assert pairs.genuine.tolist() == [genuine for _, genuine in expected]
    assert pairs.people == 3


def test_probes_meet_the_gallery_alone() -> None:
    embeddings, names = people(3, 2, 0.5)
    pairs = pairs_between(embeddings[::2], names[::2], embeddings[1::2], names[1::2])
    assert (len(pairs.scores), int(pairs.genuine.sum()), pairs.people) == (9, 3, 3)


def test_the_roc_by_hand() -> None:
    curve = roc(scored(genuine=[0.9, 0.8, 0.5, 0.4], impostor=[0.7, 0.5, 0.3, 0.2, 0.1]))
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert curve.tar.tolist() == [0, 0.25, 0.5, 0.5, 0.75, 1, 1, 1, 1]
    assert curve.far.tolist() == [0, 0, 0, 0.2, 0.4, 0.4, 0.6, 0.8, 1]
    assert [tar_at(curve, far) for far in (0.1, 0.2, 0.39, 0.4, 0.5)] == [0.5, 0.5, 0.5, 1, 1]
    # At 0.7 a share of 0.2 is let in and one of 0.5 kept out; at 0.5 of 0.4 and 0.25. The lines meet between.
    part = (0.5 - 0.2) / ((0.5 - 0.2) + (0.4 - 0.25))
    assert equal_error_rate(curve) == pytest.approx(0.2 + part * 0.2)


def test_normal_scores_have_the_rates_of_their_distributions() -> None:
    random, apart, many = np.random.default_rng(0), 2.0, 40_000
    curve = roc(scored(list(random.normal(apart, 1, many)), list(random.normal(0, 1, many))))
    assert equal_error_rate(curve) == pytest.approx(norm.cdf(-apart / 2), abs=0.005)
    for far in (0.1, 0.01):
        assert tar_at(curve, far) == pytest.approx(norm.sf(norm.isf(far) - apart), abs=0.01)


def test_people_apart_are_told_without_a_mistake_and_the_interval_says_how_few_they_were() -> None:
    embeddings, names = people(12, 4, 0.01)
    found = verification(pairs_among(embeddings, names), [0.1, 0.01], seed=0)
    assert found.metrics["pairs"] == {"genuine": 72, "impostor": 1056, "people": 12}
    assert found.metrics["tar_at_far_1e-2"]["value"] == found.metrics["tar_at_far_1e-2"]["high"] == 1
    assert 0.7 < found.metrics["tar_at_far_1e-2"]["low"] < 0.8
    assert found.metrics["eer"]["value"] == found.metrics["eer"]["low"] == 0
    assert 0.2 < found.metrics["eer"]["high"] < 0.3
    assert found.not_measured == {}


def test_equal_embeddings_accept_all_or_nothing() -> None:
    found = verification(pairs_among(np.ones((8, 4)), list("aabbccdd")), [0.1], seed=0).metrics
    assert found["tar_at_far_1e-1"]["value"] == 0
    assert found["eer"]["value"] == 0.5


def test_intervals_hold_the_value_and_repeat_for_the_same_seed() -> None:
    pairs = pairs_among(*people(15, 4, 1.0))
    found, again, other = (verification(pairs, [0.05], seed) for seed in (0, 0, 1))
    for name in ("tar_at_far_5e-2", "eer"):
        estimate = found.metrics[name]
        assert estimate["low"] < estimate["value"] < estimate["high"]
    assert found == again
    assert found != other


def test_the_interval_over_people_holds_the_true_rate_about_as_often_as_it_says() -> None:
    truth = verification(pairs_among(*people(250, 4, 1.0, seed=999)), [], seed=0).metrics["eer"]["value"]
    held = 0
    for seed in range(25):
        estimate = verification(pairs_among(*people(15, 4, 1.0, seed)), [], seed).metrics["eer"]
        held += estimate["low"] <= truth <= estimate["high"]
    assert held >= 20


def test_a_resample_counts_pairs_as_often_as_their_people_meet() -> None:
    embeddings, names = people(3, 2, 1.5)
    pairs = pairs_among(embeddings, names)
    drawn = np.array([2, 1, 0])
    curve = roc(pairs, drawn)
    # Each person's own pair counts 2, 1 and 0 times, the four pairs of the first two people twice, the others never.
    own = [2 if i == 0 else 1 if i == 1 else 0 for i in pairs.first[pairs.genuine]]
    assert np.diff(curve.tar)[pairs.genuine] == pytest.approx(np.array(own) / 3)
    met = {frozenset((0, 1)): 2}
    others = [met.get(frozenset(both), 0) for both in zip(pairs.first, pairs.second, strict=True)]
    assert np.diff(curve.far) == pytest.approx(np.array(others) / 8)


def test_a_resample_of_one_person_has_no_impostors() -> None:
    assert np.isnan(roc(pairs_among(*people(3, 2, 1.5)), np.array([3, 0, 0])).far).all()


def test_a_far_below_one_impostor_pair_is_not_measured() -> None:
    pairs = pairs_among(*people(5, 2, 0.5))
    found = verification(pairs, [0.1, 0.001, 1 / 40], seed=0)
    assert found.not_measured == {"tar_at_far_1e-3": "needs 1000 impostor pairs, there are 40"}
    assert list(found.metrics) == ["pairs", "tar_at_far_1e-1", "tar_at_far_2.5e-2", "eer"]


@pytest.mark.parametrize(("names", "said"), [(["a"] * 4, "are 6 and 0"), (list("abcd"), "are 0 and 6")])
def test_without_pairs_of_both_kinds_nothing_is_measured(names: list[str], said: str) -> None:
    found = verification(pairs_among(np.eye(4), names), [0.1], seed=0)
    assert found.metrics == {}
    assert list(found.not_measured) == ["tar_at_far_1e-1", "eer"]
    assert all(said in why for why in found.not_measured.values())


def test_one_picture_has_no_pairs() -> None:
    assert verification(pairs_among(np.ones((1, 4)), ["a"]), [0.1], seed=0).metrics == {}


def test_names_of_rates() -> None:
    assert [tar_name(far) for far in (0.1, 0.01, 0.001, 0.05, 0.015)] == [
        "tar_at_far_1e-1",
        "tar_at_far_1e-2",
        "tar_at_far_1e-3",
        "tar_at_far_5e-2",
        "tar_at_far_1.5e-2",
    ]


def test_embeddings_and_rates_that_cannot_be_are_a_clear_error() -> None:
    with pytest.raises(ValueError, match="2 pictures, but 3 people"):
        pairs_among(np.eye(2), ["a", "b", "c"])
    with pytest.raises(ValueError, match="finite"):
        pairs_among(np.full((2, 2), np.nan), ["a", "b"])
    with pytest.raises(ValueError, match="one length"):
        pairs_between(np.eye(2), ["a", "b"], np.eye(3), ["a", "b", "c"])
    for far in (0, 1, -0.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            verification(pairs_among(np.eye(2), ["a", "b"]), [far], seed=0)
