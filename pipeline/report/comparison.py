"""Which experiment is better, by how much, and how sure that is: one table for each way that is measured."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.evaluation.headlines import HEADLINES, Headline, estimates, headline, label
from pipeline.metrics.intervals import Estimate
from pipeline.report.cautions import cautions
from pipeline.report.figures import has_interval, listed, rounded
from pipeline.report.measured import read_metrics, read_missing

# Below so many images FID says more of their number than of the faces, and KID comes first.
FID_NEEDS = 2048
SHOWN_COLUMNS = 12
# What a reader asks first; of each the first kind, then of each the second.
_FIRST = (
    *("kid", "fid", "one_face", "landmark_consistency", "color_consistency", "identity", "own_input_nearest"),
    *("relative_change", "copies", "lpips", "ssim", "pose_shift", "mean_average_precision", "accuracy"),
    *("rank_1", "tar"),
)
_BAR_PX, _BAR_MARGIN_PX = 84, 4

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """What can be said of one number of several experiments, by name.

    `best`: that whose value is best; `same`: those that overlap it; `worse`: those that do not; none where no number
    has an interval.
    """

    best: str | None = None
    same: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()

    def mark(self, experiment: str) -> str:
        """Return `best`, `among` the best, or nothing: where none is worse, all of them are the same."""
        if not self.worse or experiment not in (self.best, *self.same):
            return ""
        return "among" if self.same else "best"


@dataclass(frozen=True)
class Column:
    """One number of all experiments that have it."""

    name: str
    headline: Headline
    estimates: dict[str, Estimate]
    standing: Standing = field(default_factory=Standing)

    @property
    def label(self) -> str:
        """The number's name in words."""
        return label(self.name)


def gather(experiments: Sequence[str]) -> list[dict[str, Any]]:
    """Return the content of the tables: one for each way, with the experiments that were measured on it."""
    metrics = {name: read_metrics(name) for name in experiments}
    missing = {name: read_missing(name) for name in experiments}
    ways = dict.fromkeys(way for values in metrics.values() for way in values)
    return [
        _table(
            way,
            {name: values[way] for name, values in metrics.items() if way in values},
            {name: reasons.get(way, {}) for name, reasons in missing.items()},
        )
        for way in ways
    ]


def _table(way: str, metrics: Mapping[str, Metrics], missing: Mapping[str, Metrics]) -> dict[str, Any]:
    found = {name: _finite(estimates(values)) for name, values in metrics.items()}
    images = max((_images(values) for values in metrics.values()), default=0)
    columns = ordered([_column(name, found) for name in _names(found)], images)
    shown = first_of(columns)
    others = [column for column in columns if column not in shown]
    names = _best_first(list(metrics), columns)
    return {
        "name": way,
        "title": titled(way),
        "images": images,
        "few": images < FID_NEEDS,
        "has_fid": any(start_of(column.name) == "fid" for column in columns),
        "cautions": [f"{name} {what}: {why}" for name in names for what, why in cautions(metrics[name])],
        "sentences": sentences(shown),
        "more_sentences": sentences(others),
        "tables": [_rows(names, those, metrics, missing) for those in (shown, others)],
        "missing": _not_measured(metrics, missing),
    }


def titled(way: str) -> str:
    """Return a way as a heading says it: `photo → anime`."""
    return way.replace("_to_", " → ").replace("_", " ")


def _finite(found: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the numbers that are numbers; one whose interval is none keeps its value alone."""
    return {
        name: each if math.isfinite(each.low) and math.isfinite(each.high) else Estimate(*[each.value] * 3)
        for name, each in found.items()
        if each.value is not None and math.isfinite(each.value)
    }


def _images(metrics: Metrics) -> int:
    return int(metrics.get("outputs", 0))


def _names(found: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    return list(dict.fromkeys(name for numbers in found.values() for name in numbers))


def _column(name: str, found: Mapping[str, Mapping[str, Estimate]]) -> Column:
    what = headline(name)
    assert what is not None  # estimates() returns headlines alone
    of_name = {experiment: numbers[name] for experiment, numbers in found.items() if name in numbers}
    return Column(name, what, of_name, standing(of_name, what.better))


def standing(found: Mapping[str, Estimate], better: str) -> Standing:
    """Return which experiment is best in a number, which overlap it, and which are worse.

    Experiments whose number has no interval are left out: nothing can be said of them.
    """
    sure = {name: each for name, each in found.items() if has_interval(each)}
    if better == "none" or len(sure) < 2:
        return Standing()
    sign = 1 if better == "lower" else -1
    best = min(sure, key=lambda name: (sign * sure[name].value, name))
    others = [name for name in sure if name != best]
    same = tuple(name for name in others if overlap(sure[name], sure[best]))
    return Standing(best, same, tuple(name for name in others if name not in same))


def overlap(one: Estimate, other: Estimate) -> bool:
    """Say whether two intervals have a number in common; ends that touch are one."""
    return one.low <= other.high and other.low <= one.high


def ordered(columns: Sequence[Column], images: int) -> list[Column]:
    """Return columns in the order of `HEADLINES`; FID before KID only where there are images enough for it."""
    starts = list(HEADLINES)
    if images >= FID_NEEDS and {"kid", "fid"} <= set(starts):
        kid, fid = starts.index("kid"), starts.index("fid")
        starts[kid], starts[fid] = starts[fid], starts[kid]
    return sorted(columns, key=lambda column: starts.index(start_of(column.name)))


def start_of(name: str) -> str:
    """Return the headline that a flat name begins with."""
    return next(start for start, each in HEADLINES.items() if each is headline(name))


def first_of(columns: Sequence[Column]) -> list[Column]:
    """Return the columns that are shown at once: the first of each kind that readers ask for, then the second."""
    seen: dict[str, int] = {}
    ranks = []
    for column in columns:
        start = start_of(column.name)
        seen[start] = seen.get(start, -1) + 1
        if start in _FIRST:
            ranks.append((seen[start], _FIRST.index(start), column.name))
    chosen = {name for _, _, name in sorted(ranks)[:SHOWN_COLUMNS]}
    return [column for column in columns if column.name in chosen]


def _best_first(names: list[str], columns: Sequence[Column]) -> list[str]:
    """Return experiments by their headline, the best first; those without it come last, in their own order."""
    if not columns:
        return names
    first = columns[0]
    sign = -1 if first.headline.better == "higher" else 1
    return sorted(
        names, key=lambda name: sign * first.estimates[name].value if name in first.estimates else math.inf
    )


def sentences(columns: Sequence[Column]) -> list[str]:
    """Return what the tables say, in words: who is better than whom, and where no difference can be told."""
    told: dict[Standing, list[str]] = {}
    for column in columns:
        if column.standing.worse:
            told.setdefault(column.standing, []).append(column.label)
    said = [
        f"{of.best} is better than {listed(of.worse)} in {listed(labels, len(labels))} (intervals do not overlap)"
        + (f"; {listed(of.same)} cannot be told apart from it" if of.same else "")
        for of, labels in told.items()
    ]
    untold = [column.label for column in columns if column.standing.best and not column.standing.worse]
    if untold:
        said.append(f"No difference can be told in {listed(untold, len(untold))}: the intervals overlap")
    unsure = [
        column.label
        for column in columns
        if column.standing.best is None and len(column.estimates) > 1 and column.headline.better != "none"
    ]
    if unsure:
        said.append(
            f"None is called better in {listed(unsure, len(unsure))}: fewer than two of them have intervals"
        )
    return said


def _rows(
    names: Sequence[str],
    columns: Sequence[Column],
    metrics: Mapping[str, Metrics],
    missing: Mapping[str, Metrics],
) -> dict[str, Any]:
    """Return one table: its columns, and for each experiment its cells."""
    scales = [_scale(column.estimates.values()) for column in columns]
    return {
        "columns": columns,
        "rows": [
            {
                "experiment": name,
                "cells": [
                    _cell(name, column, scale, metrics[name], missing.get(name, {}))
                    for column, scale in zip(columns, scales, strict=True)
                ],
            }
            for name in names
        ],
    }


def _cell(
    experiment: str, column: Column, scale: tuple[float, float], metrics: Metrics, missing: Metrics
) -> dict[str, Any]:
    estimate = column.estimates.get(experiment)
    if estimate is None:
        why = _reason(column.name, missing)
        return {"estimate": None, "reason": why, "notes": list(_notes(column.name, metrics))}
    value, interval = rounded(estimate)
    return {
        "estimate": estimate,
        "value": value,
        "interval": interval,
        "notes": list(_notes(column.name, metrics)),
        "mark": column.standing.mark(experiment),
        "bar": _bar(estimate, scale) if interval else None,
    }


def _reason(name: str, missing: Metrics) -> str:
    for key, reason in missing.items():
        if any(name == each or name.startswith(f"{each}.") for each in key.split(", ")):
            return f"not measured: {reason}"
    return ""


def _notes(name: str, metrics: Metrics) -> Iterator[str]:
    """Yield what a number's reader must know of it: how many seeds it is of, and of how many outputs it is known."""
    known = _at(metrics, name)
    for what in ("found", "compared"):
        if what in known and "of" in known:
            yield f"{what} {known[what]} of {known['of']}"
    if "chance" in known:
        yield f"by chance {known['chance']:.2g}"
    if name in metrics.get("seeds", {}):
        yield f"{metrics['seeds'][name]['n']} seeds"
    if start_of(name) == "fid":
        images = known.get("images", _images(metrics))
        yield f"N {images}, too few" if images < FID_NEEDS else f"N {images}"


def _at(metrics: Metrics, name: str) -> Metrics:
    value: Any = metrics
    for key in name.split("."):
        value = value.get(key, {}) if isinstance(value, Mapping) else {}
    return value if isinstance(value, Mapping) else {}


def _scale(found: Iterable[Estimate]) -> tuple[float, float]:
    every = list(found)
    return min(each.low for each in every), max(each.high for each in every)


def _bar(estimate: Estimate, scale: tuple[float, float]) -> dict[str, str]:
    """Return where an interval and its value lie, in pixels of a bar that all experiments share."""
    lowest, highest = scale
    width = _BAR_PX - 2 * _BAR_MARGIN_PX
    places = [
        _BAR_MARGIN_PX + width * (each - lowest) / max(highest - lowest, 1e-12)
        for each in (estimate.low, estimate.value, estimate.high)
    ]
    return {name: f"{place:.1f}" for name, place in zip(("low", "value", "high"), places, strict=True)}


def _not_measured(metrics: Mapping[str, Metrics], missing: Mapping[str, Metrics]) -> list[dict[str, Any]]:
    """Return what some experiment lacks: the numbers, why, and which experiments, which is empty for all of them.

    Numbers that the same experiments lack for the same reason stand together.
    """
    lacking: dict[tuple[str, str], list[str]] = {}
    for name in metrics:
        for key, reason in missing.get(name, {}).items():
            if any(headline(each) for each in key.split(", ")):
                lacking.setdefault((key, str(reason)), []).append(name)
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (key, reason), names in lacking.items():
        together.setdefault((reason, tuple(names)), []).extend(label(each) for each in key.split(", "))
    return [
        {
            "name": listed(labels, len(labels)),
            "reason": in_pieces(reason),
            "experiments": "" if len(names) == len(metrics) else listed(names),
        }
        for (reason, names), labels in together.items()
    ]


def in_pieces(text: str) -> list[tuple[bool, str]]:
    """Return a reason as pieces, each with whether it is a command to type."""
    pieces = re.split(r"`?(python -m pipeline(?: [\w./@=-]*[\w/])+)`?", text)
    return [(place % 2 == 1, piece) for place, piece in enumerate(pieces) if piece]
