"""Attribute mismatch (document 001): what a translation changed beside what it is for.

Where two domains differ in more than their style, say in how the faces look at the camera, a translation learned
without pairs changes that too. Compared are distributions: of the outputs, of the faces that they were made of, and of
the target's real faces, each found in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import wasserstein_distance

from pipeline.faces.colors import Rgb
from pipeline.faces.colors.lab import chroma, lab_of
from pipeline.metrics.intervals import LEVEL, Estimate

Verdict = Literal["kept", "moved towards the target", "changed otherwise", "undecided"]
Values = Mapping[str, np.ndarray]
PARTS = {"skin": ("skin",), "hair": ("hair",), "eyes": ("left_eye", "right_eye")}
_RESAMPLES = 400
_MIN_FACES = 5
_DIGITS = 4


@dataclass(frozen=True)
class Attribute:
    """Something of a face that is measured: its unit, how much of it is nothing, and whether it should be kept."""

    unit: str
    tolerance: float
    keep: bool
    why: str


_DEGREES = "a face drawn in another style looks the same way"
_COLOR = "each style has colours of its own"
ATTRIBUTES = {
    "yaw": Attribute("degrees", 2.0, True, _DEGREES),
    "pitch": Attribute("degrees", 2.0, True, _DEGREES),
    "roll": Attribute("degrees", 2.0, True, _DEGREES),
    "scale": Attribute(
        "log2 of the part of the side between the eyes", 0.05, True, "the face stays as large"
    ),
    "skin_lightness": Attribute(
        "L*", 3.0, True, "a light person does not become a dark one, nor the reverse"
    ),
    "skin_chroma": Attribute("C*", 3.0, False, _COLOR),
    "hair_lightness": Attribute("L*", 3.0, False, _COLOR),
    "hair_chroma": Attribute("C*", 3.0, False, "document 004: the target's vivid hair comes with its style"),
    "eyes_lightness": Attribute("L*", 3.0, False, _COLOR),
    "eyes_chroma": Attribute("C*", 3.0, False, _COLOR),
    "brightness": Attribute("mean L* of the picture", 3.0, False, "pictures of a style are exposed alike"),
    "contrast": Attribute("deviation of L* in the picture", 2.0, False, "flat colours are a matter of style"),
}
# Tags that say who or what is shown, not how: as Danbooru, CelebA and the demo write them.
KEPT_TAGS = frozenset(
    (
        *("1boy", "1girl", "boy", "girl", "man", "woman", "male", "female", "Male", "Young"),
        *("glasses", "Eyeglasses", "hat", "Wearing_Hat", "beard", "No_Beard", "bald", "Bald"),
        *("smile", "Smiling", "open_mouth", "Mouth_Slightly_Open", "closed_eyes"),
    )
)
_TAG_TOLERANCE = 0.05


def attribute_of(name: str) -> Attribute:
    """Return what is known of an attribute; another name than those of the table is a tag's, as a probability."""
    if name in ATTRIBUTES:
        return ATTRIBUTES[name]
    keep = name in KEPT_TAGS
    why = "a style does not change who is shown" if keep else "the tag may belong to the style"
    return Attribute("probability", _TAG_TOLERANCE, keep, why)


def attribute_values(
    images: np.ndarray,
    poses: np.ndarray | None = None,
    scales: np.ndarray | None = None,
    colors: Sequence[Mapping[str, Rgb | None]] | None = None,
    tags: np.ndarray | None = None,
    tag_names: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Return each attribute of N faces as N float64, NaN where it is unknown.

    `images` are N×S×S×3 uint8; `poses` N×3 degrees (yaw, pitch, roll) and `scales` N distances between the eyes as
    parts of the side, both NaN where no face was found; `colors` map `skin`, `hair`, `left_eye` and `right_eye` to
    sRGB or None; `tags` are N×T probabilities of `tag_names`.
    """
    values = {} if poses is None else _columns(("yaw", "pitch", "roll"), poses)
    if scales is not None:
        values["scale"] = np.log2(np.asarray(scales, np.float64))
    for part, names in PARTS.items() if colors is not None else ():
        labs = np.array([_lab(each, names) for each in colors or ()], np.float64).reshape(-1, 3)
        values |= {f"{part}_lightness": labs[:, 0], f"{part}_chroma": chroma(labs)}
    lightness = [lab_of(image)[..., 0] for image in images]
    values["brightness"] = np.array([each.mean() for each in lightness], np.float64)
    values["contrast"] = np.array([each.std() for each in lightness], np.float64)
    if tags is not None:
        values |= _columns(tag_names, tags)
    if wrong := [name for name, of_faces in values.items() if len(of_faces) != len(images)]:
        raise ValueError(f"{', '.join(wrong)}: not as many values as the {len(images)} images")
    return values


def _columns(names: Sequence[str], table: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(names, np.asarray(table, np.float64).T, strict=True))


def _lab(colors: Mapping[str, Rgb | None], names: Sequence[str]) -> np.ndarray:
    known = [color for name in names if (color := colors.get(name)) is not None]
    return lab_of(np.array(known)).mean(axis=0) if known else np.full(3, np.nan)


def attribute_mismatch(
    source: Values, outputs: Values, target: Values, seed: int, keep: Collection[str] | None = None
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return for each attribute how a translation changed its distribution, and of which it cannot be said.

    `source` are N faces and `outputs` what became of them, in the same order; `target` are M real faces. `keep` names
    what should be kept in place of the table's. Each attribute has `source`, `output` and `target` (medians),
    `from_source` and `to_target` (Wasserstein distances of the outputs, in the attribute's unit, with intervals),
    `before` (that of the sources to the target), `verdict` (see `judge`), and `mismatch`: it should be kept, and was
    not.
    """
    measured: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    unknown = np.full(1, np.nan)
    for name, of_outputs in outputs.items():
        attribute = attribute_of(name)
        is_kept = attribute.keep if keep is None else name in keep
        of_source, of_target = source.get(name, unknown), target.get(name, unknown)
        known = np.isfinite(of_source) & np.isfinite(of_outputs)
        there = of_target[np.isfinite(of_target)]
        if known.sum() < _MIN_FACES or len(there) < _MIN_FACES:
            missing[f"attributes.{name}"] = (
                f"known of {known.sum()} faces and their outputs and of {len(there)} real ones; "
                f"{_MIN_FACES} of each are needed"
            )
            continue
        change = judge(of_source[known], of_outputs[known], there, attribute.tolerance, seed)
        measured[name] = _as_dict(change, attribute, is_kept) | {"of": int(known.sum())}
    return measured, missing


@dataclass(frozen=True)
class Change:
    """How the distribution of one attribute changed: medians, Wasserstein distances, and the verdict."""

    medians: dict[str, float]
    from_source: Estimate
    to_target: Estimate
    before: float
    verdict: Verdict


def judge(source: np.ndarray, outputs: np.ndarray, target: np.ndarray, tolerance: float, seed: int) -> Change:
    """Return how an attribute of N faces differs in what became of them, beside M faces of the target; no NaN.

    Two samples of one distribution are some distance apart as well: what the distance is when each face and its output
    change places at random is taken off, and what is left is the change. Over bootstrap resamples of the pairs and of
    the target: `kept` where the change is at most the tolerance in all but 2.5%, else `undecided` where it is not
    above it in all but 2.5% either. A change that has brought the outputs nearer to the target than the sources
    were, again in all but 2.5%, is `moved towards the target`, every other `changed otherwise`.
    """
    random = np.random.default_rng(seed)
    drawn = [_resample(source, outputs, target, random) for _ in range(_RESAMPLES)]
    from_source, to_target, excess, gain = np.array(drawn).T
    ends = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    least, most = np.quantile(excess, ends)
    nearer = np.quantile(gain, ends[0]) > 0
    verdict: Verdict = "moved towards the target" if nearer else "changed otherwise"
    if most <= tolerance:
        verdict = "kept"
    elif least <= tolerance:
        verdict = "undecided"
    medians = {"source": source, "output": outputs, "target": target}
    return Change(
        {name: float(np.median(values)) for name, values in medians.items()},
        Estimate(wasserstein_distance(outputs, source), *np.quantile(from_source, ends).tolist()),
        Estimate(wasserstein_distance(outputs, target), *np.quantile(to_target, ends).tolist()),
        float(wasserstein_distance(source, target)),
        verdict,
    )


def _resample(
    source: np.ndarray, outputs: np.ndarray, target: np.ndarray, random: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return, once resampled, outputs to source, outputs to target, the change, and how much nearer they came."""
    pairs = random.integers(len(source), size=len(source))
    before, after = source[pairs], outputs[pairs]
    there = target[random.integers(len(target), size=len(target))]
    swaps = random.random(len(pairs)) < 0.5
    by_chance = _paired(np.where(swaps, after, before), np.where(swaps, before, after))
    from_source, to_target = _paired(after, before), wasserstein_distance(after, there)
    return from_source, to_target, from_source - by_chance, wasserstein_distance(before, there) - to_target


def _paired(values: np.ndarray, others: np.ndarray) -> float:
    """Return the Wasserstein distance of two samples of one size."""
    return float(np.abs(np.sort(values) - np.sort(others)).mean())


def _as_dict(change: Change, attribute: Attribute, keep: bool) -> dict[str, Any]:
    return {
        **{name: round(median, _DIGITS) for name, median in change.medians.items()},
        "from_source": change.from_source.as_dict(),
        "to_target": change.to_target.as_dict(),
        "before": round(change.before, _DIGITS),
        "unit": attribute.unit,
        "verdict": change.verdict,
        "keep": keep,
        "mismatch": keep and change.verdict in ("moved towards the target", "changed otherwise"),
    }


def mismatches(attributes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each attribute that should have been kept and was not."""
    return [
        f"{name.replace('_', ' ')} should be kept, but {found['verdict']}: median {found['source']:.3g} became "
        f"{found['output']:.3g}, the target's is {found['target']:.3g} ({found['unit']})"
        for name, found in attributes.items()
        if found["mismatch"]
    ]
