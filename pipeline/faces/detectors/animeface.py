"""Cartoon faces by nagadomi's nvxs (package animeface), through a bridge that needs no Pillow image.

The package's C code reads Pillow's private image struct in the layout of Pillow 4.2. Pillow 12 changed the
struct, and the detector then finds nothing and says nothing. So we hand it an object of that old layout.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from animeface import _nvxs

from pipeline.faces.detectors.base import Detection

Box = tuple[int, int, int, int]


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

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return all faces of one picture; the score is the detector's likelihood."""
        return [_detection(found) for found in _detect(rgb)]


def _detect(rgb: np.ndarray) -> list[dict[str, Any]]:
    height, width = rgb.shape[:2]
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., :3] = rgb
    rows = (np.arange(height, dtype=np.uintp) * pixels.strides[0] + pixels.ctypes.data).astype(np.uintp)
    image = _Imaging(mode=b"RGB", bands=3, xsize=width, ysize=height, image=rows.ctypes.data)
    # The object lives in our buffer: a count that never falls to 0 keeps Python from freeing it.
    fake = _ImagingObject(refcount=1 << 20, type=id(object), image=ctypes.pointer(image))
    return _nvxs.detect(ctypes.cast(ctypes.pointer(fake), ctypes.py_object).value)


def _detection(found: dict[str, Any]) -> Detection:
    left, right = sorted(("left_eye", "right_eye"), key=lambda eye: _center(found[f"{eye}_box"]))
    x, y, width, height = found["face_box"]
    return Detection(
        (float(x), float(y), float(x + width), float(y + height)),
        float(found["likelihood"]),
        points={
            "left_eye": _center(found[f"{left}_box"]),
            "right_eye": _center(found[f"{right}_box"]),
            "mouth": _center(found["mouth_box"]),
            "nose": found["nose_point"],
            "chin": found["chin_point"],
        },
        colors={
            "skin": found["skin_color"],
            "hair": found["hair_color"],
            "left_eye": found[f"{left}_color"],
            "right_eye": found[f"{right}_color"],
        },
    )


def _center(box: Box) -> tuple[float, float]:
    x, y, width, height = box
    return x + width / 2, y + height / 2
