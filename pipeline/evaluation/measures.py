"""The numbers of one translation, each only where it means something, and why the others are missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.datasets.arrays import DomainArrays
from pipeline.evaluation.translations import Translation
from pipeline.faces import embedding
from pipeline.faces.detection import Search
from pipeline.metrics.color_consistency import color_consistency
from pipeline.metrics.kid import kid, kid_interval
from pipeline.metrics.landmark_consistency import landmark_errors, summarize
from pipeline.metrics.nearest import Nearest, nearest
from pipeline.metrics.psnr import psnr
from pipeline.metrics.ssim import ssim

COLORS = ("skin", "hair", "left_eye", "right_eye")
# What every reader asks for, and what it would take.
NOT_MEASURED = {
    "fid_inception": "weights missing: no package ships FID's Inception v3",
    "lpips_alex": "weights missing: no package ships the AlexNet trunk of LPIPS",
}


@dataclass(frozen=True)
class Looking:
    """How the faces of a domain are found, and marked: None and `none` where the picture is the face."""

    search: Search | None
    model: str

    @property
    def drawn(self) -> bool:
        """Whether the faces are cartoons."""
        return self.search is not None and self.search.faces == "cartoon"


@dataclass(frozen=True)
class Measured:
    """What was measured of one translation, what was not and why, and per output what a reader looks at."""

    metrics: dict[str, Any]
    not_measured: dict[str, str]
    landmark_errors: list[float | None]
    nearest: Nearest


def measure(
    translation: Translation, of: DomainArrays, to: DomainArrays, looking: Looking, seed: int
) -> Measured:
    """Measure a translation from faces `of` to the domain `to`, whose faces are found as `looking` says."""
    metrics: dict[str, Any] = {"outputs": len(translation.outputs)}
    missing = dict(NOT_MEASURED)
    held_out = np.array(to.images[np.concatenate([to.indices("val"), to.indices("test")])])
    metrics |= _kid(translation.outputs, held_out, seed)
    near = nearest(translation.outputs, to.images[to.indices("train")])
    real_near = nearest(held_out, to.images[to.indices("train")])
    metrics["nearest_training_distance"] = {
        "outputs": round(float(np.median(near.distances)), 2),
        "held_out": round(float(np.median(real_near.distances)), 2),
    }
    errors = _landmarks(translation, of, looking, metrics, missing)
    _colors(translation, of, looking, metrics, missing)
    _pairs(translation, metrics, missing)
    return Measured(metrics, missing, errors, near)


def _kid(outputs: np.ndarray, held_out: np.ndarray, seed: int) -> dict[str, Any]:
    features, others = embedding.embed(outputs), embedding.embed(held_out)
    low, high = kid_interval(features, others, seed)
    value = {"value": kid(features, others), "low": low, "high": high}
    return {f"kid_{embedding.NAME}": {name: round(number, 6) for name, number in value.items()}}


def _landmarks(
    translation: Translation, of: DomainArrays, looking: Looking, metrics: dict, missing: dict
) -> list[float | None]:
    known = of.has_points()[translation.faces]
    errors: list[float | None] = [None] * len(known)
    if looking.search is None or looking.model == "none" or not known.any():
        missing["landmark_consistency"] = "no landmarks are asked for, or none can be found in the domain"
        return errors
    asked = of.points[translation.faces]
    found = landmark_errors(translation.outputs[known], asked[known], looking.search, looking.model)
    for place, error in zip(np.flatnonzero(known), found, strict=True):
        errors[place] = error
    metrics["landmark_consistency"] = _rounded(summarize(found))
    return errors


def _colors(
    translation: Translation, of: DomainArrays, looking: Looking, metrics: dict, missing: dict
) -> None:
    if not translation.asks_colors:
        missing["color_consistency"] = "the method is not told any colours"
        return
    rows = of.rows.take(translation.faces).to_pylist()
    asked = [{part: row[f"{part}_rgb"] and tuple(row[f"{part}_rgb"]) for part in COLORS} for row in rows]
    known = of.has_points()
    points = [of.points[face] if known[face] else None for face in translation.faces]
    found = color_consistency(translation.outputs, asked, points, looking.drawn)
    metrics["color_consistency"] = {part: _rounded(summary) for part, summary in found.items()}


def _pairs(translation: Translation, metrics: dict, missing: dict) -> None:
    if translation.truth is None or translation.compared is None:
        missing["psnr, ssim"] = "unpaired: what the output should be is not known"
        return
    is_output = translation.compared is translation.outputs
    what = "" if is_output else "_after_way_back"
    metrics[f"psnr{what}"] = round(psnr(translation.compared, translation.truth), 3)
    metrics[f"ssim{what}"] = round(ssim(translation.compared, translation.truth), 4)
    if not is_output:
        missing["psnr, ssim"] = "unpaired: measured on the input after the way there and back instead"


def _rounded(summary: Any) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in summary.items()}
