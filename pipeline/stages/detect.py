"""detect@<source>: finds the faces of every image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import images, parts
from pipeline.faces.detection import find_faces
from pipeline.faces.detectors import load_detector
from pipeline.faces.detectors.base import Detection
from pipeline.params import load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row


@dataclass(frozen=True)
class Options:
    """What the stage reads of params.yaml."""

    detector: str
    long_side_px: int
    min_score: float
    max_faces: int


def detect(options: Options, image: Row) -> list[Row]:
    """Return a row for each face of a raw image, or why there is none."""
    try:
        rgb = images.decode(image["bytes"])
    except images.ImageProblem as problem:
        return [partwise.rejection("detect", image, problem.reason, problem.detail)]
    return faces_of(options, image["image_id"], rgb)


def faces_of(options: Options, image_id: str, rgb: np.ndarray) -> list[Row]:
    """Return a row for each face of HxWx3 uint8 RGB, or one that says that there is none."""
    if options.detector == "none":
        height, width = rgb.shape[:2]
        faces = [Detection((0, 0, width, height), 1.0)]
    else:
        detector = load_detector(options.detector)
        faces = find_faces(rgb, detector, options.long_side_px, options.min_score, options.max_faces)
    if not faces:
        return [
            partwise.rejection(
                "detect", {"image_id": image_id}, "no_face", f"{options.detector} found nothing"
            )
        ]
    return [_row(image_id, index, face, options.detector) for index, face in enumerate(faces)]


STAGE = partwise.PartStage("detect", ("raw",), "detections", parts.DETECTIONS, detect)


def run(source: str) -> None:
    """Detect the faces of one source."""
    params = load_params()
    domain = params.domain_of(source)
    options = Options(domain.detector, **params.detect.model_dump())
    weights = () if domain.detector == "none" else (domain.detector,)
    partwise.run(STAGE, source, options, weights, params.engine.worker_count)


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
