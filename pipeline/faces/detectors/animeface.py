"""Cartoon faces by nagadomi's nvxs (package animeface), through a bridge that needs no Pillow image.

The package's C code reads Pillow's private image struct in the layout of Pillow 4.2. Pillow 12 changed the
struct, and the detector then finds nothing and says nothing. So we hand it an object of that old layout.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import cv2
import numpy as np
from animeface import _nvxs

from pipeline import weights
from pipeline.errors import UserError
from pipeline.faces.detectors.base import Detection

# x, y, width, height
Box = tuple[int, int, int, int]

# The area of an eye over that of the other one, and its standard deviation of grey: of 255 drawn faces found in real
# pictures none has less than 0.51 and 22.
_MIN_EYE_RATIO = 0.4
_MIN_EYE_CONTRAST = 15.0
# How much of the smaller eye the other one may cover.
_MAX_EYE_OVERLAP = 0.3


class _Imaging(ctypes.Structure):
    """`struct ImagingMemoryInstance` up to the last field that the detector reads (Pillow 4.2, Imaging.h)."""

    _fields_ = (
        ("mode", ctypes.c_char * 7),
        ("type", ctypes.c_int),
        ("depth", ctypes.c_int),
        ("bands", ctypes.c_int),
        ("xsize", ctypes.c_int),
        ("ysize", ctypes.c_int),
        ("palette", ctypes.c_void_p),
        ("image8", ctypes.c_void_p),
        ("image32", ctypes.c_void_p),
        ("image", ctypes.c_void_p),
    )


class _ImagingObject(ctypes.Structure):
    """Pillow's `ImagingObject`: a Python object's head, then the pointer to the image."""

    _fields_ = (
        ("refcount", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("image", ctypes.POINTER(_Imaging)),
    )


class AnimeFace:
    """Finds cartoon faces of about 45 px and more, with both eyes, nose, mouth, chin and colours."""

    def __init__(self) -> None:
        """Raise `UserError` where the package does not find a face that it must find."""
        if not _detect(draw_known_face()):
            raise UserError(
                "detector animeface: it finds no face in a picture that has one, so the installed package "
                "animeface does not work here; run make setup"
            )

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return all faces of one picture; the score is the detector's likelihood.

        Points and colours of the eyes are left out where one of the two is not to be seen.
        """
        return [_detection(found, rgb) for found in _detect(rgb)]


def draw_known_face() -> np.ndarray:
    """Draw the face that the detector must find, 96x96x3 uint8 RGB."""
    hair, skin, line, white = (90, 60, 50), (255, 228, 208), (40, 20, 30), (255, 255, 255)
    face = np.full((192, 192, 3), (200, 220, 240), np.uint8)
    cv2.ellipse(face, (96, 90), (66, 69), 0, 0, 360, hair, -1)
    head = [(45, 82), (50, 120), (75, 154), (96, 166), (117, 154), (142, 120), (147, 82), (128, 45), (64, 45)]
    cv2.fillConvexPoly(face, np.array(head), skin)
    bangs = [(39, 30), (153, 30), (150, 92), (134, 72), (120, 81), (105, 69), (90, 81), (74, 69), (60, 81)]
    cv2.fillPoly(face, [np.array([*bangs, (42, 92)])], hair)
    for x in (70, 122):
        cv2.ellipse(face, (x, 105), (14, 17), 0, 0, 360, white, -1)
        cv2.ellipse(face, (x, 105), (10, 16), 0, 0, 360, line, -1)
        cv2.ellipse(face, (x, 109), (8, 10), 0, 0, 360, (60, 110, 200), -1)
        cv2.circle(face, (x - 4, 99), 4, white, -1)
        cv2.ellipse(face, (x, 102), (16, 15), 0, 200, 340, line, 3)
    cv2.ellipse(face, (96, 145), (7, 2), 0, 0, 180, (170, 80, 80), 2)
    return cv2.resize(face, (96, 96), interpolation=cv2.INTER_AREA)


def _detect(rgb: np.ndarray) -> list[dict[str, Any]]:
    height, width = rgb.shape[:2]
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., :3] = rgb
    rows = (np.arange(height, dtype=np.uintp) * pixels.strides[0] + pixels.ctypes.data).astype(np.uintp)
    image = _Imaging(mode=b"RGB", bands=3, xsize=width, ysize=height, image=rows.ctypes.data)
    # The object lives in our buffer: a count that never falls to 0 keeps Python from freeing it.
    fake = _ImagingObject(refcount=1 << 20, type=id(object), image=ctypes.pointer(image))
    # Its k-means of colours starts by lot: without a seed the same picture gives other colours each time.
    _library().nv_srand(0)
    return _nvxs.detect(ctypes.cast(ctypes.pointer(fake), ctypes.py_object).value)


@cache
def _library() -> ctypes.CDLL:
    """Return the library behind the package, which is loaded already, for what the package does not hand on."""
    return ctypes.CDLL(str(weights.path("animeface")))


def _detection(found: dict[str, Any], rgb: np.ndarray) -> Detection:
    left, right = sorted(("left_eye", "right_eye"), key=lambda eye: _center(found[f"{eye}_box"]))
    x, y, width, height = found["face_box"]
    points = {"mouth": _center(found["mouth_box"]), "nose": found["nose_point"], "chin": found["chin_point"]}
    colors = {"skin": found["skin_color"], "hair": found["hair_color"]}
    eyes = found[f"{left}_box"], found[f"{right}_box"]
    seen = both_eyes_seen(rgb, *eyes)
    if seen:
        points = {"left_eye": _center(eyes[0]), "right_eye": _center(eyes[1])} | points
        colors |= {"left_eye": found[f"{left}_color"], "right_eye": found[f"{right}_color"]}
    return Detection(
        (float(x), float(y), float(x + width), float(y + height)),
        float(found["likelihood"]),
        points=points,
        colors=colors,
        eye_size=(eyes[0][3] + eyes[1][3]) / 2 / height if seen else None,
    )


def both_eyes_seen(rgb: np.ndarray, left: Box, right: Box) -> bool:
    """Say whether the boxes of two eyes can be those of two eyes that are both seen."""
    smaller, larger = sorted((_area(left), _area(right)))
    if smaller == 0 or smaller < _MIN_EYE_RATIO * larger:
        return False
    width = min(left[0] + left[2], right[0] + right[2]) - max(left[0], right[0])
    height = min(left[1] + left[3], right[1] + right[3]) - max(left[1], right[1])
    if max(width, 0) * max(height, 0) > _MAX_EYE_OVERLAP * smaller:
        return False
    return min(_contrast(rgb, left), _contrast(rgb, right)) >= _MIN_EYE_CONTRAST


def _contrast(rgb: np.ndarray, box: Box) -> float:
    """Return the standard deviation of grey in the part of a box that lies in the picture; 0 if none does."""
    x, y, width, height = box
    inside = rgb[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    return float(inside.mean(axis=-1).std()) if inside.size else 0.0


def _area(box: Box) -> int:
    return max(box[2], 0) * max(box[3], 0)


def _center(box: Box) -> tuple[float, float]:
    x, y, width, height = box
    return x + width / 2, y + height / 2
