"""Document 000: what λ of the way back does, and whether domains of like pose and scale help.

Both are asked of ultrasound-like renderings of faces and of photographs of other faces, none of which is a pair; the
photograph behind each rendering of the test is the truth that a translation is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.claims.arms import Arm, Trained, measured
from pipeline.claims.cutting import aligned, dataset, in_splits, whole
from pipeline.claims.lab import Lab
from pipeline.claims.options import cyclegan
from pipeline.claims.rendered import Faces, render
from pipeline.claims.ultrasound_like import ultrasound_like
from pipeline.claims.verdicts import Finding, compare
from pipeline.datasets.conditions import to_images, to_tensor
from pipeline.datasets.matching import match
from pipeline.metrics.psnr import psnr_per_image
from pipeline.metrics.ssim import ssim_per_image

_TEST = 0.2
# How sharply the two domains are parted by yaw and scale: all along, and little in common.
_YAW_DEG, _SCALE = 6.0, 0.12


def lambda_cycle(lab: Lab) -> list[Finding]:
    """Compare λ 10 and 1: the way back, and how much an image changes."""
    numbers = {
        weight: measured(
            lab, Arm(_photographs(lab), _cyclegan(lab, lambda_cycle=weight)), "faithful", _faithful
        )
        for weight in (10.0, 1.0)
    }
    back, change = (
        {f"λ {weight:g}": of[name] for weight, of in numbers.items()} for name in ("back", "change")
    )
    return [
        compare("error of the image after the way there and back (0 to 255), 10 minus 1", "below 0", **back),
        compare("mean change of the image by the translation (0 to 255), 10 minus 1", "below 0", **change),
    ]


def matched(lab: Lab) -> list[Finding]:
    """Compare domains unlike in yaw and scale with the same ones matched by weights."""
    arms = {name: Arm(folder, _cyclegan(lab)) for name, folder in _unlike(lab).items()}
    numbers = {name: measured(lab, arm, "to the truth", _to_truth) for name, arm in arms.items()}
    return [
        compare(
            f"{label} to the true photograph, matched minus unmatched",
            "above 0",
            **{name: of[key] for name, of in numbers.items()},
        )
        for key, label in (("ssim", "SSIM"), ("psnr", "PSNR"))
    ]


def _cyclegan(lab: Lab, **options: Any) -> dict[str, Any]:
    return cyclegan(lab.effort, ("ultrasound", "baby"), lab.effort.size_px, **options)


def _photographs(lab: Lab) -> Path:
    """Write renderings and photographs of different people, aligned."""
    source, target = in_splits(aligned(render(lab, "portrait"), lab.effort.size_px), _TEST, parts=2)
    return dataset(lab, "aligned", ultrasound=_rendered(source), baby=target, truth=source)


def _rendered(faces: Faces) -> Faces:
    """Return the faces as ultrasound might render them, with nothing before them."""
    made = [ultrasound_like(image, None, place).image for place, image in enumerate(faces.images)]
    return Faces(np.stack(made), faces.points, faces.rows)


def _unlike(lab: Lab) -> dict[str, Path]:
    """Write two datasets of the same faces, unlike in yaw and scale: as they are, and with weights that match them."""
    source, target = in_splits(whole(render(lab, "portrait"), lab.effort.size_px), _TEST, parts=2)
    source, target = _leaning(source, 1, seed=1), _leaning(target, -1, seed=2)
    training = {"ultrasound": _frame(source), "baby": _frame(target)}
    weights = match(training, ["yaw", "scale"], "reweight")
    sides = {}
    for name in ("matched", "unmatched"):
        pair = [
            _weighted(faces, weights[domain] if name == "matched" else np.ones(len(weights[domain])))
            for faces, domain in ((source, "ultrasound"), (target, "baby"))
        ]
        sides[name] = dataset(lab, name, ultrasound=_rendered(pair[0]), baby=pair[1], truth=pair[0])
    return sides


def _leaning(faces: Faces, way: int, seed: int) -> Faces:
    """Return faces of which those to train on look mostly one way and are mostly large, or the other and small."""
    yaw = np.array([row["yaw_deg"] for row in faces.rows])
    size = np.log2([row["eye_distance_px"] for row in faces.rows])
    lean = way * (yaw / _YAW_DEG + (size - np.median(size)) / _SCALE)
    kept = np.random.default_rng(seed).random(len(faces)) < 1 / (1 + np.exp(-lean))
    test = np.array([row["split"] == "test" for row in faces.rows])
    return faces.take(np.flatnonzero(kept | test))


def _frame(faces: Faces) -> pd.DataFrame:
    frame = pd.DataFrame(faces.rows)
    return frame[frame["split"] == "train"].reset_index(drop=True)


def _weighted(faces: Faces, weights: np.ndarray) -> Faces:
    """Return faces with weights of those to train on; those of weight 0 stay out, as the stage `dataset` has it."""
    of_all = np.ones(len(faces))
    of_all[[place for place, row in enumerate(faces.rows) if row["split"] == "train"]] = weights
    return faces.with_rows(weight=of_all.tolist()).take(np.flatnonzero(of_all > 0))


def _faithful(trained: Trained) -> Mapping[str, float]:
    method, domain = trained.method(), trained.dataset.domains["ultrasound"]
    inputs = np.array(domain.images[domain.indices("test")])
    back = to_images(method.translate_back(to_tensor(inputs), "baby", "ultrasound"))
    return {
        "back": _difference(back, inputs),
        "change": _difference(trained.outputs("ultrasound", "baby"), inputs),
    }


def _difference(images: np.ndarray, others: np.ndarray) -> float:
    return float(np.abs(images.astype(np.float64) - others).mean())


def _to_truth(trained: Trained) -> Mapping[str, float]:
    truth = np.load(trained.dataset_folder / "truth.images.npy")
    outputs = trained.outputs("ultrasound", "baby")
    wanted = truth[trained.dataset.domains["ultrasound"].indices("test")]
    return {
        "ssim": float(ssim_per_image(outputs, wanted).mean()),
        "psnr": float(psnr_per_image(outputs, wanted).mean()),
    }
