"""landmarks@<source>: finds the eyes and the 68 landmarks of every face, and its pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import images, parts
from pipeline.faces.landmarks import weights_of
from pipeline.faces.landmarks.marking import Marked, Unmarkable, mark_cartoon, mark_real
from pipeline.params import ByRole, Domain, Landmarks, load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row


@dataclass(frozen=True)
class Marking:
    """How faces are marked: what kind they are, by which model, and when its points are believed."""

    faces: str
    model: str
    max_disagreement: float
    max_abs_yaw_deg: float


@dataclass(frozen=True)
class Options:
    """What the stage reads of params.yaml, by role."""

    marking: ByRole[Marking]


def landmarks(options: Options, image: Row, faces: list[Row]) -> list[Row]:
    """Return the landmarks of each face that was detected in a raw image, or why it has none."""
    if not faces:
        return []
    marking = options.marking.of(image["role"])
    if marking is None:
        return [partwise.rejection("landmarks", face, "no_domain", "") for face in faces]
    if marking.faces == "whole":
        return [_ids(face) for face in faces]
    rgb = images.decode(image["bytes"])
    return [landmarks_of(marking, rgb, face) for face in faces]


STAGE = partwise.PartStage("landmarks", ("raw", "detections"), "landmarks", parts.LANDMARKS, landmarks)


def run(source: str) -> None:
    """Find the landmarks of one source."""
    params = load_params()
    markings = params.domains_of(source).map(lambda domain: marking_of(domain, params.landmarks))
    weights = {name for marking in markings.all() for name in weights_of(marking.faces, marking.model)}
    partwise.run(STAGE, source, Options(markings), weights, params.engine)


def marking_of(domain: Domain, settings: Landmarks) -> Marking:
    """Return how a domain's faces are marked."""
    limits = settings.max_disagreement
    believed = limits.cartoon if domain.faces == "cartoon" else limits.real
    return Marking(domain.faces, domain.landmarks, believed, settings.max_abs_yaw_deg)


def landmarks_of(marking: Marking, rgb: np.ndarray, face: Row) -> Row:
    """Return the landmarks of one detected face of HxWx3 uint8 RGB, or why it has none."""
    named = {point["name"]: (point["x"], point["y"]) for point in face["points"]}
    try:
        if marking.faces == "cartoon":
            marked = mark_cartoon(rgb, named, marking.model, tuple(face["box_xyxy"]))
        else:
            marked = mark_real(rgb, tuple(face["box_xyxy"]), named, marking.model, marking.max_abs_yaw_deg)
    except Unmarkable as problem:
        return partwise.rejection("landmarks", face, problem.reason, problem.detail)
    if (marked.disagreement or 0) > marking.max_disagreement:
        apart = f"{marked.disagreement:.2f} eye distances off, at most {marking.max_disagreement}"
        return partwise.rejection("landmarks", face, "bad_landmarks", f"eyes or mouth {apart}")
    return _ids(face) | _row(marked, marking)


def _row(marked: Marked, marking: Marking) -> Row:
    row = {
        "eyes": marked.eyes.round(2).tolist(),
        "yaw_deg": marked.yaw_deg,
        "pitch_deg": marked.pitch_deg,
        "roll_deg": marked.roll_deg,
    }
    if marked.points_68 is None or marked.disagreement is None:
        return row
    return row | {
        "points_68": marked.points_68.round(2).tolist(),
        "model": marking.model,
        "landmark_quality": round(1 - marked.disagreement / marking.max_disagreement, 3),
    }


def _ids(face: Row) -> Row:
    return {"image_id": face["image_id"], "face_id": face["face_id"]}
