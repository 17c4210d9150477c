"""Finding the faces of one picture: detectors in turn, at fixed sizes, what is no face left out, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.faces import detectors
from pipeline.faces.detectors.base import Detection
from pipeline.faces.detectors.reduced import search_at
from pipeline.faces.drawn import confirmed, search_drawn
from pipeline.faces.mesh import WEIGHTS as MESH
from pipeline.faces.mesh import fit_mesh

# Below this the face mesh says that it lies on no face.
_MIN_PRESENCE = 0.5
# It sees faces in speech bubbles; a user's own detector is taken at its word.
_CHECKED_CARTOON_DETECTOR = "animeface"


@dataclass(frozen=True)
class Search:
    """How a picture is searched; see `Domain` and `Detect` of `pipeline.params`."""

    faces: Literal["real", "cartoon"]
    detectors: tuple[str, ...]
    long_side_px: int = 640
    group_long_side_px: int = 1280
    min_score: float = 0.5
    max_faces: int = 64
    check: bool = True

    @property
    def checks(self) -> bool:
        """Whether finds must pass the face mesh, which knows real faces only."""
        return self.check and self.faces == "real"


@dataclass(frozen=True)
class Found:
    """The faces of a picture by falling score, who found them, and how many finds were no faces."""

    faces: list[Detection]
    detector: str
    refused: int


def weights_of(search: Search) -> set[str]:
    """Return the names of the weight files that a search needs."""
    needed = {weights for name in search.detectors for weights in detectors.weights_of(name)}
    return needed | {MESH} if search.checks else needed


def find_faces(rgb: np.ndarray, search: Search) -> Found:
    """Return the faces of HxWx3 uint8 RGB: those of the first detector that finds any which pass the check."""
    refused = 0
    for name in search.detectors:
        finds = _finds_of_cartoons if search.faces == "cartoon" else _finds_of_people
        found, kept = finds(rgb, search, name)
        refused += len(found) - len(kept)
        if kept:
            return Found(kept[: search.max_faces], name, refused)
    return Found([], search.detectors[-1], refused)


def _finds_of_people(rgb: np.ndarray, search: Search, name: str) -> tuple[list[Detection], list[Detection]]:
    """Return what a detector of real faces finds, and what of it passes the check."""
    found = _sorted(search_at(rgb, detectors.load_detector(name), search.long_side_px), search.min_score)
    return found, [face for face in found if not search.checks or is_face(rgb, face)]


def _finds_of_cartoons(rgb: np.ndarray, search: Search, name: str) -> tuple[list[Detection], list[Detection]]:
    """Return what a detector of drawn faces finds, and what of it passes the check."""
    detector = detectors.load_detector(name)
    found = search_drawn(rgb, detector, search.long_side_px, search.group_long_side_px)
    found = _sorted(found, search.min_score)
    if not search.check or name != _CHECKED_CARTOON_DETECTOR:
        return found, found
    return found, [face for find in found if (face := confirmed(rgb, find, detector)) is not None]


def is_face(rgb: np.ndarray, face: Detection) -> bool:
    """Say whether the face mesh takes a real face for one: it does not take animals, plots or scenery."""
    known = {"left_eye", "right_eye"} <= face.points.keys()
    eyes = np.array([face.points["left_eye"], face.points["right_eye"]]) if known else None
    return fit_mesh(rgb, face.box_xyxy, eyes).presence >= _MIN_PRESENCE


def _sorted(faces: Sequence[Detection], min_score: float) -> list[Detection]:
    likely = [face for face in faces if face.score >= min_score]
    return sorted(likely, key=lambda face: (-face.score, face.box_xyxy))
