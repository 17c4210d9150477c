"""Condition swap: does a face change when it is told another face's landmarks, or another face's colours?

Document 004 found that its network ignored the key points and made faces of the colours alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.datasets.arrays import DomainArrays
from pipeline.datasets.conditions import color_values
from pipeline.evaluation.translations import translate_faces
from pipeline.methods.base import Translator
from pipeline.metrics.intervals import LEVEL, Estimate, mean_estimate

NOT_TOLD = "the method is not told landmarks or colours"
COLOR_COLUMNS = ("skin_rgb", "hair_rgb", "left_eye_rgb", "right_eye_rgb")
# Two faces are told different things from here on: a mean distance of their landmarks as a part of the side, and a
# difference of any of the nine values of their colours in [-1, 1].
_LANDMARKS_APART = 0.01
_COLORS_APART = 0.1
_TURNS = 16
_RESAMPLES = 1000
# Of each face whether it differs from the one at the place given for it.
Differ = Callable[[np.ndarray], np.ndarray]


def condition_swap(
    method: Translator, domain: DomainArrays, faces: np.ndarray, to: str, seed: int
) -> tuple[dict[str, dict[str, Estimate]], dict[str, str]]:
    """Return how outputs answer when one condition becomes another face's, as `condition_swap`, and what is missing.

    Each of `faces` of the domain is told its own conditions but, of the next face, the landmarks alone, then the
    colours alone; an image among the conditions stays, and so does the noise. For `landmarks` and `colors` each:
    `<condition>_pixels`, the mean |Δ| to its own output (0 to 255), `<condition>_delta_e` (mean ΔE00 over the pixels),
    and both as a part of what lies between the two faces' own outputs, `<condition>_relative_pixels` and
    `<condition>_relative_delta_e`: 0 where the condition is ignored, about 1 where it decides alone, as it must where
    nothing else is told. Intervals are over the faces. `seed` is also that of the dropout of a method that keeps it,
    which is the same for every output.
    """
    told = [name for name in ("landmarks", "colors") if name in method.conditions]
    if not told:
        return {}, {"condition_swap": NOT_TOLD}

    def outputs(changed: DomainArrays) -> np.ndarray:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return translate_faces(method, changed, faces, to)

    own = outputs(domain)
    measured: dict[str, Estimate] = {}
    missing: dict[str, str] = {}
    for name in told:
        differ_by = _landmarks_differ if name == "landmarks" else _colors_differ
        partners = next_faces(len(faces), differ_by(domain, faces))
        differ = np.flatnonzero(partners >= 0)
        if len(differ) < 2:
            missing[f"condition_swap.{name}"] = f"fewer than 2 faces are told different {name}"
            continue
        changed = outputs(_swapped(name, domain, faces[differ], faces[partners[differ]]))
        measured |= _responses(name, own[differ], changed[differ], own[partners[differ]], seed)
    return ({"condition_swap": measured} if measured else {}), missing


def next_faces(count: int, differ: Differ) -> np.ndarray:
    """Return for each of `count` faces the place of another: of the first turns of the row that by which most differ.

    `differ` says of each face whether it differs from the one at the place given for it. Each face is another's
    partner once; -1 where the two do not differ.
    """
    places = np.arange(count)
    turns = [(places + step) % count for step in range(1, min(count - 1, _TURNS) + 1)]
    if not turns:
        return np.full(count, -1)
    partners = max(turns, key=lambda turned: differ(turned).sum())
    return np.where(differ(partners), partners, -1)


def _landmarks_differ(domain: DomainArrays, faces: np.ndarray) -> Differ:
    points, least = domain.points[faces], _LANDMARKS_APART * domain.images.shape[1]
    # Unknown landmarks (NaN) differ from none: nothing could be told of such a face.
    return lambda partners: np.linalg.norm(points - points[partners], axis=-1).mean(axis=-1) > least


def _colors_differ(domain: DomainArrays, faces: np.ndarray) -> Differ:
    colors = np.nan_to_num(color_values(domain.rows.take(faces).to_pylist()))
    return lambda partners: np.abs(colors - colors[partners]).max(axis=-1) > _COLORS_APART


def _swapped(name: str, domain: DomainArrays, faces: np.ndarray, partners: np.ndarray) -> DomainArrays:
    """Return the domain with the partners' landmarks, or colours, at the faces' places."""
    if name == "landmarks":
        points = domain.points.copy()
        points[faces] = domain.points[partners]
        return replace(domain, points=points)
    places = np.arange(domain.rows.num_rows)
    places[faces] = partners
    rows = domain.rows
    for column in COLOR_COLUMNS:
        place = rows.schema.get_field_index(column)
        rows = rows.set_column(place, rows.schema.field(place), rows[column].take(places))
    return replace(domain, rows=rows)


def _responses(
    name: str, own: np.ndarray, changed: np.ndarray, theirs: np.ndarray, seed: int
) -> dict[str, Estimate]:
    found = {}
    for unit, difference in (("pixels", pixel_differences), ("delta_e", delta_e_differences)):
        answers, spans = difference(own, changed), difference(own, theirs)
        found[f"{name}_{unit}"] = mean_estimate(answers, seed)
        if spans.any():  # the outputs of different faces differ at all
            found[f"{name}_relative_{unit}"] = _ratio_estimate(answers, spans, seed)
    return found


def pixel_differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean |Δ| of each pair of N×H×W×3 uint8 images, 0 to 255."""
    pairs = zip(one, other, strict=True)
    return np.array([np.abs(a.astype(np.int16) - b).mean() for a, b in pairs], np.float64)


def delta_e_differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean ΔE00 over the pixels of each pair of N×H×W×3 uint8 images."""
    pairs = zip(one, other, strict=True)
    return np.array([deltaE_ciede2000(rgb2lab(a), rgb2lab(b)).mean() for a, b in pairs], np.float64)


def _ratio_estimate(answers: np.ndarray, spans: np.ndarray, seed: int) -> Estimate:
    """Return sum over sum with the bootstrap's percentile interval over the faces."""
    random = np.random.default_rng(seed)
    drawn = random.integers(len(spans), size=(_RESAMPLES, len(spans)))
    below = spans[drawn].sum(axis=1)
    ratios = answers[drawn].sum(axis=1)[below > 0] / below[below > 0]
    low, high = np.quantile(ratios, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(float(answers.sum() / spans.sum()), float(low), float(high))
