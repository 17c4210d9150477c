"""Strengths out of votes: the closed form of two, an optimum found by another way, and votes that bound nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from pipeline.report.bradley_terry import ADDED, Vote, groups, is_bounded, strengths, tally


def votes_of(*of: tuple[int, int, float], rater: str = "ann") -> list[Vote]:
    """Return votes on as many faces: first item, second item, what the first won."""
    return [Vote(rater, f"face-{face}", *each) for face, each in enumerate(of)]


def won(
    wins: int, losses: int, ties: int = 0, first: int = 0, second: int = 1
) -> list[tuple[int, int, float]]:
    return [(first, second, 1.0)] * wins + [(first, second, 0.0)] * losses + [(first, second, 0.5)] * ties


@pytest.mark.parametrize(("wins", "losses", "ties"), [(7, 3, 0), (3, 7, 0), (5, 5, 0), (6, 2, 4), (1, 99, 0)])
def test_the_chance_of_one_of_two_is_its_share_of_votes(wins: int, losses: int, ties: int) -> None:
    [group] = groups(votes_of(*won(wins, losses, ties)), items=2, seed=0)
    share = (wins + ties / 2) / (wins + losses + ties)
    assert group.chances[0].value == pytest.approx(share, abs=1e-9)
    assert group.strengths[0] - group.strengths[1] == pytest.approx(np.log(share / (1 - share)), abs=1e-9)
    assert group.chances[0].low <= share <= group.chances[0].high
    assert group.bounded


def by_brute_force(wins: np.ndarray) -> np.ndarray:
    """Return the strengths that a general minimiser finds, without derivatives of ours, in the papers' form."""

    def unlikelihood(log_p: np.ndarray) -> float:
        p = np.exp(np.append(log_p, 0))
        return -sum(
            wins[i, j] * np.log(p[i] / (p[i] + p[j])) for i in range(len(p)) for j in range(len(p)) if i != j
        )

    found = minimize(
        unlikelihood,
        np.zeros(len(wins) - 1),
        method="Nelder-Mead",
        options={
            "xatol": 1e-10,
            "fatol": 1e-13,
            "maxiter": 20_000,
            "maxfev": 20_000,
            "adaptive": True,
        },
    )
    theta = np.append(found.x, 0)
    return theta - theta.mean()


@pytest.mark.parametrize("seed", range(4))
def test_strengths_are_the_optimum_that_brute_force_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    wins = random.integers(1, 30, (4, 4)) * random.integers(0, 2, (4, 4)) + random.random((4, 4))
    np.fill_diagonal(wins, 0)
    np.testing.assert_allclose(strengths(wins), by_brute_force(wins), atol=1e-5)


def test_many_tallies_are_solved_at_once() -> None:
    wins = np.random.default_rng(0).uniform(0.1, 20, (5, 6, 6)) * (1 - np.eye(6))
    np.testing.assert_allclose(strengths(wins), [strengths(each) for each in wins], atol=1e-9)


def test_a_chain_of_very_one_sided_votes_is_solved() -> None:
    wins = np.zeros((6, 6))
    for item in range(5):
        wins[item, item + 1], wins[item + 1, item] = 1000, 1
    np.testing.assert_allclose(-np.diff(strengths(wins)), np.log(1000), rtol=1e-9)


def width(votes: list[Vote]) -> float:
    [group] = groups(votes, items=2, seed=0)
    return group.chances[0].high - group.chances[0].low


def test_intervals_narrow_with_more_faces() -> None:
    assert width(votes_of(*won(70, 30))) < 0.6 * width(votes_of(*won(14, 6)))


def test_raters_who_agree_say_no_more_of_other_faces() -> None:
    alike = [vote for rater in "abcdefgh" for vote in votes_of(*won(7, 3), rater=rater)]
    assert width(alike) >= width(votes_of(*won(7, 3)))


def test_the_same_votes_give_the_same_intervals() -> None:
    votes = votes_of(*won(5, 2), *won(3, 3, first=1, second=2))
    assert [group.chances for group in groups(votes, 3, seed=1)] == [
        group.chances for group in groups(votes, 3, seed=1)
    ]


def test_an_item_that_won_all_votes_gets_a_bound_and_the_table_can_say_so() -> None:
    [group] = groups(votes_of(*won(9, 0)), items=2, seed=0)
    assert not group.bounded
    assert group.chances[0].value == pytest.approx((9 + ADDED) / (9 + 2 * ADDED))
    assert np.isfinite(group.strengths).all()
    with pytest.raises(ValueError, match="no bound"):
        strengths(np.array([[0.0, 9.0], [0.0, 0.0]]))


def test_two_parts_of_which_one_always_won_are_not_bounded() -> None:
    wins = np.array([[0, 3, 5, 5], [2, 0, 4, 4], [0, 0, 0, 1], [0, 0, 2, 0]], float)
    assert not is_bounded(wins)
    wins[3, 0] = 1
    assert is_bounded(wins)


def test_items_that_nobody_compared_are_in_groups_apart() -> None:
    votes = votes_of(
        *won(3, 1, first=0, second=3), *won(2, 2, first=1, second=2), *won(1, 2, first=2, second=5)
    )
    assert [group.items for group in groups(votes, items=7, seed=0)] == [(1, 2, 5), (0, 3)]


def test_no_votes_are_no_groups() -> None:
    assert groups([], items=3, seed=0) == []


def test_a_tie_is_half_a_vote_for_each() -> None:
    votes = votes_of((0, 1, 0.5), (0, 1, 1.0))
    np.testing.assert_allclose(tally(votes, np.ones(2), 2), [[0, 1.5], [0.5, 0]])
    np.testing.assert_allclose(tally(votes, np.array([[2.0, 0.0]]), 2), [[[0, 1], [1, 0]]])
