"""Document 001: what hides a face in the ultrasound, and which method takes it away.

Photographs of babies are made ultrasound-like with an occluder before them, so that the truth beneath is known. Half of
the babies are the ultrasound, the other half the photographs: no two belong together. Measured is what became of the
hidden part of test babies' faces alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline import images
from pipeline.claims.arms import Arm, Trained, measured
from pipeline.claims.cutting import dataset, in_splits
from pipeline.claims.judges import find_lpips
from pipeline.claims.lab import Lab
from pipeline.claims.options import cyclegan
from pipeline.claims.photographs import folder_of
from pipeline.claims.rendered import Faces
from pipeline.claims.ultrasound_like import OCCLUDERS, Occluder, ultrasound_like
from pipeline.claims.verdicts import Expected, Finding, compare, missing
from pipeline.datasets.crops import reduce
from pipeline.metrics.psnr import psnr_per_image
from pipeline.metrics.ssim import WINDOW_PX, ssim_per_image
from pipeline.networks.lpips import Lpips, lpips_per_image

METHODS = {"getgan": "GET-GAN", "cyclegan": "CycleGAN", "ugatit": "U-GAT-IT"}
_MEASURES: tuple[tuple[str, str, Expected], ...] = (
    ("ssim", "SSIM", "above 0"),
    ("psnr", "PSNR", "above 0"),
    ("lpips", "LPIPS (AlexNet)", "below 0"),
)
_TEST = 0.2
_NO_POINTS = np.full((68, 2), np.nan, np.float32)


def removed(lab: Lab) -> list[Finding]:
    """Compare GET-GAN with CycleGAN and U-GAT-IT for each class of occluder."""
    arrays = _hidden_babies(lab)
    network, reason = find_lpips()
    name = "hidden part" if network is None else "hidden part, with LPIPS"
    numbers = {
        method: measured(
            lab, Arm(arrays, _options(lab, method)), name, lambda one: _hidden_part(one, network)
        )
        for method in METHODS
    }
    getgan, *others = METHODS
    findings = []
    for other in others:
        for occluder in OCCLUDERS:
            for key, label, expected in _MEASURES:
                measure = (
                    f"{occluder}: {label} to the truth in the hidden part, GET-GAN minus {METHODS[other]}"
                )
                if key == "lpips" and network is None:
                    findings.append(missing(measure, reason))
                    continue
                sides = {METHODS[side]: numbers[side][f"{key}, {occluder}"] for side in (getgan, other)}
                findings.append(compare(measure, expected, **sides))
    return findings


def _options(lab: Lab, method: str) -> dict[str, Any]:
    width = lab.effort.width
    own: dict[str, Any] = {"method": method, "discriminator": {"width": width}}
    if method == "ugatit":
        # Two layers fewer than the paper's at 256 px leave the discriminators something to look at.
        seen = {"width": width, "global_layers": 5, "local_layers": 3}
        own |= {"generator": {"width": width}, "discriminator": seen}
    return cyclegan(lab.effort, ("ultrasound", "baby"), lab.effort.large_px, **own)


def _hidden_babies(lab: Lab) -> Path:
    """Write the babies as ultrasound with occluders and as photographs; test babies with each class of occluder."""
    source, target = in_splits(_babies(lab), _TEST, parts=2)
    hidden, truth, masks = _with_occluders(source)
    return dataset(lab, "hidden", ultrasound=hidden, baby=target, truth=truth, hidden=masks)


def _babies(lab: Lab) -> Faces:
    paths = sorted(folder_of("identity/baby").iterdir())[: lab.effort.photographs]
    crops = np.stack([reduce(images.decode(path.read_bytes()), lab.effort.large_px) for path in paths])
    rows = [{"face_id": path.stem} for path in paths]
    return Faces(crops, np.repeat(_NO_POINTS[None], len(paths), axis=0), rows)


def _with_occluders(faces: Faces) -> tuple[Faces, Faces, Faces]:
    """Return faces to train on with one occluder each, those to test with each of them; the truth; what is hidden."""
    shown: list[tuple[int, Occluder]] = []
    for place, row in enumerate(faces.rows):
        own = OCCLUDERS if row["split"] == "test" else (OCCLUDERS[place % len(OCCLUDERS)],)
        shown += [(place, occluder) for occluder in own]
    truth = faces.take([place for place, _ in shown])
    truth = truth.with_rows(title=[occluder for _, occluder in shown])
    made = [
        ultrasound_like(image, occluder, seed)
        for seed, (image, (_, occluder)) in enumerate(zip(truth.images, shown, strict=True))
    ]
    rows = [row | {"face_id": f"{row['face_id']} {row['title']}"} for row in truth.rows]
    masks = np.stack([np.repeat(one.hidden[..., None].astype(np.uint8) * 255, 3, axis=2) for one in made])
    return (
        Faces(np.stack([one.image for one in made]), truth.points, rows),
        Faces(truth.images, truth.points, rows),
        Faces(masks, truth.points, rows),
    )


def _hidden_part(trained: Trained, network: Lpips | None) -> Mapping[str, float]:
    domain = trained.dataset.domains["ultrasound"]
    test = domain.indices("test")
    truth, masks = (
        np.load(trained.dataset_folder / f"{name}.images.npy")[test] for name in ("truth", "hidden")
    )
    outputs, hidden = trained.outputs("ultrasound", "baby"), masks[..., 0] > 0
    values = {"ssim": ssim_inside(outputs, truth, hidden), "psnr": psnr_inside(outputs, truth, hidden)}
    if network is not None:
        values["lpips"] = lpips_per_image(_equal_outside(outputs, truth, hidden), truth, network)
    kinds = np.array(domain.rows["title"].to_pylist())[test]
    return {
        f"{name}, {occluder}": float(np.nanmean(of_images[kinds == occluder]))
        for name, of_images in values.items()
        for occluder in OCCLUDERS
    }


def psnr_inside(outputs: np.ndarray, truth: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the PSNR (dB) of each of N×H×W×3 uint8 images to its truth over the pixels `inside` (N×H×W bool).

    NaN where nothing is inside.
    """
    share = inside.mean(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        # Outside the images are made equal, and the error inside is spread over all pixels.
        found = psnr_per_image(_equal_outside(outputs, truth, inside), truth) + 10 * np.log10(share)
    return np.where(share > 0, found, np.nan)


def ssim_inside(outputs: np.ndarray, truth: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the SSIM of each of N×H×W×3 uint8 images to its truth over the valid windows that touch `inside`.

    The images are made equal elsewhere, where a window then has 1. NaN where no window touches.
    """
    touched = _share_of_windows(inside)
    found = ssim_per_image(_equal_outside(outputs, truth, inside), truth)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(touched > 0, 1 - (1 - found) / touched, np.nan)


def _equal_outside(outputs: np.ndarray, truth: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.where(inside[..., None], outputs, truth)


def _share_of_windows(inside: np.ndarray) -> np.ndarray:
    """Return for each mask how many of the valid windows hold a pixel of it."""
    reach, window = WINDOW_PX // 2, np.ones((WINDOW_PX, WINDOW_PX), np.uint8)
    touched = [
        cv2.dilate(mask.astype(np.uint8), window)[reach:-reach, reach:-reach].mean() for mask in inside
    ]
    return np.array(touched)
