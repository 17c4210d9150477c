"""Regional change: how much each part of a face differs between two aligned pictures, and on the mean face where."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.color import deltaE_ciede2000

from pipeline.faces.colors.lab import lab_of
from pipeline.metrics.face_regions import REGIONS, region_map
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.pairs import check_pairs
from pipeline.metrics.points import Points, check_points
from pipeline.metrics.resampling import intervals_over_groups

MAP_PX = 128
_RESAMPLES = 1000


@dataclass(frozen=True)
class Changes:
    """How N pairs of pictures differ: `pixels` (mean |Δ|, 0 to 255) and `delta_e` (mean ΔE00) are N×REGIONS.

    NaN where the landmarks of a face are unknown, or a region lies outside its crop. `mean_map` is the mean |Δ| of
    every pixel over the faces with landmarks, SxS with S at most `MAP_PX`; None where there is no such face.
    """

    pixels: np.ndarray
    delta_e: np.ndarray
    mean_map: np.ndarray | None


def changes(before: np.ndarray, after: np.ndarray, points: Points) -> Changes:
    """Return how N×S×S×3 uint8 pictures `after` differ from those `before`, by the regions of the latter.

    `points` are N times the 68×2 landmarks of `before` in its pixels, or None. Both pictures must be aligned alike;
    what moved, say with the light or the pose, has changed.
    """
    check_pairs(before, after)
    check_points(points)
    if len(points) != len(before):
        raise ValueError(f"{len(before)} pictures, but landmarks of {len(points)}")
    side = before.shape[1]
    pixels, delta_e = (np.full((len(before), len(REGIONS)), np.nan) for _ in range(2))
    total = np.zeros((side, side))
    for face, landmarks in enumerate(points):
        if landmarks is None:
            continue
        difference = np.abs(before[face].astype(np.float64) - after[face]).mean(axis=-1)
        colors = deltaE_ciede2000(lab_of(before[face]), lab_of(after[face]))
        regions = region_map(side, landmarks).ravel()
        for table, values in ((pixels, difference), (delta_e, colors)):
            table[face] = _means(regions, values)
        total += difference
    known = sum(landmarks is not None for landmarks in points)
    return Changes(pixels, delta_e, _small(total / known) if known else None)


def _means(regions: np.ndarray, values: np.ndarray) -> np.ndarray:
    sums, counts = (
        np.bincount(regions, weights=weights, minlength=len(REGIONS))
        for weights in (values.ravel(), np.ones(len(regions)))
    )
    return np.divide(sums, counts, out=np.full(len(REGIONS), np.nan), where=counts > 0)


def _small(values: np.ndarray) -> np.ndarray:
    side = min(len(values), MAP_PX)
    return np.asarray(cv2.resize(values, (side, side), interpolation=cv2.INTER_AREA))


def regional(table: np.ndarray, seed: int) -> dict[str, Estimate]:
    """Return the mean over the faces of each region of an N×REGIONS table; one that no face has is left out."""
    return _by_region(table, np.isfinite(table).astype(np.float64), seed)


def regional_ratio(made: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, Estimate]:
    """Return by region what changed as a part of what should have: the sum of one N×REGIONS table over the other's.

    0 where nothing changed, 1 where as much as should have; a region in which the truth does not change is left out.
    """
    return _by_region(made, truth, seed)


def _by_region(above: np.ndarray, below: np.ndarray, seed: int) -> dict[str, Estimate]:
    found = {}
    known = np.isfinite(above) & np.isfinite(below)
    for place, region in enumerate(REGIONS):
        faces = known[:, place]
        if below[faces, place].any():
            found[region] = ratio_estimate(above[faces, place], below[faces, place], seed)
    return found


def ratio_estimate(above: np.ndarray, below: np.ndarray, seed: int) -> Estimate:
    """Return the sum of N values over that of N others, with the interval over the faces; raise `NotMeasurable`.

    The latter are at least 0; where all are 0 there is no ratio.
    """
    if not below.any():
        raise NotMeasurable("there is nothing to compare with: all values are 0")

    def statistic(counts: np.ndarray) -> list[float]:
        divisor = float(counts @ below)
        return [float(counts @ above) / divisor if divisor else np.nan]

    [interval] = intervals_over_groups(len(below), statistic, seed, _RESAMPLES)
    return Estimate(float(above.sum() / below.sum()), *interval)


def profile_distances(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return for each face how unlike the truth's the places are that changed: N values 0 to 1, NaN where unknown.

    Both tables are N×REGIONS. A face's profile is what share of its change each region has, mean over its area; the
    distance of two profiles is half the sum of their differences: 0 where the regions changed in the same
    proportions, however much, 1 where they have none in common. What did not change at all has no profile.
    """
    if made.shape != truth.shape:
        raise ValueError(f"profiles need one shape, not {made.shape} and {truth.shape}")
    known = np.isfinite(made) & np.isfinite(truth)
    one, other = (_profiles(np.where(known, table, 0)) for table in (made, truth))
    return np.abs(one - other).sum(axis=1) / 2


def _profiles(table: np.ndarray) -> np.ndarray:
    totals = table.sum(axis=1, keepdims=True)
    return np.divide(table, totals, out=np.full(table.shape, np.nan), where=totals > 0)
