"""landmarks@<source>: finds the eyes and the 68 landmarks of every face, and its pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import images, parts
from pipeline.faces import landmarks as find
from pipeline.faces.ibug import eye_centers
from pipeline.faces.pose import estimate_pose, roll_of_eyes
from pipeline.params import ByRole, load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row


@dataclass(frozen=True)
class Options:
    """What the stage reads of params.yaml: by role, what kind of faces there are and the model for them."""

    faces: ByRole[str]
    models: ByRole[str]
    max_disagreement: float


@dataclass(frozen=True)
class FaceOptions:
    """The options for one image."""

    faces: str
    model: str
    max_disagreement: float


def landmarks(options: Options, image: Row, faces: list[Row]) -> list[Row]:
    """Return the landmarks of each face that was detected in a raw image, or why it has none."""
    if not faces:
        return []
    kind, model = options.faces.of(image["role"]), options.models.of(image["role"])
    if kind is None or model is None:
        return [partwise.rejection("landmarks", face, "no_domain", "") for face in faces]
    if kind == "whole":
        return [_ids(face) for face in faces]
    rgb = images.decode(image["bytes"])
    return [landmarks_of(FaceOptions(kind, model, options.max_disagreement), rgb, face) for face in faces]


STAGE = partwise.PartStage("landmarks", ("raw", "detections"), "landmarks", parts.LANDMARKS, landmarks)


def run(source: str) -> None:
    """Find the landmarks of one source."""
    params = load_params()
    domains = params.domains_of(source)
    models = domains.map(lambda domain: str(domain.landmarks))
    options = Options(
        domains.map(lambda domain: str(domain.faces)), models, params.landmarks.max_disagreement
    )
    weights = set(models.all()) - {"none"}
    partwise.run(STAGE, source, options, weights, params.engine.worker_count)


def landmarks_of(options: FaceOptions, rgb: np.ndarray, face: Row) -> Row:
    """Return the landmarks of one detected face of HxWx3 uint8 RGB, or why it has none."""
    named = {point["name"]: (point["x"], point["y"]) for point in face["points"]}
    if options.faces == "cartoon":
        eyes, mouth = np.array([named["left_eye"], named["right_eye"]]), np.array(named["mouth"])
        if not find.is_upright(eyes, mouth):
            return partwise.rejection("landmarks", face, "bad_landmarks", "the mouth is not below the eyes")
        if options.model == "none":
            return _ids(face) | {"eyes": eyes.round(2).tolist(), "roll_deg": roll_of_eyes(eyes)}
        points = find.predict_68_cartoon(rgb, named)
        # On large drawn eyes the detector sits high and wide, the model of people low: between them is best.
        eyes = (eyes + eye_centers(points)) / 2
        disagreement = find.disagreement_with_detector(points, named)
    else:
        points = find.predict_68(rgb, tuple(face["box_xyxy"]))
        eyes = eye_centers(points)
        disagreement = find.disagreement_with_itself(rgb, tuple(face["box_xyxy"]), points)
    if disagreement > options.max_disagreement:
        detail = f"eyes or mouth {disagreement:.2f} eye distances off, at most {options.max_disagreement}"
        return partwise.rejection("landmarks", face, "bad_landmarks", detail)
    return _ids(face) | {
        "points_68": points.round(2).tolist(),
        "eyes": eyes.round(2).tolist(),
        "model": options.model,
        "quality": round(1 - disagreement / options.max_disagreement, 3),
        **_pose(options.faces, points, eyes),
    }


def _pose(faces: str, points: np.ndarray, eyes: np.ndarray) -> dict[str, float]:
    pose = estimate_pose(points)
    if faces == "cartoon":
        # Drawn faces have their mouth where it pleases: on a head of human proportions that reads as a nod.
        return {"yaw_deg": pose.yaw_deg, "roll_deg": roll_of_eyes(eyes)}
    return pose._asdict()


def _ids(face: Row) -> Row:
    return {"image_id": face["image_id"], "face_id": face["face_id"]}
