"""Strengths out of votes between two (Bradley and Terry 1952): chances to win, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse, special
from scipy.sparse.csgraph import connected_components

from pipeline.metrics.intervals import LEVEL, Estimate

# So many votes each way are added to every pair that was compared, where a strength would have no bound otherwise.
ADDED = 0.5
_RESAMPLES = 1000
_ITERATIONS = 200
_LONGEST_STEP = 1.0
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Vote:
    """One rater's choice between two items for one face: `won` is 1 for the first, 0 for the second, 0.5 for a tie."""

    rater: str
    face: str
    first: int
    second: int
    won: float


@dataclass(frozen=True)
class Group:
    """Items that comparisons connect, of which alone it can be said who is stronger.

    `chances`: how likely each wins against another one of the group that is drawn by chance. `bounded`: whether the
    votes alone bound every strength; where one item, or several, won against all others, `ADDED` votes did.
    """

    items: tuple[int, ...]
    strengths: np.ndarray
    chances: tuple[Estimate, ...]
    bounded: bool


def groups(votes: list[Vote], items: int, seed: int) -> list[Group]:
    """Return the strengths of `items` items, in groups that votes connect, the largest first.

    Strengths are logarithms of odds with a mean of 0. The intervals are the bootstrap's over raters and over faces at
    once; a single rater, or a single face, is taken as it is. An item without votes is in no group.
    """
    wins = tally(votes, np.ones(len(votes)), items)
    played = wins + wins.T > 0
    _, labels = connected_components(sparse.csr_matrix(played), directed=False)
    found = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)] if votes else []
    weights = _resampled(votes, seed)
    every = [_group(each, wins, played, votes, weights) for each in found if len(each) > 1]
    return sorted(every, key=lambda group: (-len(group.items), group.items))


def tally(votes: list[Vote], weights: np.ndarray, items: int) -> np.ndarray:
    """Return how often each item won against each other, items×items, with so much weight for each vote; ties are half.

    `weights` may be ...×votes; the result is then ...×items×items.
    """
    wins = np.zeros((*weights.shape[:-1], items, items))
    for place, vote in enumerate(votes):
        wins[..., vote.first, vote.second] += vote.won * weights[..., place]
        wins[..., vote.second, vote.first] += (1 - vote.won) * weights[..., place]
    return wins


def strengths(wins: np.ndarray) -> np.ndarray:
    """Return the most likely log-strengths, mean 0, of n items out of n×n wins, by Newton's method.

    Every item must have won and lost, directly or by others, against every other: see `is_bounded`. Wins may be
    ...×n×n. Raises `ValueError` where the likelihood has no maximum that is found.
    """
    count = wins.shape[-1]
    theta = np.zeros(wins.shape[:-1])
    games, won = wins + np.swapaxes(wins, -1, -2), wins.sum(axis=-1)
    for _ in range(_ITERATIONS):
        chance = special.expit(theta[..., :, None] - theta[..., None, :])
        slope = won - (games * chance).sum(axis=-1)
        curved = games * chance * (1 - chance)
        # Adding 1 everywhere fixes the mean, which the likelihood does not know.
        hessian = np.eye(count) * curved.sum(axis=-1)[..., None] - curved + 1.0
        try:
            step = np.linalg.solve(hessian, slope[..., None])[..., 0]
        except np.linalg.LinAlgError:
            break
        longest = np.abs(step).max(axis=-1, keepdims=True)
        theta = theta + step * np.minimum(1, _LONGEST_STEP / np.maximum(longest, _TOLERANCE))
        if longest.max() < _TOLERANCE:
            return theta - theta.mean(axis=-1, keepdims=True)
    raise ValueError("the strengths have no bound: some items won against all others")


def is_bounded(wins: np.ndarray) -> bool:
    """Say whether n×n wins bound all strengths: no part of the items won all its votes against the rest (Ford 1957)."""
    parts, _ = connected_components(sparse.csr_matrix(wins > 0), directed=True, connection="strong")
    return bool(parts == 1)


def _group(
    items: np.ndarray, wins: np.ndarray, played: np.ndarray, votes: list[Vote], weights: np.ndarray
) -> Group:
    inside = np.ix_(items, items)
    place = {int(item): number for number, item in enumerate(items)}
    own = [number for number, vote in enumerate(votes) if vote.first in place]
    mine = [
        Vote(vote.rater, vote.face, place[vote.first], place[vote.second], vote.won)
        for vote in (votes[number] for number in own)
    ]
    drawn = np.concatenate([wins[inside][None], tally(mine, weights[:, own], len(items))])
    bounded = np.array([is_bounded(each) for each in drawn])
    drawn = drawn + ADDED * played[inside] * ~bounded[:, None, None]
    theta = strengths(drawn)
    chances = _chances(theta)
    low, high = np.quantile(chances[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    estimates = tuple(Estimate(*map(float, each)) for each in zip(chances[0], low, high, strict=True))
    return Group(tuple(map(int, items)), theta[0], estimates, bool(bounded[0]))


def _chances(theta: np.ndarray) -> np.ndarray:
    """Return of ...×n strengths how likely each wins against another of them, drawn by chance."""
    chance = special.expit(theta[..., :, None] - theta[..., None, :])
    return (chance.sum(axis=-1) - 0.5) / (theta.shape[-1] - 1)


def _resampled(votes: list[Vote], seed: int) -> np.ndarray:
    """Return the weight of each vote in resamples, resamples×votes: raters and faces drawn anew, independently."""
    random = np.random.default_rng(seed)
    weights = np.ones((_RESAMPLES, len(votes)))
    for names in ([vote.rater for vote in votes], [vote.face for vote in votes]):
        known = sorted(set(names))
        if len(known) > 1:
            drawn = random.multinomial(len(known), np.full(len(known), 1 / len(known)), _RESAMPLES)
            weights *= drawn[:, [known.index(name) for name in names]]
    return weights
