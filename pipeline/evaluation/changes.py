"""What a translation changed of the faces, beside what should have changed; whether it looked at them, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from pipeline import images
from pipeline.evaluation.translations import Translation
from pipeline.metrics.face_regions import REGIONS
from pipeline.metrics.input_use import change, own_input_nearest, relative_change
from pipeline.metrics.intervals import Estimate, mean_estimate
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.points import Points
from pipeline.metrics.regional_change import (
    MAP_PX,
    Changes,
    changes,
    profile_distances,
    regional,
    regional_ratio,
)

OUTPUTS, TRUTH = "outputs", "truth"
_DIGITS = 3


@dataclass(frozen=True)
class Changed:
    """What was measured, why the rest was not, and rows of `CHANGES` without the name of the translation."""

    metrics: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    maps: Sequence[dict[str, Any]] = ()


def measure_changes(translation: Translation, inputs: np.ndarray, points: Points, seed: int) -> Changed:
    """Measure what outputs differ in from the N×S×S×3 uint8 faces that they were made of.

    `points` are the faces' landmarks, 68×2 px or None. Compared is also what should have changed, where each output's
    partner is known.
    """
    outputs, truth = translation.outputs, _should_be(translation, inputs)
    metrics: dict[str, Any] = {"change": change(inputs, outputs, seed)}
    missing: dict[str, str] = {}
    try:
        metrics["own_input_nearest"] = own_input_nearest(inputs, outputs)
    except NotMeasurable as error:
        missing["own_input_nearest"] = str(error)
    if truth is None:
        missing["relative_change, profile_distance"] = "how the faces should change is not known"
    else:
        metrics["change"]["truth"] = change(inputs, truth, seed)["value"]
        metrics["relative_change"] = relative_change(inputs, outputs, truth, seed)
        if "own_input_nearest" in metrics:
            metrics["own_input_nearest"]["truth"] = own_input_nearest(inputs, truth)["value"]
    by_region, without, maps = _by_region(inputs, outputs, truth, points, seed)
    return Changed(metrics | by_region, missing | without, maps)


def change_rows(translation: str, changed: Changed) -> list[dict[str, Any]]:
    """Return the maps of a translation as rows of `CHANGES`."""
    return [{"translation": translation, **row} for row in changed.maps]


def _should_be(translation: Translation, inputs: np.ndarray) -> np.ndarray | None:
    """Return what became of the faces in truth, as partners know it; None where there are none, or they are the faces.

    Pictures after the way back, and those made of a face's own landmarks, are compared with the face itself.
    """
    truth = translation.truth
    if truth is None or translation.compared is not translation.outputs or np.array_equal(truth, inputs):
        return None
    return truth


def _by_region(
    inputs: np.ndarray, outputs: np.ndarray, truth: np.ndarray | None, points: Points, seed: int
) -> tuple[dict[str, Any], dict[str, str], list[dict[str, Any]]]:
    """Return the numbers by region and how far the profiles are apart, what is missing, and the maps."""
    if all(landmarks is None for landmarks in points):
        return {}, {"by_region": "no landmarks of the faces that were translated are known"}, []
    found = {OUTPUTS: changes(inputs, outputs, points)}
    if truth is not None:
        found[TRUTH] = changes(inputs, truth, points)
    metrics: dict[str, Any] = {"by_region": _table(found, seed)}
    missing: dict[str, str] = {}
    if truth is not None:
        distances = profile_distances(found[OUTPUTS].pixels, found[TRUTH].pixels)
        known = distances[np.isfinite(distances)]
        if len(known):
            counts = {"compared": len(known), "of": len(points)}
            metrics["profile_distance"] = mean_estimate(known, seed).as_dict() | counts
        else:
            missing["profile_distance"] = "no output differs from its input, or no truth does"
    return metrics, missing, _maps(found, inputs, points)


def _table(found: dict[str, Changes], seed: int) -> dict[str, dict[str, Any]]:
    """Return a line for each region: how much outputs and truth differ from the inputs, and the ratio of both."""
    columns: dict[str, dict[str, Estimate]] = {}
    for name, each in found.items():
        of = "" if name == OUTPUTS else f"_of_{name}"
        columns[f"pixels{of}"] = regional(each.pixels, seed)
        columns[f"delta_e{of}"] = regional(each.delta_e, seed)
    if TRUTH in found:
        columns["relative_to_truth"] = regional_ratio(found[OUTPUTS].pixels, found[TRUTH].pixels, seed)
    seen = np.isfinite(found[OUTPUTS].pixels).sum(axis=0)
    return {
        region: {name: column[region].as_dict() for name, column in columns.items() if region in column}
        | {"faces": int(faces)}
        for region, faces in zip(REGIONS, seen, strict=True)
        if faces
    }


def _maps(found: dict[str, Changes], inputs: np.ndarray, points: Points) -> list[dict[str, Any]]:
    known = [face for face, landmarks in enumerate(points) if landmarks is not None]
    mean_face = inputs[known].mean(axis=0)
    mean_points = np.mean([landmarks for landmarks in points if landmarks is not None], axis=0)
    side = min(len(mean_face), MAP_PX)
    small = cv2.resize(mean_face.round().astype(np.uint8), (side, side), interpolation=cv2.INTER_AREA)
    common = {
        "faces": len(known),
        "mean_face": images.encode(small, "png"),
        "points": (mean_points / len(mean_face)).round(4).ravel().tolist(),
    }
    return [
        {"of": name, "map": each.mean_map.round(_DIGITS).ravel().tolist(), **common}
        for name, each in found.items()
        if each.mean_map is not None
    ]
