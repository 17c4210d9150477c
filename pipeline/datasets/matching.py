"""Two domains made alike in some attributes, and how unlike they were: pose and scale first of all.

Document 000 failed because its domains differed in pose and scale, document 001 names sex too. The training faces of
each domain are counted in joint bins of the attributes, and those of a bin in which a domain has more than its share
of what both have are drawn less often or left out. Validation and test faces stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from pipeline.datasets.splits import place_of
from pipeline.errors import UserError

MEASURED = {"yaw": "yaw_deg", "pitch": "pitch_deg", "roll": "roll_deg", "scale": "eye_distance_px"}
UNITS = {"yaw": "°", "pitch": "°", "roll": "°", "scale": "px between the eyes"}
# Joint bins are so wide that the smaller domain has about so many faces in each.
_FACES_IN_A_BIN = 5
_MOST_BINS = 20
_LEAST_OVERLAP = 0.1
_HISTOGRAM_BINS = 20


def has_attribute(faces: pd.DataFrame, name: str) -> pd.Series:
    """Return an attribute of each face as a number: a measure, NaN where unknown, or 1 for a tag that it has."""
    if name in MEASURED:
        return faces[MEASURED[name]].astype(float)
    return faces["tags"].map(lambda tags: float(tags is not None and name in tags)).astype(float)


def match(
    domains: Mapping[str, pd.DataFrame], names: Sequence[str], how: Literal["subsample", "reweight"]
) -> dict[str, np.ndarray]:
    """Return the weight of each of both domains' training faces; 0 for those that are to be left out.

    In each joint bin the target is the smaller of the two domains' shares, so both come out with one distribution.
    A face's chance to stay is target over own share. `reweight` makes that its weight, with a mean of 1 over the
    faces that stay; `subsample` keeps so many of a bin's faces, by a hash of their ids, with weight 1. Faces that
    lack an attribute are a bin of their own. Raises `UserError` where the domains have less than a tenth in common.
    """
    joint = _joint_bins(domains, names)
    shares = [np.bincount(own, minlength=joint.bins) / max(len(own), 1) for own in joint.of]
    target = np.minimum(*shares)
    if target.sum() < _LEAST_OVERLAP:
        counts = ", ".join(f"{name} {len(faces)}" for name, faces in domains.items())
        raise UserError(
            f"match: [{', '.join(names)}]: the domains ({counts} training faces) have {target.sum():.0%} in common, "
            f"at least {_LEAST_OVERLAP:.0%} is needed; match fewer attributes"
        )
    weights = {}
    for (domain, faces), own, share in zip(domains.items(), joint.of, shares, strict=True):
        chance = np.divide(target, share, out=np.zeros_like(target), where=share > 0)
        if how == "subsample":
            weights[domain] = _stay(faces["face_id"], own, chance)
        else:
            weights[domain] = chance[own] * np.count_nonzero(chance[own]) / chance[own].sum()
    return weights


def compare(
    before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame], names: Sequence[str]
) -> dict[str, Any]:
    """Return for each attribute how far apart two domains' training faces are before and after matching.

    `wasserstein` is the mean way between the distributions in the attribute's unit (None where a domain has no known
    value), each face with its `weight`; `histogram` the share of faces in bins that all four have in common.
    """
    return {name: _compared(before, after, name) for name in dict.fromkeys([*MEASURED, *names])}


def _compared(
    before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame], name: str
) -> dict[str, Any]:
    known = {
        when: {domain: _known(faces, name) for domain, faces in domains.items()}
        for when, domains in (("before", before), ("after", after))
    }
    values = np.concatenate([of[0] for of in known["before"].values()])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, _HISTOGRAM_BINS + 1)
    return {
        "unit": UNITS.get(name, "share"),
        "wasserstein": {when: _distance(*of.values()) for when, of in known.items()},
        "edges": [round(float(edge), 3) for edge in edges],
        "histogram": {
            when: {domain: _shares(edges, *own) for domain, own in of.items()} for when, of in known.items()
        },
    }


def _known(faces: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    values, weights = has_attribute(faces, name).to_numpy(), faces["weight"].to_numpy(float)
    there = np.isfinite(values)
    return values[there], weights[there]


def _distance(source: tuple[np.ndarray, np.ndarray], target: tuple[np.ndarray, np.ndarray]) -> float | None:
    if not (len(source[0]) and len(target[0])):
        return None
    return round(float(wasserstein_distance(source[0], target[0], source[1], target[1])), 4)


def _shares(edges: np.ndarray, values: np.ndarray, weights: np.ndarray) -> list[float]:
    counted = np.histogram(values, edges, weights=weights)[0]
    return (counted / max(counted.sum(), 1e-12)).round(4).tolist()


class _Bins:
    """The joint bin of each face: `of` one array per domain, with numbers below `bins`."""

    def __init__(self, codes: list[np.ndarray]) -> None:
        numbers, inverse = np.unique(np.concatenate(codes), return_inverse=True)
        self.bins = len(numbers)
        self.of = np.split(inverse, np.cumsum([len(own) for own in codes])[:-1])


def _joint_bins(domains: Mapping[str, pd.DataFrame], names: Sequence[str]) -> _Bins:
    measured = sum(name in MEASURED for name in names)
    fewest = min(len(faces) for faces in domains.values())
    bins = int(np.clip((fewest / _FACES_IN_A_BIN) ** (1 / max(measured, 1)), 2, _MOST_BINS))
    codes = [np.zeros(len(faces), np.int64) for faces in domains.values()]
    for name in names:
        values = [has_attribute(faces, name).to_numpy() for faces in domains.values()]
        if name not in MEASURED and not any(own.any() for own in values):
            raise UserError(
                f"match: {name!r} is a tag of no training face of {' or '.join(domains)}; "
                f"other attributes are {', '.join(MEASURED)}"
            )
        edges = _edges(values, bins) if name in MEASURED else np.array([0.5])
        # The last number is that of unknown values.
        numbers = [
            np.where(np.isfinite(own), np.searchsorted(edges, own, side="right"), bins) for own in values
        ]
        codes = [code * (bins + 1) + number for code, number in zip(codes, numbers, strict=True)]
    return _Bins(codes)


def _edges(values: Sequence[np.ndarray], bins: int) -> np.ndarray:
    """Return the inner quantiles of both domains' values, each domain counting half whatever its size."""
    known = [own[np.isfinite(own)] for own in values]
    pooled = np.concatenate(known)
    if not len(pooled):
        return pooled
    weights = np.concatenate([np.full(len(own), 1 / max(len(own), 1)) for own in known])
    order = np.argsort(pooled, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    inner = np.searchsorted(reached, np.arange(1, bins) / bins).clip(max=len(pooled) - 1)
    return np.unique(pooled[order][inner])


def _stay(face_ids: pd.Series, bins: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return 1 for the faces that stay: of each bin its chance's share, those first whose ids' hash is small."""
    frame = pd.DataFrame({"bin": bins, "place": [place_of(name) for name in face_ids]})
    rank = frame.groupby("bin")["place"].rank(method="first").to_numpy() - 1
    allowed = np.round(np.bincount(bins, minlength=len(chance)) * chance)
    return (rank < allowed[bins]).astype(float)
