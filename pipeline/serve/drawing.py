"""What was found of a picture, drawn over it; and what a click on the drawing means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.faces.alignment import transform
from pipeline.serve.looking import Face, Square

SHOWN_PX = 1280
_LEAST_SHOWN_PX = 400
CROP_SHOWN_PX = 384
_KEPT = (46, 160, 67)
_REJECTED = (219, 109, 40)
_POINT = (255, 235, 59)
_EYE = (0, 200, 255)
_OUTLINE = (0, 0, 0)
_PARTS_OF_SIDE = 40
_MIN_TEXT_PX = 14

Point = tuple[float, float]


@dataclass(frozen=True)
class Shown:
    """A picture as it is shown, HxWx3 uint8 RGB: `factor` times as large as it is."""

    pixels: np.ndarray
    factor: float


def shown(rgb: np.ndarray, faces: Sequence[Face], chosen: int | None) -> Shown:
    """Return a picture of 400 to `SHOWN_PX` with each face's numbered box, landmarks and eyes.

    The box of the face with the number `chosen` is the thickest; numbers are shown from 1.
    """
    longest = max(rgb.shape[:2])
    factor = min(max(1.0, _LEAST_SHOWN_PX / longest), SHOWN_PX / longest)
    pixels = _resized(rgb, (round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)))
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for face in faces:
        _draw_points(draw, face, np.array([[factor, 0, 0], [0, factor, 0]]), max(max(image.size) // 300, 2))
        _draw_box(draw, image.size, face, factor, face.number == chosen)
    return Shown(np.asarray(image), factor)


def shown_crop(face: Face) -> np.ndarray:
    """Return a face's aligned crop, enlarged to `CROP_SHOWN_PX`, with its landmarks and eyes: HxWx3 uint8 RGB.

    Raises `ValueError` for a face without a crop.
    """
    if face.crop is None:
        raise ValueError(f"{face.row['face_id']} has no crop: {face.reason}")
    factor = CROP_SHOWN_PX / len(face.crop)
    image = Image.fromarray(_resized(face.crop, (CROP_SHOWN_PX, CROP_SHOWN_PX)))
    _draw_points(ImageDraw.Draw(image), face, face.matrix * factor, 2)
    return np.asarray(image)


def with_corner(pixels: np.ndarray, at: Point) -> np.ndarray:
    """Return a copy of what is shown with a cross where a user's first click was."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    reach = max(max(image.size) // _PARTS_OF_SIDE, 6)
    for color, width in ((_OUTLINE, 5), (_EYE, 3)):
        draw.line((at[0] - reach, at[1], at[0] + reach, at[1]), color, width)
        draw.line((at[0], at[1] - reach, at[0], at[1] + reach), color, width)
    return np.asarray(image)


def face_at(faces: Sequence[Face], at: Point) -> int | None:
    """Return the number of the face whose box a point of the picture is in, the smallest one's; None beside them."""
    hit = [face for face in faces if _is_in(face.box_xyxy, at)]
    return min(hit, key=lambda face: _area(face.box_xyxy)).number if hit else None


def square_between(one: Point, other: Point, width: int, height: int) -> Square:
    """Return the square that two corners mean, within a picture: as large as the longer of their distances.

    It goes from the first corner towards the second, and is moved where it would leave the picture.
    """
    across, down = other[0] - one[0], other[1] - one[1]
    side = min(round(max(abs(across), abs(down))), width, height)
    left = one[0] if across >= 0 else one[0] - side
    top = one[1] if down >= 0 else one[1] - side
    return min(max(round(left), 0), width - side), min(max(round(top), 0), height - side), side


def _resized(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    smaller = size[0] < rgb.shape[1]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _draw_points(draw: ImageDraw.ImageDraw, face: Face, matrix: np.ndarray, radius: int) -> None:
    points = face.points_68
    if points is not None:
        for x, y in transform(points, matrix):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), _POINT, _OUTLINE)
    eyes = face.row.get("eyes")
    if eyes is not None:
        reach = 3 * radius
        for x, y in transform(np.array(eyes), matrix):
            for color, width in ((_OUTLINE, 3), (_EYE, 1)):
                draw.line((x - reach, y, x + reach, y), color, width)
                draw.line((x, y - reach, x, y + reach), color, width)


def _draw_box(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], face: Face, factor: float, is_chosen: bool
) -> None:
    left, top, right, bottom = (value * factor for value in face.box_xyxy)
    color = _KEPT if face.reason is None else _REJECTED
    draw.rectangle((left, top, right, bottom), outline=color, width=5 if is_chosen else 2)
    font = ImageFont.load_default(max(max(size) // _PARTS_OF_SIDE, _MIN_TEXT_PX))
    text = str(face.number + 1)
    first_x, first_y, last_x, last_y = draw.textbbox((0, 0), text, font)
    width, height = last_x - first_x + 8, last_y - first_y + 8
    x, y = min(max(left, 0), size[0] - width), min(max(top - height, 0), size[1] - height)
    draw.rectangle((x, y, x + width, y + height), color)
    draw.text((x + 4 - first_x, y + 4 - first_y), text, "white", font)


def _is_in(box: tuple[float, ...], at: Point) -> bool:
    return box[0] <= at[0] <= box[2] and box[1] <= at[1] <= box[3]


def _area(box: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
