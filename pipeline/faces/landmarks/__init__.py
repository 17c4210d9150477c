"""The models of 68 landmarks by name; each is one small module."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from pipeline.faces.mesh import WEIGHTS as MESH

Landmarker = Callable[[np.ndarray, tuple[float, ...]], np.ndarray]
# These take seconds for a face: they are asked once, not over several boxes.
SLOW = frozenset({"fan-68"})


def weights_of(faces: str, model: str) -> set[str]:
    """Return the names of the weight files that marking `real`, `cartoon` or `whole` faces by a model needs."""
    models = {"mesh-68": {MESH}, "none": set[str]()}.get(model, {model})
    return models | {MESH} if faces == "real" else models


@cache
def load_landmarker(name: str) -> Landmarker:
    """Return the model `name`, loaded once per process.

    It takes HxWx3 uint8 RGB and the box of an upright face, and returns its 68x2 points in iBUG order, in pixels.
    Raises `KeyError` for an unknown one, and `UserError` where its package or its weights are missing.
    """
    if name == "dlib-68":
        from pipeline.faces.landmarks.dlib_68 import Dlib68

        return Dlib68()
    if name == "mesh-68":
        from pipeline.faces.landmarks.mesh_68 import mesh_68

        return mesh_68
    if name == "fan-68":
        from pipeline.faces.landmarks.fan_68 import Fan68

        return Fan68()
    raise KeyError(name)
