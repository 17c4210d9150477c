"""detect@<source>: finds the faces of every image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import images, parts
from pipeline.faces.detection import Search, find_faces, weights_of
from pipeline.faces.detectors.base import Detection
from pipeline.params import ByRole, Detect, Domain, load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row, Said
from pipeline.takedowns import Takedowns, load_takedowns


@dataclass(frozen=True)
class Options:
    """What the stage reads of params.yaml: by role, how pictures are searched; None where they are the face."""

    search: ByRole[Search | None]


def detect(options: Options, image: Row, taken_down: bool = False) -> list[Row]:
    """Return a row for each face of a raw image, or why there is none; one that is taken down is not looked at."""
    if taken_down:
        return [partwise.rejection("detect", image, "taken_down", "")]
    try:
        rgb = images.decode(image["bytes"])
    except images.ImageProblem as problem:
        return [partwise.rejection("detect", image, problem.reason, problem.detail)]
    if not options.search.knows(image["role"]):
        return [partwise.rejection("detect", image, "no_domain", f"the role is {image['role']!r}")]
    return faces_of(options.search.of(image["role"]), image["image_id"], rgb)


def faces_of(search: Search | None, image_id: str, rgb: np.ndarray) -> list[Row]:
    """Return a row for each face of HxWx3 uint8 RGB, or one that says that there is none."""
    if search is None:
        height, width = rgb.shape[:2]
        return [_row(image_id, 0, Detection((0, 0, width, height), 1.0), "none")]
    found = find_faces(rgb, search)
    if found.faces:
        return [_row(image_id, index, face, found.detector) for index, face in enumerate(found.faces)]
    asked = ", then ".join(search.detectors)
    if found.refused:
        detail = f"{found.refused} found by {asked}, none passed the check"
        return [partwise.rejection("detect", {"image_id": image_id}, "not_a_face", detail)]
    return [partwise.rejection("detect", {"image_id": image_id}, "no_face", f"{asked} found nothing")]


def search_of(domain: Domain, settings: Detect) -> Search | None:
    """Return how a domain's pictures are searched."""
    if domain.faces == "whole":
        return None
    return Search(domain.faces, domain.detectors, **settings.model_dump())


STAGE = partwise.PartStage("detect", ("raw",), "detections", parts.DETECTIONS, detect)


def run(source: str) -> None:
    """Detect the faces of one source."""
    params = load_params()
    searches = params.domains_of(source).map(lambda domain: search_of(domain, params.detect))
    weights = {name for search in searches.all() if search for name in weights_of(search)}
    taken_down = _taken_down(source, load_takedowns())
    partwise.run(STAGE, source, Options(searches), weights, params.engine, taken_down)


def _taken_down(source: str, takedowns: Takedowns) -> Said:
    """Return which raw images are taken down, should an older version of a part have come back."""
    if not takedowns:
        return {}
    return partwise.said_by_part(source, ("url", "subject"), lambda row: takedowns.covers(**row))


def _row(image_id: str, index: int, face: Detection, detector: str) -> Row:
    return {
        "image_id": image_id,
        "face_id": f"{image_id}-{index}",
        "box_xyxy": [round(side, 2) for side in face.box_xyxy],
        "score": round(face.score, 4),
        "detector": detector,
        "points": [
            {"name": name, "x": round(x, 2), "y": round(y, 2)} for name, (x, y) in face.points.items()
        ],
        "colors": [{"name": name, "rgb": list(rgb)} for name, rgb in face.colors.items()],
        "eye_size": None if face.eye_size is None else round(face.eye_size, 3),
    }
