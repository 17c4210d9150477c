"""A face as its own grey pixels: the plainest of embeddings, which has learnt nothing."""

from __future__ import annotations

import cv2
import numpy as np

THUMBNAIL_PX = 24


def thumbnails(faces: np.ndarray) -> np.ndarray:
    """Return N×576 float32: N×S×S×3 uint8 RGB aligned faces, grey, at 24 pixels, of mean 0 and length 1 each.

    It tells faces apart by light, hair and outline as much as by who they are. What is learnt on it knows nothing but
    its own training faces, so it shows what those are worth. A face of one colour is all zeros.
    """
    if faces.ndim != 4 or faces.shape[3] != 3 or faces.dtype != np.uint8:
        raise ValueError(f"faces must be N×S×S×3 uint8, not {faces.dtype} of shape {faces.shape}")
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    small = [
        cv2.resize(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for face in faces
    ]
    flat = np.array(small, np.float32).reshape(len(faces), THUMBNAIL_PX**2)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
