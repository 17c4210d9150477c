"""What the report shows of each dataset: counts, what was left out and why, licences, how alike its domains are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.datasets.arrays import DATASETS, DOMAINS_NAME, EXPERIMENT_NAME

MEANING = {
    "licence": "its licence is not one of those that the experiment takes, or unknown",
    "no_tags": "the experiment learns tags, and none is known of it",
    "no_labels": "the experiment learns labels, and it has none of them",
    "not_alone": "its picture shows other faces too, whose tags these may be",
    "no_landmarks": "the experiment needs landmarks, and it has none",
    "near_duplicate_of_test": "it nearly is a face held out for the test",
    "near_duplicate_of_val": "it nearly is a face held out for validation",
    "too_few_of_subject": "there are too few faces of this person",
    "too_many_of_subject": "there are enough faces of this person",
    "unmatched": "its domain has more faces like it than the other",
    "no_partner": "the other domain has no face of its pair",
    "not_paired": "a larger face of its domain stands for its pair",
}
_WIDTH, _HEIGHT = 240, 60


def is_made(name: str) -> bool:
    """Say whether an experiment's dataset is there."""
    return (DATASETS / name / EXPERIMENT_NAME).exists()


def gather(name: str) -> dict[str, Any]:
    """Return the content of the section of one experiment's dataset."""
    folder = DATASETS / name
    experiment = json.loads((folder / EXPERIMENT_NAME).read_text(encoding="utf-8"))
    compared = json.loads((folder / DOMAINS_NAME).read_text(encoding="utf-8"))
    return {
        "name": name,
        "domains": experiment["domains"],
        "counts": experiment["counts"],
        "match": experiment["match"],
        "faces": compared["faces"],
        "licences": _licences(experiment["counts"]),
        "attributes": [_attribute(each, values) for each, values in compared["attributes"].items()],
        "meaning": MEANING,
        "width": _WIDTH,
        "height": _HEIGHT,
    }


def _licences(counts: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, int, int]]:
    """Return domain, licence, and how many faces of it are taken and left out for it, the most frequent first."""
    rows = []
    for domain, of in counts.items():
        taken, left_out = of["licences"]["taken"], of["licences"]["left_out"]
        for licence in sorted({*taken, *left_out}):
            rows.append((domain, licence, taken.get(licence, 0), left_out.get(licence, 0)))
    return sorted(rows, key=lambda row: (row[0], -row[2] - row[3], row[1]))


def _attribute(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    known = values["wasserstein"]["before"] is not None
    highest = max(share for of in values["histogram"].values() for own in of.values() for share in own)
    return {
        "name": name,
        "unit": values["unit"],
        "wasserstein": values["wasserstein"],
        "low": f"{values['edges'][0]:g}",
        "high": f"{values['edges'][-1]:g}",
        "plots": {
            when: {domain: _outline(own, highest) for domain, own in of.items()}
            for when, of in values["histogram"].items()
        }
        if known
        else {},
    }


def _outline(shares: Sequence[float], highest: float) -> str:
    """Return a histogram's upper edge as the points of an SVG polyline."""
    step = _WIDTH / len(shares)
    corners = [
        (x * step, _HEIGHT * (1 - share / max(highest, 1e-9)))
        for number, share in enumerate(shares)
        for x in (number, number + 1)
    ]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [(0, _HEIGHT), *corners, (_WIDTH, _HEIGHT)])
