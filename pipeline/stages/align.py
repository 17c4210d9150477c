"""align@<source>: cuts every face out with its eyes at fixed places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline import images, parts
from pipeline.faces import alignment
from pipeline.faces.quality import sharpness
from pipeline.params import ByRole, load_params
from pipeline.stages import partwise
from pipeline.stages.partwise import Row


@dataclass(frozen=True)
class Options:
    """What the stage reads of params.yaml."""

    faces: ByRole[str]
    size_px: int
    eye_y: float
    eye_distance: float
    format: str


def align(options: Options, image: Row, faces: list[Row]) -> list[Row]:
    """Return the crop of each face of a raw image that has landmarks, or why there is none."""
    if not faces:
        return []
    kind = options.faces.of(image["role"])
    if kind is None:
        return [partwise.rejection("align", face, "no_domain", "") for face in faces]
    rgb = images.decode(image["bytes"])
    return [_align_face(options, kind, rgb, face) for face in faces]


STAGE = partwise.PartStage("align", ("raw", "landmarks"), "aligned", parts.ALIGNED, align)


def run(source: str) -> None:
    """Align the faces of one source."""
    params = load_params()
    faces = params.domains_of(source).map(lambda domain: str(domain.faces))
    options = Options(faces, **params.align.model_dump())
    partwise.run(STAGE, source, options, (), params.engine.worker_count)


def _align_face(options: Options, kind: str, rgb: np.ndarray, face: Row) -> Row:
    height, width = rgb.shape[:2]
    eye_distance = None
    if kind == "whole":
        matrix = alignment.whole_similarity(width, height, options.size_px)
    else:
        eyes = np.array(face["eyes"])
        eye_distance = round(float(np.hypot(*(eyes[1] - eyes[0]))), 2)
        try:
            matrix = alignment.eye_similarity(eyes, options.size_px, options.eye_y, options.eye_distance)
        except alignment.DegenerateEyesError as error:
            return partwise.rejection("align", face, "degenerate_eyes", str(error))
    crop = alignment.warp(rgb, matrix, options.size_px)
    return {
        "image_id": face["image_id"],
        "face_id": face["face_id"],
        "bytes": images.encode(crop, options.format),
        "matrix": matrix.round(6).ravel().tolist(),
        "size_px": options.size_px,
        "faces": kind,
        "padded": round(alignment.padded_fraction(width, height, matrix, options.size_px), 4),
        "eye_distance_px": eye_distance,
        "sharpness": round(sharpness(crop), 2),
        "phash": images.perceptual_hash(Image.fromarray(crop)),
    }
