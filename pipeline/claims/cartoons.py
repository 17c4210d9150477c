"""Document 004: what landmarks and colours do to drawn faces, and what it learned by trial and error.

Rendered portraits become cartoons; landmarks and colours of both are known, not estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import wasserstein_distance
from skimage.color import rgb2lab

from pipeline.claims.arms import Arm, Trained, measured
from pipeline.claims.cutting import aligned, dataset, in_splits
from pipeline.claims.lab import Lab
from pipeline.claims.marking import marked, usual_box
from pipeline.claims.options import cyclegan, pix2pix
from pipeline.claims.rendered import render
from pipeline.claims.verdicts import Expected, Finding, compare, missing
from pipeline.datasets.arrays import DomainArrays
from pipeline.faces import embedding
from pipeline.faces.detection import Search
from pipeline.methods import build_method
from pipeline.metrics.color_consistency import PARTS, color_consistency
from pipeline.metrics.kid import kid
from pipeline.metrics.landmark_consistency import landmark_errors
from pipeline.metrics.output_faces import look
from pipeline.metrics.single_face import one_face
from pipeline.metrics.ssim import ssim_per_image

_TEST = 0.2
_BATCH = 4
_PAIRED = 3
_DOMAINS = ("photo", "anime")
_KNOWN = ("skin", "hair", "left_eye", "right_eye")
_SEARCH = Search("cartoon", ("animeface",))
_GEOMETRY: tuple[tuple[str, str, Expected], ...] = (
    ("error", "error of the outputs' 68 landmarks (distances between the eyes)", "below 0"),
    ("found", "share of outputs in which one face is found", "above 0"),
)
_LANDMARKS = {"conditions": ["landmarks"]}
_COLORS = {"conditions": ["landmarks", "colors"]}


def landmarks(lab: Lab) -> list[Finding]:
    """Compare translations with and without landmarks: how far the outputs' landmarks are from those asked."""
    arrays = arrays_of(lab, lab.effort.large_px)
    arms = {
        "CycleGAN": _cyclegan(lab, arrays, lab.effort.large_px),
        "CycleGAN with landmarks": _cyclegan(lab, arrays, lab.effort.large_px, **_LANDMARKS),
        "pix2pix from landmarks": _pix2pix(lab, arrays, **_LANDMARKS),
    }
    numbers = {name: measured(lab, arm, "geometry", _geometry) for name, arm in arms.items()}
    plain, *told = arms
    findings = []
    for name in told:
        for key, label, expected in _GEOMETRY:
            sides = {side: numbers[side][key] for side in (name, plain)}
            found = compare(f"{label}, {name} minus {plain}", expected, **sides)
            # How the instrument judges what is beyond doubt.
            real = float(np.mean(numbers[name][f"{key} of real cartoons"]))
            findings.append(replace(found, sides=(found.sides or {}) | {"real cartoons": real}))
    return findings


def colors(lab: Lab) -> list[Finding]:
    """Compare pix2pix that is told colours with one that is not: how far made colours are from those asked."""
    arrays = arrays_of(lab, lab.effort.large_px)
    arms = {
        "with colours": _pix2pix(lab, arrays, **_COLORS),
        "without": _pix2pix(lab, arrays, **_LANDMARKS),
    }
    numbers = {name: measured(lab, arm, "colours", _colors) for name, arm in arms.items()}
    findings = []
    for part in PARTS:
        measure = f"ΔE00 of {part} between asked and made, with colour planes minus without"
        if all(part in of for of in numbers.values()):
            findings.append(compare(measure, "below 0", **{name: of[part] for name, of in numbers.items()}))
        else:
            findings.append(missing(measure, f"no colour of {part} can be seen on the outputs"))
    return findings


def plane_default(lab: Lab) -> list[Finding]:
    """Compare landmarks of pixel 1 on 0 with 255 on 127.5: whether weights and losses explode."""
    arrays = arrays_of(lab, lab.effort.size_px)
    arms = {
        name: _cyclegan(lab, arrays, lab.effort.size_px, **_LANDMARKS, landmark_pixels=pixels)
        for name, pixels in (("0 and 1", [0.0, 1.0]), ("127.5 and 255", [127.5, 255.0]))
    }
    numbers = {name: measured(lab, arm, "growth", _growth) for name, arm in arms.items()}
    diverged = {name: of["diverged"] for name, of in numbers.items()}
    findings = [
        compare("share of trainings that diverged, 0 and 1 minus 127.5 and 255", "above 0", **diverged)
    ]
    measure = "growth of the generators' weights (ln of their norm's ratio), 0 and 1 minus 127.5 and 255"
    if any(any(shares) for shares in diverged.values()):
        findings.append(missing(measure, "a training diverged and left no weights"))
    else:
        findings.append(compare(measure, "above 0", **{name: of["growth"] for name, of in numbers.items()}))
    return findings


def batch_size(lab: Lab) -> list[Finding]:
    """Compare batches of 1 and of 4 after the same number of images."""
    size_px, large_px = lab.effort.size_px, lab.effort.large_px
    small, large = arrays_of(lab, size_px), arrays_of(lab, large_px)
    fewer, fewer_of_pairs = (
        {"batch_size": _BATCH, "steps": -(-steps // _BATCH)}
        for steps in (lab.effort.steps, _PAIRED * lab.effort.large_steps)
    )
    cyclegan = {"batch 1": _cyclegan(lab, small, size_px), "batch 4": _cyclegan(lab, small, size_px, **fewer)}
    pix2pix = {
        "batch 1": _pix2pix(lab, large, **_COLORS),
        "batch 4": _pix2pix(lab, large, **_COLORS, **fewer_of_pairs),
    }
    kids = {name: measured(lab, arm, "kid", _kid)["kid"] for name, arm in cyclegan.items()}
    ssims = {name: measured(lab, arm, "own", _own_likeness)["ssim"] for name, arm in pix2pix.items()}
    return [
        compare(f"CycleGAN: KID ({embedding.NAME}) to held-out cartoons, batch 1 minus 4", "below 0", **kids),
        compare(
            "pix2pix: SSIM of held-out cartoons made of what is told of them, batch 1 minus 4",
            "above 0",
            **ssims,
        ),
    ]


def color_distribution(lab: Lab) -> list[Finding]:
    """Ask whether translated faces have the colours of the target's faces rather than those of the source's."""
    arm = _cyclegan(lab, arrays_of(lab, lab.effort.size_px), lab.effort.size_px)
    numbers = measured(lab, arm, "colour distribution", _distances)
    return [
        compare(
            "Wasserstein distance of the outputs' colours (Lab) to the target's minus to the source's",
            "below 0",
            **{"to the target": numbers["target"], "to the source": numbers["source"]},
        )
    ]


def arrays_of(lab: Lab, size_px: int) -> Path:
    """Write rendered portraits and cartoons, aligned."""
    photo, anime = (
        in_splits(aligned(faces, size_px), _TEST)[0]
        for faces in (render(lab, "portrait"), render(lab, "cartoon"))
    )
    return dataset(lab, "cartoons", photo=photo, anime=anime)


def _cyclegan(lab: Lab, arrays: Path, size_px: int, **options: Any) -> Arm:
    return Arm(arrays, cyclegan(lab.effort, _DOMAINS, size_px, **options))


def _pix2pix(lab: Lab, arrays: Path, **options: Any) -> Arm:
    return Arm(arrays, pix2pix(lab.effort, _DOMAINS, lab.effort.large_px, _PAIRED, **options))


def _geometry(trained: Trained) -> Mapping[str, float]:
    """Return how well photographs turned cartoons keep their landmarks, and the same of held-out cartoons."""
    of, to = trained.dataset.domains["photo"], trained.dataset.domains["anime"]
    box, asked, own = usual_box(to), of.points[of.indices("test")], to.points[to.indices("test")]
    outputs, real = trained.outputs("photo", "anime"), _held_out(to)
    return {
        "error": _landmark_error(outputs, asked, box),
        "error of real cartoons": _landmark_error(real, own, box),
        "found": _share_with_face(outputs),
        "found of real cartoons": _share_with_face(real),
    }


def _landmark_error(images: np.ndarray, asked: np.ndarray, box: tuple[float, ...]) -> float:
    errors = landmark_errors([marked(image, box) for image in images], list(asked))
    return float(np.median([error for error in errors if error is not None]))


def _share_with_face(images: np.ndarray) -> float:
    return float(one_face([seen.faces for seen in look(images, _SEARCH, "none")])["value"])


def _colors(trained: Trained) -> Mapping[str, float]:
    """Return the median ΔE00 of each part of held-out cartoons made of what is told of them."""
    domain = trained.dataset.domains["anime"]
    test = domain.indices("test")
    asked = [
        {part: tuple(row[f"{part}_rgb"]) for part in _KNOWN} for row in domain.rows.take(test).to_pylist()
    ]
    outputs = trained.outputs("anime", "anime")
    found = color_consistency(outputs, asked, list(domain.points[test]), drawn=True, seed=0)
    return {part: of["value"] for part, of in found.items() if of["value"] is not None}


def _growth(trained: Trained) -> Mapping[str, float]:
    if trained.diverged:
        return {"diverged": 1.0}
    torch.manual_seed(trained.seed)
    first = build_method(trained.experiment, torch.Generator().manual_seed(trained.seed))
    last = trained.method()
    norms = [
        torch.cat([weights.flatten() for weights in each.parameters(*last.shipped)]).norm()
        for each in (first, last)
    ]
    return {"diverged": 0.0, "growth": torch.log(norms[1] / norms[0]).item()}


def _kid(trained: Trained) -> Mapping[str, float]:
    domain = trained.dataset.domains["anime"]
    return {
        "kid": kid(embedding.embed(trained.outputs("photo", "anime")), embedding.embed(_held_out(domain)))
    }


def _own_likeness(trained: Trained) -> Mapping[str, float]:
    domain = trained.dataset.domains["anime"]
    return {"ssim": float(ssim_per_image(trained.outputs("anime", "anime"), _held_out(domain)).mean())}


def _distances(trained: Trained) -> Mapping[str, float]:
    outputs = trained.outputs("photo", "anime")
    sides = {"source": "photo", "target": "anime"}
    return {
        side: color_distance(outputs, _held_out(trained.dataset.domains[name]))
        for side, name in sides.items()
    }


def _held_out(domain: DomainArrays) -> np.ndarray:
    return np.array(domain.images[domain.indices("test")])


def color_distance(images: np.ndarray, others: np.ndarray) -> float:
    """Return how far apart two sets of N×H×W×3 uint8 images are in colour: Wasserstein-1, mean of the axes of Lab."""
    one, other = (rgb2lab(np.asarray(each)).reshape(-1, 3) for each in (images, others))
    return float(np.mean([wasserstein_distance(one[:, axis], other[:, axis]) for axis in range(3)]))
