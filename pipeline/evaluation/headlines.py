"""What each measured number is called, which way is better, and its estimate out of a metrics file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.metrics.intervals import Estimate


@dataclass(frozen=True)
class Headline:
    """A number that experiments are compared by; `better: none` says that neither way is."""

    label: str
    better: Literal["lower", "higher", "none"]
    meaning: str


# What is told beside a number, and not compared.
_FACTS = ("accuracy_of_constant", "found", "of", "compared", "real")
# By the start of its name; what follows names the features, or what was compared.
HEADLINES = {
    "kid": Headline("KID", "lower", "distance between the sets of outputs and of real faces, unbiased"),
    "fid": Headline("FID", "lower", "distance between the sets as two Gaussians; too high for small sets"),
    "is": Headline(
        "Inception score", "higher", "how sure and how varied ImageNet's classes are; says little of faces"
    ),
    "precision": Headline("precision", "higher", "share of outputs among the real faces"),
    "recall": Headline("recall", "higher", "share of real faces among the outputs"),
    "density": Headline(
        "density", "higher", "how many real faces' neighbourhoods an output lies in; 1 for real ones"
    ),
    "coverage": Headline("coverage", "higher", "share of real faces with an output in their neighbourhood"),
    "psnr": Headline("PSNR", "higher", "decibels of the range above the error"),
    "ms_ssim": Headline("MS-SSIM", "higher", "likeness of structure at several scales"),
    "ssim": Headline("SSIM", "higher", "likeness of structure, in valid windows"),
    "lpips": Headline("LPIPS", "lower", "difference as a network sees it"),
    "one_face": Headline(
        "one face", "higher", "share of outputs in which the detector finds exactly one face"
    ),
    "landmark_consistency": Headline(
        "landmarks",
        "lower",
        "distance of the outputs' landmarks from those asked, in distances between the eyes",
    ),
    "pose_shift": Headline("pose shift", "lower", "how far the head has turned, in degrees"),
    "scale_shift": Headline("scale shift", "lower", "how much larger or smaller the face became, as |log2|"),
    "color_consistency": Headline(
        "colours", "lower", "ΔE00 between the colours asked and made; 2 is just noticeable"
    ),
    "identity": Headline("identity", "higher", "cosine of the face's embedding before and after"),
    "own_input_nearest": Headline(
        "own input nearest",
        "higher",
        "share of outputs to which, of all test inputs, their own is the nearest; by chance 1 of their number",
    ),
    "relative_change": Headline(
        "relative change",
        "none",
        "how much outputs differ from their inputs as a part of what the truth does: 0 copies the input",
    ),
    "profile_distance": Headline(
        "profile distance",
        "lower",
        "how unlike the truth's the parts of the face are that changed, however much: 0 the same, 1 others",
    ),
    "change": Headline("change", "none", "mean difference of outputs from their inputs, 0 to 255"),
    "copies": Headline("copies", "lower", "share of outputs suspected to be copies of a training image"),
    "mismatched_attributes": Headline(
        "changed attributes", "lower", "of the attributes that should be kept, how many were not"
    ),
    "condition_swap": Headline("response", "none", "how much outputs change when only this condition does"),
    "mean_average_precision": Headline("mAP", "higher", "mean over the tags of the average precision"),
    "accuracy": Headline("accuracy", "higher", "share of right decisions over all tags"),
    "rank_1": Headline("rank-1", "higher", "share of probes whose most likely person is the right one"),
    "eer": Headline("EER", "lower", "error rate at which strangers let in and people kept out are equal"),
    "tar": Headline("TAR", "higher", "share of genuine pairs accepted where this share of others is"),
}


def headline(name: str) -> Headline | None:
    """Return what a flat name such as `kid_tagger` or `color_consistency.skin` is; None for one that is no headline."""
    start = _start(name)
    return None if start is None or name.split(".")[-1] in _FACTS else HEADLINES[start]


def label(name: str) -> str:
    """Return a flat name in words: `KID (tagger)`."""
    start = _start(name)
    if start is None:
        return _words(name)
    of = _words(name.removeprefix(start).lstrip("_."))
    return HEADLINES[start].label + (f" ({of})" if of else "")


def _start(name: str) -> str | None:
    known = [start for start in HEADLINES if name == start or name.startswith((f"{start}_", f"{start}."))]
    return max(known, key=len, default=None)


def _words(name: str) -> str:
    return name.removesuffix("_deg").replace("_", " ").replace(".", ", ")


def estimates(metrics: Mapping[str, Any]) -> dict[str, Estimate]:
    """Return every headline of one way by its flat name.

    Where there are several seeds, it is their mean and its interval; a number without an interval is its own.
    """
    found = dict(_flat(metrics, ""))
    for name, over in metrics.get("seeds", {}).items():
        found[name] = Estimate(over["mean"], over["low"], over["high"])
    return found


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Estimate]]:
    for name, value in values.items():
        full = f"{prefix}{name}"
        if headline(full) is None:
            continue
        if not isinstance(value, Mapping):
            yield full, Estimate(value, value, value)
        elif value.get("value", ...) is None:
            continue
        elif "value" in value:
            yield (
                full,
                Estimate(value["value"], value.get("low", value["value"]), value.get("high", value["value"])),
            )
        else:
            yield from _flat(value, f"{full}.")
