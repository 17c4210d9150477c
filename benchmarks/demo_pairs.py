"""The rendered patients before and after surgery: pairs found and aligned, and how far which landmarks move.

`python -m benchmarks.demo_pairs [CASES]`
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from benchmarks.demo_faces import matches
from benchmarks.real_pictures import REPOSITORY
from pipeline.faces import alignment
from pipeline.params import Params, load_params
from pipeline.sources.demo import surgery
from pipeline.sources.demo.clinic import ROLES
from pipeline.sources.demo.plan import procedures
from pipeline.sources.demo.surgery import Sittings
from pipeline.sources.demo.truth import Picture
from pipeline.stages import detect, landmarks

# The landmarks of each operated region; the jaw's two ends, beside the eyes, stay where they are.
REGIONS = {"chin": range(1, 16), "nose": range(27, 36), "eyes": range(36, 48)}


@dataclass
class Measured:
    """How many pairs were found, and movements between the aligned faces of a pair as parts of the eye distance.

    `moved` holds, for what is operated on, a pair of means for each case: inside the operated region and outside.
    """

    counts: Counter[str] = field(default_factory=Counter)
    true_moved: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    found_moved: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    eyes_off: list[float] = field(default_factory=list)
    """How far true eyes lie from their places in the aligned crops, as parts of the side."""


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 48
    for sittings in get_args(Sittings):
        measured = measure(count, sittings)
        print(f"sittings {sittings}: " + ", ".join(f"{what} {n}" for what, n in measured.counts.items()))
        median, worst = np.median(measured.eyes_off), max(measured.eyes_off)
        print(f"  true eyes from their places / side: median {median:.3g}, worst {worst:.3g}")
        for whose, moved in (("true", measured.true_moved), ("found", measured.found_moved)):
            for name, means in sorted(moved.items()):
                inside, outside = np.median(means, axis=0)
                print(f"  {name}: {whose} landmarks move {inside:.3f} inside, {outside:.3f} outside")


def measure(count: int, sittings: Sittings) -> Measured:
    """Detect, mark and align both pictures of the first `count` cases, and compare them with each other."""
    params = load_params(REPOSITORY / "params.yaml")
    measured = Measured()
    for index in range(count):
        done = procedures(index)
        name = " and ".join(done)
        pictures = [surgery.draw(0, index, role, sittings) for role in ROLES]
        truth = [
            in_eye_distances(face.landmarks_68, np.array([face.left_eye, face.right_eye]))
            for picture in pictures
            for face in picture.faces
        ]
        measured.true_moved[name].append(movement(truth[0], truth[1], done))
        found = [row for picture in pictures if (row := marked(params, picture, measured))]
        measured.counts += Counter({"pairs": 1, "pairs found and marked": int(len(found) == len(ROLES))})
        if len(found) == len(ROLES):
            first, second = (
                in_eye_distances(np.array(row["points_68"]), np.array(row["eyes"])) for row in found
            )
            measured.found_moved[name].append(movement(first, second, done))
    return measured


def marked(params: Params, picture: Picture, measured: Measured) -> dict | None:
    """Return the picture's one face as the shipped stages find and mark it; None where they do not."""
    domain, settings = params.domains["photo"], params.align
    rows = detect.faces_of(detect.search_of(domain, params.detect), "", picture.pixels)
    hits = matches(picture, [row for row in rows if not row.get("reason")])
    measured.counts["faces too many"] += max(0, len(rows) - 1)
    if not hits:
        return None
    face, row = hits[0]
    row |= landmarks.landmarks_of(landmarks.marking_of(domain, params.landmarks), picture.pixels, row)
    if row.get("reason"):
        measured.counts[row["reason"]] += 1
        return None
    matrix = alignment.eye_similarity(
        np.array(row["eyes"]), settings.size_px, settings.eye_y, settings.eye_distance
    )
    goal = np.array([(0.5 + side * settings.eye_distance / 2, settings.eye_y) for side in (-1, 1)])
    placed = alignment.transform(np.array([face.left_eye, face.right_eye]), matrix) / settings.size_px
    measured.eyes_off.append(float(np.linalg.norm(placed - goal, axis=1).max()))
    return row


def in_eye_distances(points: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Return points (n, 2) in a frame whose origin and unit are the middle and the distance of the eyes."""
    return alignment.transform(points, alignment.eye_similarity(eyes, 1, 0.0, 1.0))


def movement(first: np.ndarray, second: np.ndarray, done: Collection[str]) -> tuple[float, float]:
    """Return how far landmarks move on average inside the regions operated on, and outside all of them."""
    inside = np.isin(np.arange(68), [point for name in done for point in REGIONS[name]])
    way = np.linalg.norm(second - first, axis=1)
    return float(way[inside].mean()), float(way[~inside].mean())


if __name__ == "__main__":
    main()
