"""detect@<source>: finds the faces of every image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import images, parts
from pipeline.faces.detection import find_faces
from pipeline.faces.detectors import load_detector
from pipeline.faces.detectors.base import Detection
from pipeline.params import ByRole, load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row
from pipeline.takedowns import Takedowns, load_takedowns


@dataclass(frozen=True)
class Options:
    """What the stage reads of params.yaml."""

    detectors: ByRole[str]
    long_side_px: int
    min_score: float
    max_faces: int


def detect(options: Options, image: Row) -> list[Row]:
    """Return a row for each face of a raw image, or why there is none."""
    try:
        rgb = images.decode(image["bytes"])
    except images.ImageProblem as problem:
        return [partwise.rejection("detect", image, problem.reason, problem.detail)]
    detector = options.detectors.of(image["role"])
    if detector is None:
        return [partwise.rejection("detect", image, "no_domain", f"the role is {image['role']!r}")]
    return faces_of(options, detector, image["image_id"], rgb)


def faces_of(options: Options, detector: str, image_id: str, rgb: np.ndarray) -> list[Row]:
    """Return a row for each face of HxWx3 uint8 RGB, or one that says that there is none."""
    if detector == "none":
        height, width = rgb.shape[:2]
        faces = [Detection((0, 0, width, height), 1.0)]
    else:
        model = load_detector(detector)
        faces = find_faces(rgb, model, options.long_side_px, options.min_score, options.max_faces)
    if not faces:
        return [partwise.rejection("detect", {"image_id": image_id}, "no_face", f"{detector} found nothing")]
    return [_row(image_id, index, face, detector) for index, face in enumerate(faces)]


STAGE = partwise.PartStage("detect", ("raw",), "detections", parts.DETECTIONS, detect)


def run(source: str) -> None:
    """Detect the faces of one source."""
    params = load_params()
    detectors = params.domains_of(source).map(lambda domain: str(domain.detector))
    options = Options(detectors, **params.detect.model_dump())
    weights = set(detectors.all()) - {"none"}
    partwise.run(
        STAGE, source, options, weights, params.engine.worker_count, _taken_down(source, load_takedowns())
    )


def _taken_down(source: str, takedowns: Takedowns) -> dict[str, frozenset[str]]:
    """Return, by part, which raw images are taken down, should an older version of the part have come back."""
    found = {}
    for part in parts.list_parts(parts.folder("raw", source)) if takedowns else ():
        rows = parts.read_rows(part, ["image_id", "url", "subject"])
        if listed := [row["image_id"] for row in rows if takedowns.covers(**row)]:
            found[part.name] = frozenset(listed)
    return found


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
    }
