"""What people found better, side by side and without names: a table of strengths for each way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.report.bradley_terry import ADDED, Group, Vote, groups
from pipeline.report.comparison import overlap, titled
from pipeline.report.figures import listed, rounded
from pipeline.report.votes import CHOICES, Rating, read_ratings

_SEED = 0


def gather() -> list[dict[str, Any]]:
    """Return the content of the tables: one for each way that was rated. Raises `UserError` for a bad ratings.csv."""
    ratings = read_ratings()
    return [_of_way(way, [each for each in ratings if each.way == way]) for way in _ways(ratings)]


def _ways(ratings: Sequence[Rating]) -> list[str]:
    return list(dict.fromkeys(rating.way for rating in ratings))


def _of_way(way: str, ratings: Sequence[Rating]) -> dict[str, Any]:
    names = sorted({name for rating in ratings for name in (rating.left, rating.right)})
    place = {name: number for number, name in enumerate(names)}
    votes = [
        Vote(each.rater, each.face_id, place[each.left], place[each.right], CHOICES[each.choice])
        for each in ratings
    ]
    found = groups(votes, len(names), _SEED)
    return {
        "title": titled(way),
        "votes": len(votes),
        "raters": len({vote.rater for vote in votes}),
        "faces": len({vote.face for vote in votes}),
        "groups": [_group(group, names, votes) for group in found],
        "apart": len(found) > 1,
    }


def _group(group: Group, names: Sequence[str], votes: Sequence[Vote]) -> dict[str, Any]:
    best_first = sorted(range(len(group.items)), key=lambda number: (-group.strengths[number], number))
    of = {names[item]: chance for item, chance in zip(group.items, group.chances, strict=True)}
    best = names[group.items[best_first[0]]]
    others = [name for name in of if name != best]
    worse = [name for name in others if not overlap(of[name], of[best])]
    return {
        "rows": [_row(names[group.items[number]], number, group, votes) for number in best_first],
        "sentence": f"{best} is better than {listed(worse)} (intervals do not overlap)"
        if worse
        else "no difference can be told: the intervals overlap",
        "same": listed([name for name in others if name not in worse]) if worse else "",
        "added": None if group.bounded else f"{ADDED:g}",
    }


def _row(name: str, number: int, group: Group, votes: Sequence[Vote]) -> dict[str, Any]:
    item = group.items[number]
    own = [
        vote.won if vote.first == item else 1 - vote.won
        for vote in votes
        if item in (vote.first, vote.second)
    ]
    chance, interval = rounded(group.chances[number])
    return {
        "experiment": name,
        "chance": chance,
        "interval": interval,
        "strength": f"{group.strengths[number]:+.2f}",
        "won": own.count(1.0),
        "tied": own.count(0.5),
        "lost": own.count(0.0),
    }
