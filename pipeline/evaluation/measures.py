"""The numbers of one translation, each only where it means something, and why the others are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.datasets.arrays import DomainArrays
from pipeline.evaluation.attributes import attribute_mismatch
from pipeline.evaluation.changes import Changed, measure_changes
from pipeline.evaluation.condition_swap import condition_swap
from pipeline.evaluation.copies import PIXELS, Sets, copy_metrics, find_copies, held_out
from pipeline.evaluation.features import dlib_resnet128, features_of
from pipeline.evaluation.judges import Judges
from pipeline.evaluation.looking import Looking, Seen, see
from pipeline.evaluation.sets import compare_sets
from pipeline.evaluation.translations import Translation
from pipeline.faces import embedding
from pipeline.methods.base import Translator
from pipeline.metrics.color_consistency import color_consistency
from pipeline.metrics.identity import identity
from pipeline.metrics.intervals import Estimate, mean_estimate
from pipeline.metrics.landmark_consistency import landmark_consistency, landmark_errors
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.memorisation import Memorisation
from pipeline.metrics.ms_ssim import SCALES, ms_ssim, name_of, scales_that_fit
from pipeline.metrics.nearest import Nearest, nearest, reduced
from pipeline.metrics.pose import pose_shift, scale_shift
from pipeline.metrics.psnr import psnr
from pipeline.metrics.single_face import one_face
from pipeline.metrics.ssim import ssim
from pipeline.networks.lpips import Lpips, lpips_per_image

COLORS = ("skin", "hair", "left_eye", "right_eye")
_LEAST_SCALES = 2


@dataclass(frozen=True)
class Measured:
    """What was measured of one translation and of its attributes, what was not and why, and what else a reader sees."""

    metrics: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)
    landmark_errors: list[float | None] = field(default_factory=list)
    copies: Mapping[str, Memorisation] = field(default_factory=dict)
    changed: Changed = field(default_factory=Changed)


@dataclass(frozen=True)
class Case:
    """One translation and what it is measured with: the domains' faces, how they are found, the networks, a seed."""

    translation: Translation
    method: Translator
    of: DomainArrays
    to: DomainArrays
    looking_of: Looking
    looking_to: Looking
    judges: Judges
    seed: int

    @property
    def inputs(self) -> np.ndarray:
        """The faces that were translated."""
        return np.array(self.of.images[self.translation.faces])

    @property
    def real(self) -> np.ndarray:
        """The held-out faces of the domain that was translated to."""
        return np.array(self.to.images[held_out(self.to)])


def measure(case: Case) -> Measured:
    """Measure a translation by everything that is here and means something for its domains."""
    translation = case.translation
    metrics: dict[str, Any] = {"outputs": len(translation.outputs), "real_faces": len(held_out(case.to))}
    missing = dict(case.judges.missing)
    seen = _Seen(
        see(translation.outputs, case.looking_to),
        see(case.inputs, case.looking_of),
        see(case.real, case.looking_to),
    )
    for part in (_sets, _faces, _colors, _identity, _pairs, _conditions):
        found, without = part(case, seen)
        metrics |= found
        missing |= without
    attributes, unknown = _attributes(case, seen)
    if attributes:
        metrics["mismatched_attributes"] = _mismatched(attributes)
    copies, without = _copies(case)
    changed = measure_changes(case.translation, case.inputs, _asked_points(case), case.seed)
    errors = landmark_errors(seen.outputs.points, _asked_points(case))
    return Measured(
        metrics | copy_metrics(copies) | changed.metrics,
        attributes,
        missing | unknown | without | changed.missing,
        errors,
        copies,
        changed,
    )


_Part = tuple[dict[str, Any], dict[str, str]]


@dataclass(frozen=True)
class _Seen:
    """What was found on the outputs, on the faces that they were made of, and on real faces of the target."""

    outputs: Seen
    inputs: Seen
    real: Seen


def _sets(case: Case, _: _Seen) -> _Part:
    metrics: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for source in case.judges.features:
        found, without = compare_sets(source, case.translation.outputs, case.real, case.seed)
        metrics |= found
        missing |= without
    return metrics, missing


def _faces(case: Case, seen: _Seen) -> _Part:
    """Measure what the domain's detector and landmarks find on the outputs, and `real`: on the target's own faces.

    A detector misses some real faces too, and landmarks of real cartoons lie somewhere else when they are found again.
    """
    if case.looking_to.search is None:
        reason = "the domain's pictures are the face: there is no detector for it"
        return {}, dict.fromkeys(("one_face", "landmark_consistency", "pose_shift", "scale_shift"), reason)
    metrics: dict[str, Any] = {"one_face": one_face(seen.outputs.faces)}
    if seen.real.faces:
        metrics["one_face"]["real"] = one_face(seen.real.faces)["value"]
    asked, found = _asked_points(case), seen.outputs.points
    if not case.looking_to.finds_landmarks or all(points is None for points in asked):
        reason = "no landmarks are asked for, or none can be found in the domain"
        return metrics, dict.fromkeys(("landmark_consistency", "pose_shift", "scale_shift"), reason)
    own = _points(case.to, held_out(case.to))
    errors = landmark_consistency(found, asked, case.seed)
    return metrics | {
        "landmark_consistency": errors
        | {"real": landmark_consistency(seen.real.points, own, case.seed)["value"]},
        "pose_shift": pose_shift(found, asked, seen.outputs.drawn, case.seed),
        "scale_shift": scale_shift(found, asked, case.seed),
    }, {}


def _asked_points(case: Case) -> list[np.ndarray | None]:
    return _points(case.of, case.translation.faces)


def _points(domain: DomainArrays, faces: np.ndarray) -> list[np.ndarray | None]:
    known = domain.has_points()
    return [domain.points[face] if known[face] else None for face in faces]


def _colors(case: Case, seen: _Seen) -> _Part:
    if not case.translation.asks_colors:
        return {}, {"color_consistency": "the method is not told any colours"}
    rows = case.of.rows.take(case.translation.faces).to_pylist()
    asked = [{part: row[f"{part}_rgb"] and tuple(row[f"{part}_rgb"]) for part in COLORS} for row in rows]
    found = color_consistency(
        seen.outputs.images, asked, _asked_points(case), case.looking_to.drawn, case.seed
    )
    return {"color_consistency": found}, {}


def _identity(case: Case, _: _Seen) -> _Part:
    name = f"identity_{embedding.NAME}"
    if case.looking_of.drawn or case.looking_to.drawn:
        return {}, {name: "the embedding knows photographed faces alone, and one of the domains is drawn"}
    source = dlib_resnet128()
    before, after = features_of(source, case.inputs), features_of(source, case.translation.outputs)
    return {name: identity(before, after, case.seed)}, {}


def _pairs(case: Case, _: _Seen) -> _Part:
    made, truth = case.translation.compared, case.translation.truth
    if truth is None or made is None:
        return {}, {"psnr, ssim, lpips": "unpaired: what the output should be is not known"}
    after = "" if made is case.translation.outputs else "_after_way_back"
    scales = scales_that_fit(*made.shape[1:3])
    measures: dict[str, Callable[[], Estimate]] = {
        "psnr": lambda: psnr(made, truth, case.seed),
        "ssim": lambda: ssim(made, truth, case.seed),
    }
    missing: dict[str, str] = {}
    if scales < SCALES:
        missing["ms_ssim" + after] = f"{made.shape[1]} px hold {scales} of its {SCALES} scales"
    if scales >= _LEAST_SCALES:
        measures[name_of(scales)] = lambda: ms_ssim(made, truth, case.seed, scales)
    if (network := case.judges.lpips) is not None:
        measures["lpips_alex"] = lambda: _lpips(made, truth, network, case.seed)
    metrics: dict[str, Any] = {}
    for name, compute in measures.items():
        try:
            metrics[name + after] = compute().as_dict()
        except NotMeasurable as error:
            missing[name + after] = str(error)
    if after:
        missing["psnr, ssim, lpips"] = "unpaired: measured on the input after the way there and back instead"
    return metrics, missing


def _lpips(made: np.ndarray, truth: np.ndarray, network: Lpips, seed: int) -> Estimate:
    return mean_estimate(lpips_per_image(made, truth, network), seed)


def _conditions(case: Case, _: _Seen) -> _Part:
    translation = case.translation
    found, missing = condition_swap(case.method, case.of, translation.faces, translation.to, case.seed)
    return {
        name: {each: value.as_dict() for each, value in responses.items()}
        for name, responses in found.items()
    }, missing


def _attributes(case: Case, seen: _Seen) -> _Part:
    """Compare what became of the faces with the faces and with real ones of the target, all looked at alike."""
    source, made, target = (
        each.attributes(case.judges.tags) for each in (seen.inputs, seen.outputs, seen.real)
    )
    found, missing = attribute_mismatch(source, made, target, case.seed)
    return found, missing


def _mismatched(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Return how many of the attributes that should be kept were not."""
    keep = [each for each in attributes.values() if each["keep"]]
    return {"value": sum(each["mismatch"] for each in keep), "of": len(keep)}


def _copies(case: Case) -> tuple[dict[str, Memorisation], dict[str, str]]:
    """Look for copies in pixels, and in the most telling features; dlib's know who it is and not the picture."""
    sets: dict[str, Sets] = {}
    to, source = case.to, case.judges.features[0]
    if source.name != embedding.NAME and len(held_out(to)):
        sets[source.name] = Sets(
            features_of(source, case.translation.outputs),
            features_of(source, to.images, places=to.indices("train")),
            features_of(source, case.real),
        )
    return find_copies(case.translation.outputs, to, sets)


def nearest_in_pixels(case: Case, copies: Mapping[str, Memorisation]) -> Nearest:
    """Return the nearest training image of every output, in pixels."""
    if PIXELS in copies:
        return copies[PIXELS].outputs
    return nearest(case.translation.outputs, reduced(case.to.images, case.to.indices("train")))
