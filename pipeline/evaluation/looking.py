"""What is found on aligned crops, each looked at once: faces, landmarks, pose, scale and colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.attributes import attribute_values
from pipeline.evaluation.judges import Tags
from pipeline.faces.colors import Rgb
from pipeline.faces.detection import Search
from pipeline.faces.pose import estimate_pose
from pipeline.metrics.color_consistency import seen_colors
from pipeline.metrics.output_faces import look
from pipeline.metrics.points import Points, eye_distance

NO_LANDMARKS = "none"


@dataclass(frozen=True)
class Looking:
    """How the faces of a domain are found, and marked: None and `none` where the picture is the face."""

    search: Search | None
    model: str

    @property
    def drawn(self) -> bool:
        """Whether the faces are cartoons."""
        return self.search is not None and self.search.faces == "cartoon"

    @property
    def finds_landmarks(self) -> bool:
        """Whether any landmarks can be found."""
        return self.search is not None and self.model != NO_LANDMARKS


@dataclass(frozen=True)
class Seen:
    """N×S×S×3 uint8 images, on each the number of faces and the best one's 68×2 landmarks (px) or None."""

    images: np.ndarray
    faces: Sequence[int]
    points: Points
    drawn: bool

    def colors(self) -> list[Mapping[str, Rgb | None]]:
        """Return each face's colours; none where no face was found."""
        return [
            seen_colors(image, points, self.drawn)
            for image, points in zip(self.images, self.points, strict=True)
        ]

    def attributes(self, tags: Tags | None) -> dict[str, np.ndarray]:
        """Return every attribute, N values each; see `pipeline.evaluation.attributes`."""
        unknown = (np.nan, np.nan, np.nan)
        poses = [unknown if points is None else estimate_pose(points) for points in self.points]
        side = self.images.shape[1]
        return attribute_values(
            self.images,
            np.array(poses, np.float64).reshape(-1, len(unknown)),
            np.array([np.nan if points is None else eye_distance(points) / side for points in self.points]),
            self.colors(),
            None if tags is None else tags.probabilities(self.images),
            () if tags is None else tags.names,
        )


def see(images: np.ndarray, looking: Looking) -> Seen:
    """Look at N×S×S×3 uint8 crops; where nothing can be found each picture counts as one face without landmarks."""
    if looking.search is None:
        return Seen(images, [1] * len(images), [None] * len(images), False)
    found = look(images, looking.search, looking.model)
    return Seen(images, [each.faces for each in found], [each.points_68 for each in found], looking.drawn)
