"""Searching drawn pictures: through windows, at two sizes, and whether what is found is a face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.faces.detectors.base import Detection, Detector, Point
from pipeline.faces.detectors.reduced import search_at
from pipeline.faces.strips import Window, windows

# Detectors of drawn faces want room around a face: small pictures, mostly cut-out faces, get a border of a part of
# their side, and larger ones in which nothing is found are searched at this size once more.
_CLOSE_UP_PX = 256
_BORDER = 0.2
# More than one face, or one smaller than this part of the picture's longer side, suggests a group.
_SMALL = 0.15
# Two finds with a larger overlap over union are one face.
_SAME = 0.3
# The views in which a find must be found again: the box's side in pixels, mirrored or not; what its box and the one
# expected must share; and the sum of the likelihoods there. Chosen on 220 finds, 36 of them no faces: 172 of 184 faces
# pass, and 8 of the 36.
_VIEWS = ((64, False), (80, False), (100, True))
_VIEW_MARGIN = 0.5
_FOUND_AGAIN = 0.4
_MIN_LIKELIHOODS = 1.4
_OTHER_SIDE = {"left_eye": "right_eye", "right_eye": "left_eye"}


def search_drawn(
    rgb: np.ndarray, detector: Detector, long_side_px: int, group_long_side_px: int
) -> list[Detection]:
    """Return the faces of a drawn picture, HxWx3 uint8 RGB, each once, in the picture's own pixels.

    A picture larger than `long_side_px` is reduced to it, and if that shows nothing or a group, searched once more
    reduced to `group_long_side_px`. Strips are seen through windows (see `pipeline.faces.strips`), once each: they
    are hardly larger, and a second search found nothing in 59 windows but cost as much as the first.
    """
    seen = windows(rgb)
    group_px = group_long_side_px if len(seen) == 1 and seen[0] == (0, 0, *rgb.shape[1::-1]) else long_side_px
    found = [
        face for window in seen for face in _search_window(rgb, window, detector, long_side_px, group_px)
    ]
    return merged(_without_hidden_eyes(face, rgb) for face in found)


def merged(faces: Iterable[Detection]) -> list[Detection]:
    """Return each face once, the likeliest find of it."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: (-round(face.score, 2), -_area(face.box_xyxy), face.box_xyxy)):
        if all(overlap(face.box_xyxy, other.box_xyxy) <= _SAME for other in kept):
            kept.append(face)
    return kept


def confirmed(rgb: np.ndarray, face: Detection, detector: Detector) -> Detection | None:
    """Return a face that the detector finds again in other views of it, or None where it does not.

    Speech bubbles, folds and animals have one view that looks like a face, faces have many. The points are the means
    over the views in which all were seen.
    """
    seen, likelihood = [face.points], 0.0
    for side_px, mirrored in _VIEWS:
        view = _View.of(rgb, face.box_xyxy, side_px, mirrored)
        again = [
            find for find in detector(view.pixels) if overlap(find.box_xyxy, view.expected) > _FOUND_AGAIN
        ]
        if again:
            best = max(again, key=lambda find: find.score)
            likelihood += best.score
            seen.append(view.to_picture(best.points))
        if likelihood >= _MIN_LIKELIHOODS:
            return replace(
                face, points=_means([points for points in seen if points.keys() >= face.points.keys()])
            )
    return None


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return what two boxes (xyxy) share over what they cover together."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / max(_area(one) + _area(other) - shared, 1e-9)


def _search_window(
    rgb: np.ndarray, window: Window, detector: Detector, long_side_px: int, group_long_side_px: int
) -> list[Detection]:
    left, top, right, bottom = window
    pixels = rgb[top:bottom, left:right]
    long_side = max(pixels.shape[:2])
    if long_side <= _CLOSE_UP_PX:
        found = _search_close_up(pixels, detector)
    else:
        found = search_at(pixels, detector, long_side_px)
        if min(long_side, group_long_side_px) > long_side_px and _may_show_group(found, long_side):
            found = merged(found + search_at(pixels, detector, group_long_side_px))
        found = found or _search_close_up(pixels, detector)
    return [_moved(face, left, top) for face in found]


def _search_close_up(rgb: np.ndarray, detector: Detector) -> list[Detection]:
    border = round(_BORDER * max(rgb.shape[:2]))
    framed = cv2.copyMakeBorder(rgb, border, border, border, border, cv2.BORDER_REPLICATE)
    size_px = round(_CLOSE_UP_PX * (1 + 2 * _BORDER))
    return [_moved(face, -border, -border) for face in search_at(framed, detector, size_px)]


def _may_show_group(faces: list[Detection], long_side: int) -> bool:
    """Say whether there may be faces that are too small to be found at this size."""
    if len(faces) != 1:
        return True
    (left, _, right, _) = faces[0].box_xyxy
    return right - left < _SMALL * long_side


def _without_hidden_eyes(face: Detection, rgb: np.ndarray) -> Detection:
    """Return a face without its eyes where one of them lies outside the picture."""
    height, width = rgb.shape[:2]
    eyes = ("left_eye", "right_eye")
    if all(
        0 <= x < width and 0 <= y < height
        for x, y in (face.points[eye] for eye in eyes if eye in face.points)
    ):
        return face
    points = {name: point for name, point in face.points.items() if name not in eyes}
    colors = {name: color for name, color in face.colors.items() if name not in eyes}
    return replace(face, points=points, colors=colors, eye_size=None)


def _moved(face: Detection, right: float, down: float) -> Detection:
    x1, y1, x2, y2 = face.box_xyxy
    points = {name: (x + right, y + down) for name, (x, y) in face.points.items()}
    return replace(face, box_xyxy=(x1 + right, y1 + down, x2 + right, y2 + down), points=points)


@dataclass(frozen=True)
class _View:
    """A square picture of a box with a margin around it, and the way back; `corner` and `factor` are the picture's."""

    pixels: np.ndarray
    corner: Point
    factor: float
    mirrored: bool

    @classmethod
    def of(cls, rgb: np.ndarray, box_xyxy: tuple[float, ...], side_px: int, mirrored: bool) -> _View:
        """Return a view in which the box, a square, has a side; the picture's border is repeated around it."""
        left, top, right, _ = box_xyxy
        box_side, margin = right - left, _VIEW_MARGIN * (right - left)
        x, y, side = round(left - margin), round(top - margin), max(round(box_side + 2 * margin), 1)
        height, width = rgb.shape[:2]
        outside = (max(-y, 0), max(y + side - height, 0), max(-x, 0), max(x + side - width, 0))
        inside = rgb[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)]
        square = cv2.copyMakeBorder(inside, *outside, cv2.BORDER_REPLICATE)
        wanted = round(side_px * (1 + 2 * _VIEW_MARGIN))
        how = cv2.INTER_AREA if side > wanted else cv2.INTER_LINEAR
        pixels = cv2.resize(square, (wanted, wanted), interpolation=how)
        pixels = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
        return cls(pixels, (x, y), side / wanted, mirrored)

    @property
    def expected(self) -> tuple[float, ...]:
        """The box's place in it."""
        side = len(self.pixels)
        margin = side * _VIEW_MARGIN / (1 + 2 * _VIEW_MARGIN)
        return margin, margin, side - margin, side - margin

    def to_picture(self, points: Mapping[str, Point]) -> dict[str, Point]:
        """Map named points into the picture."""
        mapped = {}
        for name, (x, y) in points.items():
            seen_x = len(self.pixels) - x if self.mirrored else x
            place = self.corner[0] + seen_x * self.factor, self.corner[1] + y * self.factor
            mapped[_OTHER_SIDE.get(name, name) if self.mirrored else name] = place
        return mapped


def _means(views: Sequence[Mapping[str, Point]]) -> dict[str, Point]:
    return {name: tuple(np.mean([points[name] for points in views], axis=0).tolist()) for name in views[0]}


def _area(box: tuple[float, ...]) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
