"""align@<source>: cuts every face out with its eyes at fixed places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from pipeline import images, parts
from pipeline.faces import alignment, quality
from pipeline.faces.equalization import equalize
from pipeline.faces.warping import warp
from pipeline.params import Align, AlignMethod, ByRole, Domain, load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row


@dataclass(frozen=True)
class Cut:
    """How faces are cut out: what kind they are, by which method, where the eyes lie, and how crops are stored."""

    faces: Literal["real", "cartoon", "whole"]
    method: AlignMethod
    equalize: Literal["none", "global", "clahe"]
    size_px: int
    eye_y: float
    eye_distance: float
    format: str


@dataclass(frozen=True)
class Options:
    """What the stage reads of params.yaml, by role."""

    cut: ByRole[Cut]


def align(options: Options, image: Row, faces: list[Row]) -> list[Row]:
    """Return the crop of each face of a raw image that has landmarks, or why there is none."""
    if not faces:
        return []
    cut = options.cut.of(image["role"])
    if cut is None:
        return [partwise.rejection("align", face, "no_domain", "") for face in faces]
    rgb = images.decode(image["bytes"])
    return [align_face(cut, rgb, face) for face in faces]


STAGE = partwise.PartStage("align", ("raw", "landmarks"), "aligned", parts.ALIGNED, align)


def run(source: str) -> None:
    """Align the faces of one source."""
    params = load_params()
    cuts = params.domains_of(source).map(lambda domain: cut_of(domain, params.align))
    partwise.run(STAGE, source, Options(cuts), (), params.engine)


def cut_of(domain: Domain, settings: Align) -> Cut:
    """Return how a domain's faces are cut out."""
    own = {"method": domain.align or settings.method, "equalize": domain.equalize}
    return Cut(faces=domain.faces, **(settings.model_dump() | own))


def align_face(cut: Cut, rgb: np.ndarray, face: Row) -> Row:
    """Return the crop of one face of HxWx3 uint8 RGB and what was measured on it, or why there is none."""
    height, width = rgb.shape[:2]
    if _lacks_points(cut, face):
        detail = f"the eyes are known, but not the 68 landmarks that the method {cut.method!r} needs"
        return partwise.rejection("align", face, "bad_landmarks", detail)
    try:
        matrix, size_px = _similarity(cut, width, height, face)
    except alignment.DegenerateEyesError as error:
        return partwise.rejection("align", face, "degenerate_eyes", str(error))
    matrix = matrix.round(10)
    crop = warp(rgb, matrix, size_px)
    return {
        "image_id": face["image_id"],
        "face_id": face["face_id"],
        "bytes": images.encode(equalize(crop, cut.equalize), cut.format),
        "matrix": matrix.ravel().tolist(),
        "size_px": size_px,
        "faces": cut.faces,
        "equalized": cut.equalize,
        "padded": round(alignment.padded_fraction(width, height, matrix, size_px), 4),
        "eye_distance_px": _eye_distance(face),
        **_measured(cut, rgb, matrix, crop, face),
    }


def _lacks_points(cut: Cut, face: Row) -> bool:
    """Say whether a face whose eyes were corrected by hand is cut out by landmarks that do not agree with them."""
    return cut.method in ("landmarks", "ffhq") and cut.faces != "whole" and face["points_68"] is None


def _similarity(cut: Cut, width: int, height: int, face: Row) -> tuple[np.ndarray, int]:
    """Return the 2x3 matrix from picture to crop, and the crop's side."""
    if cut.method == "as_is":
        return alignment.central_square(width, height)
    if cut.faces == "whole":
        return alignment.whole_similarity(width, height, cut.size_px), cut.size_px
    eyes, places = np.array(face["eyes"]), (cut.size_px, cut.eye_y, cut.eye_distance)
    if cut.method == "eyes":
        return alignment.eye_similarity(eyes, *places), cut.size_px
    points_68 = np.array(face["points_68"])
    if cut.method == "landmarks":
        return alignment.landmark_similarity(points_68, *places), cut.size_px
    return alignment.ffhq_similarity(eyes, points_68, cut.size_px), cut.size_px


def _measured(cut: Cut, rgb: np.ndarray, matrix: np.ndarray, crop: np.ndarray, face: Row) -> Row:
    """Return what tells good crops from bad, on the face at one size, before its luminance is equalised.

    A picture that is kept as it is counts at its own size where that is smaller.
    """
    side = min(len(crop), quality.REFERENCE_PX) if cut.method == "as_is" else quality.REFERENCE_PX
    to_reference = matrix * (side / len(crop))
    reference = crop if side == len(crop) else warp(rgb, to_reference, side)
    points_68 = face.get("points_68")
    in_reference = None if points_68 is None else alignment.transform(np.array(points_68), to_reference)
    hint = None if in_reference is None else quality.occlusion_hint(reference, in_reference)
    return {
        "sharpness": round(quality.sharpness(reference), 2),
        "exposure": _rounded(quality.exposure(reference, in_reference)),
        "occlusion": _rounded(hint),
        "phash": images.perceptual_hash(Image.fromarray(reference)),
    }


def _eye_distance(face: Row) -> float | None:
    if face.get("eyes") is None:
        return None
    left, right = np.array(face["eyes"])
    return round(float(np.hypot(*(right - left))), 2)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
