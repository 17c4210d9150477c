"""What a detector is and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

Point = tuple[float, float]


@dataclass(frozen=True)
class Detection:
    """One found face, in pixels of the image that was searched; left and right as seen in the image.

    `score` lies in 0..1, and 0.5 is the detector's own threshold. `points` may hold `left_eye`, `right_eye`,
    `nose`, `mouth` and `chin`; `colors` may hold `skin`, `hair`, `left_eye` and `right_eye` as sRGB 0..255.
    `eye_size` is the height of the eyes over the height of the box, where the detector knows it.
    """

    box_xyxy: tuple[float, float, float, float]
    score: float
    points: Mapping[str, Point] = field(default_factory=dict)
    colors: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    eye_size: float | None = None

    def scaled(self, factor: float) -> Detection:
        """Return the face in an image that is `factor` times as large."""
        left, top, right, bottom = (side * factor for side in self.box_xyxy)
        points = {name: (x * factor, y * factor) for name, (x, y) in self.points.items()}
        return replace(self, box_xyxy=(left, top, right, bottom), points=points)


class Detector(Protocol):
    """Finds faces in HxWx3 uint8 RGB."""

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces of one picture, in no particular order."""
        ...
