"""landmarks@<source>: finds the eyes and the 68 landmarks of every face, and its pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline import images, parts
from pipeline.faces.ibug import eye_centers
from pipeline.faces.landmarks import weights_of
from pipeline.faces.landmarks.marking import Marked, Point, Unmarkable, mark_cartoon, mark_real
from pipeline.faces.pose import roll_of_eyes
from pipeline.params import ByRole, Domain, Landmarks, load_params
from pipeline.reviews import Eyes, eyes_by_image, faces_with_eyes, read_corrected_eyes
from pipeline.stages import partwise
from pipeline.stages.partwise import Row, Said

BY_HAND = "eyes by hand"
# What corrected eyes make good: a profile stays one, whoever shows its eyes.
_RESCUED = ("eye_missing", "bad_landmarks")


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


def landmarks(options: Options, image: Row, faces: list[Row], corrected: Sequence[Eyes] = ()) -> list[Row]:
    """Return the landmarks of each face that was detected in a raw image, or why it has none.

    `corrected` are eyes that people have shown, each of one of the faces.
    """
    if not faces:
        return []
    marking = options.marking.of(image["role"])
    if marking is None:
        return [partwise.rejection("landmarks", face, "no_domain", "") for face in faces]
    if marking.faces == "whole":
        return [_ids(face) for face in faces]
    rgb = images.decode(image["bytes"])
    by_hand = faces_with_eyes(corrected, [face["box_xyxy"] for face in faces])
    return [landmarks_of(marking, rgb, face, by_hand.get(number)) for number, face in enumerate(faces)]


STAGE = partwise.PartStage("landmarks", ("raw", "detections"), "landmarks", parts.LANDMARKS, landmarks)


def run(source: str) -> None:
    """Find the landmarks of one source."""
    params = load_params()
    markings = params.domains_of(source).map(lambda domain: marking_of(domain, params.landmarks))
    weights = {name for marking in markings.all() for name in weights_of(marking.faces, marking.model)}
    corrected = _corrected(source, eyes_by_image(read_corrected_eyes()))
    partwise.run(STAGE, source, Options(markings), weights, params.engine, corrected)


def _corrected(source: str, eyes: Mapping[str, list[Eyes]]) -> Said:
    """Return the corrected eyes of a source's images."""
    return partwise.said_by_part(source, (), lambda row: eyes.get(row["image_id"])) if eyes else {}


def marking_of(domain: Domain, settings: Landmarks) -> Marking:
    """Return how a domain's faces are marked."""
    limits = settings.max_disagreement
    believed = limits.cartoon if domain.faces == "cartoon" else limits.real
    return Marking(domain.faces, domain.landmarks, believed, settings.max_abs_yaw_deg)


def landmarks_of(marking: Marking, rgb: np.ndarray, face: Row, by_hand: Eyes | None = None) -> Row:
    """Return the landmarks of one detected face of HxWx3 uint8 RGB, or why it has none.

    `by_hand` are its eyes where a person has shown them.
    """
    named = {point["name"]: (point["x"], point["y"]) for point in face["points"]}
    try:
        if by_hand is not None:
            return _ids(face) | _corrected_row(marking, rgb, face, named, by_hand)
        marked = _believed(_mark(marking, rgb, face, named), marking)
    except Unmarkable as problem:
        return partwise.rejection("landmarks", face, problem.reason, problem.detail)
    return _ids(face) | _row(marked, marking)


def _corrected_row(
    marking: Marking, rgb: np.ndarray, face: Row, named: Mapping[str, Point], by_hand: Eyes
) -> Row:
    """Return what is known of a face with these eyes: of the model's landmarks, those that agree with them.

    Where the detector knows eyes, these take their place, so that the model looks at the face as it stands.
    """
    if named:
        named = {**named, "left_eye": by_hand[0], "right_eye": by_hand[1]}
    eyes = np.array(by_hand, dtype=float)
    try:
        marked = _believed(_with_eyes(_mark(marking, rgb, face, named), eyes), marking)
    except Unmarkable as problem:
        if problem.reason not in _RESCUED:
            raise
        marked = Marked(eyes, None, None, None, None, roll_of_eyes(eyes))
    model = BY_HAND if marked.points_68 is None else f"{marking.model}, {BY_HAND}"
    return _row(marked, marking) | {"model": model}


def _mark(marking: Marking, rgb: np.ndarray, face: Row, named: Mapping[str, Point]) -> Marked:
    box = tuple(face["box_xyxy"])
    if marking.faces == "cartoon":
        return mark_cartoon(rgb, named, marking.model, box)
    return mark_real(rgb, box, named, marking.model, marking.max_abs_yaw_deg)


def _with_eyes(marked: Marked, eyes: np.ndarray) -> Marked:
    """Return a marked face with other eyes (2x2 px), and how far its landmarks lie from these."""
    roll = roll_of_eyes(eyes)
    if marked.points_68 is None or marked.disagreement is None:
        return replace(marked, eyes=eyes, roll_deg=roll)
    off = np.linalg.norm(eye_centers(marked.points_68) - eyes, axis=1).max()
    apart = max(marked.disagreement, float(off / np.linalg.norm(eyes[1] - eyes[0])))
    return replace(marked, eyes=eyes, disagreement=apart, roll_deg=roll)


def _believed(marked: Marked, marking: Marking) -> Marked:
    """Return a marked face whose points agree with what else is known of it; raise `Unmarkable` otherwise."""
    if (marked.disagreement or 0) > marking.max_disagreement:
        apart = f"{marked.disagreement:.2f} eye distances off, at most {marking.max_disagreement}"
        raise Unmarkable("bad_landmarks", f"eyes or mouth {apart}")
    return marked


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
