"""The faces of the test split: which there are, what they look like, and the pictures that they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from pipeline import images, parts
from pipeline.errors import UserError
from pipeline.takedowns import Takedowns

CATALOGUE = parts.DATA / "catalogue" / "faces.parquet"
_SEEN_OF = ("face_id", "image_id", "source", "part", "url", "subject")


@dataclass(frozen=True)
class HeldOut:
    """A face of the catalogue, and where its picture lies."""

    face_id: str
    image_id: str
    source: str
    part: str

    @property
    def number(self) -> int:
        """Its place among the faces of its picture, from 0."""
        return int(self.face_id.rsplit("-", 1)[1])


def held_out_faces(domain: str, takedowns: Takedowns) -> list[HeldOut]:
    """Return the kept faces of a domain's test split that are not taken down; none where there is no catalogue."""
    if not CATALOGUE.exists():
        return []
    wanted = (pc.field("domain") == domain) & (pc.field("split") == "test") & pc.field("kept")
    rows = parts.read_table(CATALOGUE, _SEEN_OF, wanted).to_pylist()
    return [
        HeldOut(row["face_id"], row["image_id"], row["source"], row["part"])
        for row in rows
        if not takedowns.covers(row["image_id"], row["url"], row["subject"])
    ]


def crops_of(faces: Sequence[HeldOut]) -> list[np.ndarray]:
    """Return the faces' aligned crops, SxSx3 uint8 RGB, in their order; `UserError` where one is not there."""
    by_part = defaultdict(list)
    for face in faces:
        by_part[face.source, face.part].append(face.face_id)
    found: dict[str, bytes] = {}
    for (source, part), ids in by_part.items():
        path = parts.folder("aligned", source) / part
        if path.exists():
            table = parts.read_table(path, ("face_id", "bytes"), pc.field("face_id").isin(ids))
            found |= {row["face_id"]: row["bytes"] for row in table.to_pylist()}
    for face in faces:
        if face.face_id not in found:
            raise _missing(face)
    return [images.decode(found[face.face_id]) for face in faces]


def picture_of(face: HeldOut) -> bytes:
    """Return the encoded picture that a face was found in, as it was crawled; `UserError` where it is not there."""
    path = parts.folder("raw", face.source) / face.part
    if path.exists():
        rows = parts.read_table(path, ("bytes",), pc.field("image_id") == face.image_id).to_pylist()
        if rows:
            return bytes(rows[0]["bytes"])
    raise _missing(face)


def _missing(face: HeldOut) -> UserError:
    return UserError(
        f"data: the face {face.face_id[:12]} of the catalogue is not in {face.source}/{face.part}; run `dvc repro`"
    )
