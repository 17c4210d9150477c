"""Real faces by the detectors of the package face-alignment, with weights that `weights fetch` has brought."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import torch

from pipeline import weights
from pipeline.faces.detectors.base import Detection


class FaceAlignmentDetector:
    """One of the package's detectors; each knows boxes only, though some of the networks know points.

    `sfd` finds faces of a few pixels and is by far the slowest. It sets the process's torch to one thread, for the
    work is spread over processes.
    """

    def __init__(self, name: str) -> None:
        """Load the detector `name`; raise `UserError` where the package or the weights are missing."""
        path = weights.path(name)
        torch.set_num_threads(1)
        package = import_module(f"face_alignment.detection.{name}")
        self._detector = package.FaceDetector(device="cpu", path_to_detector=str(path))

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return a box for each face; the score is the network's probability."""
        found = self._detector.detect_from_image(np.ascontiguousarray(rgb))
        return [
            Detection((float(left), float(top), float(right), float(bottom)), float(score))
            for left, top, right, bottom, score in found
        ]
