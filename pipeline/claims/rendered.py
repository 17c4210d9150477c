"""Rendered faces whose landmarks, pose and colours are known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.claims.effort import Effort
from pipeline.claims.lab import Lab
from pipeline.datasets.crops import reduce
from pipeline.faces.ibug import eye_centers
from pipeline.parts import atomic_path, write_json
from pipeline.progress import counter
from pipeline.sources.demo import cartoons, portraits, surgery
from pipeline.sources.demo.truth import Picture

Style = Literal["portrait", "cartoon", "before", "after"]
_RENDERED_BY = ("sources/demo", "claims/rendered.py")
_COLORS = ("skin_rgb", "hair_rgb", "left_eye_rgb", "right_eye_rgb")


@dataclass(frozen=True)
class Faces:
    """Pictures of one face each: `images` N×P×P×3 uint8, `points` N×68×2 px, and what else is true of each."""

    images: np.ndarray
    points: np.ndarray
    rows: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Sequence[int] | np.ndarray) -> Faces:
        """Return those faces, in that order."""
        chosen = [int(place) for place in places]
        return Faces(self.images[chosen], self.points[chosen], [self.rows[place] for place in chosen])

    def with_rows(self, **columns: Sequence[Any]) -> Faces:
        """Return the same faces with more said of each."""
        told = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return Faces(
            self.images, self.points, [row | more for row, more in zip(self.rows, told, strict=True)]
        )


def render(lab: Lab, style: Style) -> Faces:
    """Return the rendered pictures of a style that show one face that can be found.

    Those of `before` and `after` are of the same cases, in the same order.
    """
    what = {"style": style, "pictures": lab.effort.pictures, "px": lab.effort.picture_px}
    place = lab.once("rendered", what, _RENDERED_BY, lambda folder: _render(folder, style, lab.effort))
    rows = json.loads((place / "rows.json").read_text(encoding="utf-8"))
    images = np.load(place / "images.npy", mmap_mode="r")
    return Faces(images, np.load(place / "points.npy"), rows)


def _render(folder: Path, style: Style, effort: Effort) -> dict[str, int]:
    drawn = list(_drawn(style, effort))
    for name, values in (("images", [one for one, _, _ in drawn]), ("points", [one for _, one, _ in drawn])):
        with atomic_path(folder / f"{name}.npy") as path, path.open("wb") as file:
            np.save(file, np.stack(values), allow_pickle=False)
    write_json(folder / "rows.json", [row for _, _, row in drawn])
    return {"faces": len(drawn)}


def _drawn(style: Style, effort: Effort) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    with counter(f"claims: rendering, {style}", effort.pictures, "picture") as progress:
        for index in range(effort.pictures):
            picture = _draw(style, index)
            progress.update()
            if len(picture.faces) != 1 or not picture.faces[0].findable:
                continue
            (face,) = picture.faces
            scale = effort.picture_px / len(picture.pixels)
            points = (face.landmarks_68 + 0.5) * scale - 0.5
            left, right = eye_centers(points)
            row = {
                "face_id": f"{style}-{index}",
                "subject": f"{style}-{index}",
                "yaw_deg": face.yaw_deg,
                "pitch_deg": face.pitch_deg,
                "roll_deg": face.roll_deg,
                "eye_distance_px": float(np.linalg.norm(right - left)),
                **{name: [int(value) for value in getattr(face, name)] for name in _COLORS},
            }
            yield reduce(picture.pixels, effort.picture_px), points.astype(np.float32), row


def _draw(style: Style, index: int) -> Picture:
    if style == "before" or style == "after":
        return surgery.draw(0, index, style)
    return {"portrait": portraits, "cartoon": cartoons}[style].draw(0, index)
