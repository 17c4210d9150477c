"""The rendered faces against their ground truth: found, eyes, landmarks and colours.

`python -m benchmarks.demo_faces [COUNT]`
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.real_pictures import REPOSITORY
from pipeline.faces import alignment
from pipeline.faces.colors import estimate_colors
from pipeline.faces.warping import warp
from pipeline.metrics.color_consistency import delta_e
from pipeline.params import Align, load_params
from pipeline.sources.demo import cartoons, portraits
from pipeline.sources.demo.truth import Face, Picture
from pipeline.stages import detect, landmarks

DRAWERS = {"portrait": (portraits.draw, "photo"), "cartoon": (cartoons.draw, "anime")}
COLOR_PARTS = ("skin", "hair", "left_eye", "right_eye")


@dataclass
class Measured:
    """How many faces were found, and how far off each measure was."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    trust: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """By part, the confidence and the ΔE00 of each face's colour."""


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 240
    for style in DRAWERS:
        measured = measure(style, count)
        print(f"{style}: " + ", ".join(f"{what} {number}" for what, number in measured.counts.items()))
        for name, values in measured.errors.items():
            median, most, nearly_all = np.quantile(values, (0.5, 0.9, 0.95))
            print(
                f"  {name}: median {median:.3g}, 90% {most:.3g}, 95% {nearly_all:.3g}, worst {max(values):.3g}"
            )
        for part, pairs in measured.trust.items():
            quarters = np.array_split([error for _, error in sorted(pairs)], 4)
            medians = ", ".join(f"{np.median(quarter):.3g}" for quarter in quarters)
            print(f"  {part} ΔE00 by quarters of rising confidence: medians {medians}")


def measure(style: str, count: int) -> Measured:
    """Detect, mark and align the first `count` pictures of a style, and compare with the truth."""
    draw, domain_name = DRAWERS[style]
    params = load_params(REPOSITORY / "params.yaml")
    domain = params.domains[domain_name]
    search = detect.search_of(domain, params.detect)
    marking = landmarks.marking_of(domain, params.landmarks)
    measured = Measured()
    for index in range(count):
        picture = draw(0, index)
        rows = [row for row in detect.faces_of(search, "", picture.pixels) if not row.get("reason")]
        matched = matches(picture, rows)
        measured.counts += Counter(
            {
                "findable": sum(face.findable for face in picture.faces),
                "findable found": sum(face.findable for face, _ in matched),
                "hidden": sum(not face.findable for face in picture.faces),
                "hidden found": sum(not face.findable for face, _ in matched),
                "found without a face there": len(rows) - len(matched),
            }
        )
        for face, row in matched:
            marked = landmarks.landmarks_of(marking, picture.pixels, row)
            if marked.get("reason"):
                measured.counts[marked["reason"]] += 1
            else:
                compare(params.align, domain.faces == "cartoon", picture, face, row | marked, measured)
    return measured


def matches(picture: Picture, rows: Iterable[dict]) -> list[tuple[Face, dict]]:
    """Return each true face with the found one whose box has the middle between its eyes."""
    found = []
    for face in picture.faces:
        x, y = (np.array(face.left_eye) + face.right_eye) / 2
        for row in rows:
            left, top, right, bottom = row["box_xyxy"]
            if left <= x <= right and top <= y <= bottom:
                found.append((face, row))
                break
    return found


def compare(
    settings: Align, drawn: bool, picture: Picture, face: Face, row: dict, measured: Measured
) -> None:
    errors = measured.errors
    eyes, truth = np.array(row["eyes"]), np.array([face.left_eye, face.right_eye])
    apart = np.linalg.norm(truth[1] - truth[0])
    errors["eye error / eye distance"].append(float(np.linalg.norm(eyes - truth, axis=1).max() / apart))
    points = np.array(row["points_68"])
    away = np.linalg.norm(points - face.landmarks_68, axis=1).mean()
    errors["68-point error / eye distance"].append(float(away / apart))
    matrix = alignment.eye_similarity(eyes, settings.size_px, settings.eye_y, settings.eye_distance)
    goal = np.array([(0.5 + side * settings.eye_distance / 2, settings.eye_y) for side in (-1, 1)])
    placed = alignment.transform(truth, matrix) / settings.size_px
    off = float(np.linalg.norm(placed - goal, axis=1).max())
    errors["eyes from their places / side"].append(off)
    errors[f"the same, {'findable' if face.findable else 'hidden'} faces"].append(off)
    errors["yaw error, degrees"].append(abs(row["yaw_deg"] - face.yaw_deg))
    crop = warp(picture.pixels, matrix, settings.size_px)
    colors = estimate_colors(
        crop,
        alignment.transform(points, matrix),
        alignment.transform(eyes, matrix),
        drawn,
        {color["name"]: tuple(color["rgb"]) for color in row["colors"]},
        scale=float(np.hypot(matrix[0, 0], matrix[1, 0])),
    )
    for part, color in colors.items():
        if color is not None:
            off = delta_e(color.rgb, getattr(face, f"{part}_rgb"))
            errors[f"{part} ΔE00"].append(off)
            measured.trust[part].append((color.confidence, off))
        else:
            measured.counts[f"{part} unseen"] += 1


if __name__ == "__main__":
    main()
