"""Whether a recrawl is as usual: its shares and faces against the band of the source's own history.

A share lies in the band of a p'-chart: around the share of the whole history, three standard deviations of what a
recrawl of so many may give by chance, and of how much more than chance recrawls differ from one another (D. B. Laney,
Improved control charts for attributes, Quality Engineering 14(4), 2002). How much more is estimated by the method of
moments (R. DerSimonian, N. Laird, Meta-analysis in clinical trials, Controlled Clinical Trials 7(3), 1986).

Faces have drifted where the way from the history's distribution to theirs (Wasserstein) is long, measured in standard
deviations of the history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from pipeline.watch.history import WANTED_REFUSALS, Record, Spread

# Fewer say too little: of 20, chance alone moves a share of one half by a third.
ENOUGH = 20
# As on every control chart: beyond three, chance is rarely the cause.
DEVIATIONS = 3.0
# A share that moved by less is of no consequence, however regular the history was.
LEAST_SHARE = 0.1
# Faces must have moved by as much as they differed among themselves; another style of pictures moves sharpness, size
# or skin by several times that.
LEAST_DRIFT = 1.0
# Few faces move by chance: that of six quantities which moves most, where always five faces are of one person or page,
# by at most 1.7 of 20 faces, 1.1 of 50, 0.6 of 200 (99 of 100 recrawls, simulated; see the tests).
CHANCE_DRIFT = 8.0  # over the root of the number of faces
# Where recrawls differ much from one another, half as much again as three of four of them is allowed.
DRIFT_MARGIN = 1.5
# A source changes slowly, and an approved change is to become what is usual: older recrawls are not asked.
RECENT = 20
# What is measured, and the least standard deviation that a history is credited with: a set whose pictures are all of
# one size must not be found changed by the first that is a little larger. Sizes and sharpness are powers of two.
LEAST_DEVIATION = {
    "yaw": 5.0,
    "eye_distance": 0.25,
    "sharpness": 0.5,
    "exposure": 0.05,
    "skin_lightness": 5.0,
    "image_width": 0.25,
}


@dataclass(frozen=True)
class Outside:
    """A measure outside of its band, and what that may mean; a bound that is None does not count."""

    measure: str
    value: float
    low: float | None
    high: float | None
    message: str


@dataclass(frozen=True)
class Share:
    """So many `of` so many."""

    count: int
    of: int


@dataclass(frozen=True)
class Drift:
    """How far faces moved in that quantity in which they moved most, in standard deviations of the history."""

    quantity: str
    distance: float


ShareOf = Callable[[Record], Share | None]


def judge(source: str, now: Record, history: Sequence[Record]) -> list[Outside]:
    """Return what is not as usual in a recrawl; `history` is the source's, discarded recrawls included."""
    accepted = [record for record in history if record.accepted]
    judged = (
        _judge_met(source, now, accepted),
        _judge_rejected(source, now, accepted),
        _judge_faces(now, accepted),
        _judge_drift(now, accepted),
    )
    return [outside for outside in judged if outside]


def rejected_share(record: Record) -> Share | None:
    """Return how much of what was new and wanted could not be had; None where that is unknown."""
    return None if record.refused is None else Share(record.refused, record.refused + record.images)


def faces_share(record: Record) -> Share:
    """Return how many of the new images show a face that could be aligned."""
    return Share(record.aligned, record.images)


def band(history: Sequence[Share], of: int) -> tuple[float, float] | None:
    """Return between which shares one of so many should lie; None where either says too little."""
    shares = [share for share in history if share.of][-RECENT:]
    total = sum(share.of for share in shares)
    if of < ENOUGH or total < ENOUGH:
        return None
    pooled = sum(share.count for share in shares) / total
    # One more of each kind: that nothing ever failed does not prove that nothing will.
    careful = (pooled * total + 1) / (total + 2)
    chance = careful * (1 - careful)
    variance = chance / of + chance / total + _between(shares, pooled)
    reach = max(LEAST_SHARE, DEVIATIONS * variance**0.5)
    return max(pooled - reach, 0.0), min(pooled + reach, 1.0)


def drift(now: Record, others: Sequence[Record]) -> Drift | None:
    """Return how far a recrawl's faces lie from those of others; None where either has too few."""
    found = []
    for name in LEAST_DEVIATION.keys() & now.spreads.keys():
        before = [other.spreads[name] for other in others if name in other.spreads]
        if (distance := _distance(now.spreads[name], before, name)) is not None:
            found.append(Drift(name, distance))
    return max(found, key=lambda each: (each.distance, each.quantity), default=None)


def recent_faces(history: Sequence[Record]) -> list[Record]:
    """Return the accepted recrawls whose faces new ones are compared with."""
    return [record for record in history if record.accepted and record.faces][-RECENT:]


def drift_limit(faces: int, history: Sequence[Record]) -> float:
    """Return how far so many faces may lie from the history's: as far as its recrawls lie from one another."""
    distances = [
        found.distance
        for place, record in enumerate(history)
        if (found := drift(record, [*history[:place], *history[place + 1 :]]))
    ]
    usual = float(np.quantile(distances, 0.75)) if distances else 0.0
    return max(LEAST_DRIFT, CHANCE_DRIFT / faces**0.5, DRIFT_MARGIN * usual)


def _judge_met(source: str, now: Record, accepted: Sequence[Record]) -> Outside | None:
    counts = [record.met for record in accepted if record.met is not None][-RECENT:]
    if now.met != 0 or not counts or min(counts) == 0:
        return None
    before = f"the last {len(counts)} recrawls met" if len(counts) > 1 else "the recrawl before met"
    usual = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{counts[0]}"
    return Outside(
        "met",
        0,
        min(counts),
        None,
        f"no item was met where {before} {usual}: the site may have changed its pages or its answers; "
        f"`python -m pipeline source check {source}` shows what is found there now",
    )


def _judge_rejected(source: str, now: Record, accepted: Sequence[Record]) -> Outside | None:
    lately, before = _lately(now, accepted, rejected_share)
    refused, usual = _share_of(lately, rejected_share), _band_of(before, lately, rejected_share)
    if not usual or refused.count / refused.of <= usual[1]:
        return None
    reasons: Counter[str] = Counter()
    for record in lately:
        reasons.update(record.rejected.get("crawl", {}))
    named = ", ".join(f"{why} {count}" for why, count in reasons.most_common() if why not in WANTED_REFUSALS)
    return Outside(
        "rejected",
        round(refused.count / refused.of, 4),
        None,
        round(usual[1], 4),
        f"{refused.count} of {refused.of} new items{_since(lately)} could not be had ({named}), as a rule at most "
        f"{usual[1]:.0%}: the site may be failing, keep crawlers out, or have changed its addresses; "
        f"`python -m pipeline source check {source}` tries a few again",
    )


def _judge_faces(now: Record, accepted: Sequence[Record]) -> Outside | None:
    lately, before = _lately(now, accepted, faces_share)
    aligned, usual = _share_of(lately, faces_share), _band_of(before, lately, faces_share)
    if not usual or usual[0] <= aligned.count / aligned.of <= usual[1]:
        return None
    fewer = aligned.count / aligned.of < usual[0]
    meaning = (
        "adverts, logos or placeholders may have taken the pictures' places, or the pictures show something else"
        if fewer
        else "the source may show another kind of pictures"
    )
    return Outside(
        "faces",
        round(aligned.count / aligned.of, 4),
        round(usual[0], 4),
        round(usual[1], 4),
        f"{aligned.count} of {aligned.of} new images{_since(lately)} show a face that could be aligned, as a rule "
        f"{usual[0]:.0%} to {usual[1]:.0%}: {meaning}; look at the contact sheet",
    )


def _judge_drift(now: Record, accepted: Sequence[Record]) -> Outside | None:
    compared = recent_faces(accepted)
    moved = drift(now, compared)
    if not moved or moved.distance <= (limit := drift_limit(now.faces, compared)):
        return None
    return Outside(
        "drift",
        round(moved.distance, 3),
        None,
        round(limit, 3),
        f"the new faces differ in {moved.quantity.replace('_', ' ')} from those before by {moved.distance:.1f} "
        f"standard deviations, at most {limit:.1f} are usual: the source may show other pictures, or in another size "
        "or quality; look at the contact sheet",
    )


def _lately(now: Record, accepted: Sequence[Record], share: ShareOf) -> tuple[list[Record], list[Record]]:
    """Return the recrawl with those right before it that say too little by themselves, and all before these.

    A source that brings a few images a day is judged by those of some days. An operator's approval ends them: what was
    looked at is not to be asked about again.
    """
    lately, before = [now], list(accepted)
    if not _share_of(lately, share).of:
        return lately, before
    while before and _share_of(lately, share).of < ENOUGH:
        last = before[-1]
        if last.verdict != "accepted" or _share_of([last], share).of >= ENOUGH:
            break
        lately.append(before.pop())
    return lately, before


def _share_of(records: Sequence[Record], share: ShareOf) -> Share:
    known = [found for record in records if (found := share(record))]
    return Share(sum(each.count for each in known), sum(each.of for each in known))


def _band_of(
    before: Sequence[Record], lately: Sequence[Record], share: ShareOf
) -> tuple[float, float] | None:
    known = [found for record in before if (found := share(record))]
    return band(known, _share_of(lately, share).of)


def _since(lately: Sequence[Record]) -> str:
    return f" of this recrawl and the {len(lately) - 1} before it" if len(lately) > 1 else ""


def _between(shares: Sequence[Share], pooled: float) -> float:
    """Return the variance of recrawls' shares beyond chance, at least 0; 0 where there is only one recrawl."""
    sizes = np.array([share.of for share in shares], float)
    if len(sizes) < 2:
        return 0.0
    found = np.array([share.count for share in shares]) / sizes
    scatter = float((sizes * (found - pooled) ** 2).sum())
    by_chance = (len(sizes) - 1) * pooled * (1 - pooled)
    return max(0.0, (scatter - by_chance) / float(sizes.sum() - (sizes**2).sum() / sizes.sum()))


def _distance(now: Spread, others: Sequence[Spread], name: str) -> float | None:
    if now.faces < ENOUGH or sum(other.faces for other in others) < ENOUGH:
        return None
    values = np.concatenate([other.quantiles for other in others])
    weights = np.repeat([float(other.faces) for other in others], [len(other.quantiles) for other in others])
    mean = np.average(values, weights=weights)
    deviation = max(float(np.sqrt(np.average((values - mean) ** 2, weights=weights))), LEAST_DEVIATION[name])
    return float(wasserstein_distance(now.quantiles, values, None, weights)) / deviation
