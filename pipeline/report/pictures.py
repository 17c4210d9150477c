"""The small pictures of the report: thumbnails as data URIs, faces drawn on, sheets with captions."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageOps

THUMBNAIL_PX = 112
_LINE = (255, 60, 90)
_POINT = (70, 220, 255)


def data_uri(rgb: np.ndarray, size_px: int = THUMBNAIL_PX) -> str:
    """Return HxWx3 uint8 RGB, fitted into a white square, as a JPEG in a data URI."""
    square = ImageOps.pad(Image.fromarray(rgb), (size_px, size_px), Image.Resampling.LANCZOS, "white")
    buffer = io.BytesIO()
    square.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def with_box(rgb: np.ndarray, box_xyxy: Sequence[float]) -> np.ndarray:
    """Return the picture around a face's box, the box drawn on it."""
    left, top, right, bottom = box_xyxy
    margin = 0.6 * max(right - left, bottom - top)
    height, width = rgb.shape[:2]
    x0, y0 = max(int(left - margin), 0), max(int(top - margin), 0)
    x1, y1 = min(int(right + margin), width), min(int(bottom + margin), height)
    return with_faces(rgb, [(box_xyxy, None)])[y0:y1, x0:x1]


def with_faces(
    rgb: np.ndarray, faces: Sequence[tuple[Sequence[float], Sequence[Sequence[float]] | None]]
) -> np.ndarray:
    """Return a copy of the picture with each face's box and, where known, its landmarks."""
    drawn = rgb.copy()
    thickness = max(round(max(rgb.shape[:2]) / 300), 1)
    for box, points in faces:
        left, top, right, bottom = (round(side) for side in box)
        cv2.rectangle(drawn, (left, top), (right, bottom), _LINE, thickness)
        for x, y in points if points is not None else ():
            cv2.circle(drawn, (round(x), round(y)), thickness, _POINT, -1)
    return drawn


def strip(pictures: Sequence[tuple[str, np.ndarray]], height_px: int) -> Image.Image:
    """Return pictures side by side at one height, each with its caption above."""
    caption_px = 18
    scaled = [
        (
            text,
            Image.fromarray(rgb).resize((max(round(rgb.shape[1] * height_px / rgb.shape[0]), 1), height_px)),
        )
        for text, rgb in pictures
    ]
    sheet = Image.new("RGB", (sum(image.width + 8 for _, image in scaled), height_px + caption_px), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for text, image in scaled:
        draw.text((left + 2, 3), text, fill="black")
        sheet.paste(image, (left, caption_px))
        left += image.width + 8
    return sheet
