"""68 landmarks by FAN (Bulat and Tzimiropoulos 2017), as the package face-alignment runs it."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from pipeline import weights

# Where the points of a face lie in a box of dlib's HOG, as fractions of it (medians over 100 photographs): FAN was
# trained with boxes around the points themselves, and takes in as much again around them.
_POINTS_IN_BOX = np.array([(0.035, 0.12), (0.97, 1.03)])
# The package returns whole pixels: in an enlarged picture they are finer.
_ENLARGED = 4
# These numba would compile in every process, which takes as long as ten faces; they loop over 68 points.
_COMPILED = ("transform_np", "_get_preds_fromhm")


class Fan68:
    """The network 2DFAN-4, which takes seconds for a face: it looks at the face and at its mirror image.

    It sets the process's torch to one thread, for the work is spread over processes.
    """

    def __init__(self) -> None:
        """Load the network; raise `UserError` where the package or the weights are missing."""
        weights.path("fan-68")
        torch.set_num_threads(1)
        from face_alignment import utils
        from face_alignment.api import FaceAlignment, LandmarksType

        for name in _COMPILED:
            function = getattr(utils, name)
            setattr(utils, name, getattr(function, "py_func", function))
        # The detector "folder" is one that needs no weights and is never asked.
        self._fan = FaceAlignment(LandmarksType.TWO_D, device="cpu", compile=False, face_detector="folder")

    def __call__(self, rgb: np.ndarray, box_xyxy: tuple[float, ...]) -> np.ndarray:
        """Return the 68x2 points of the upright face in a box."""
        corners = np.array(box_xyxy).reshape(2, 2)
        around_points = corners[0] + _POINTS_IN_BOX * (corners[1] - corners[0])
        large = cv2.resize(rgb, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_LINEAR)
        (points,) = self._fan.get_landmarks_from_image(
            large, detected_faces=[around_points.ravel() * _ENLARGED]
        )
        return points.astype(np.float64) / _ENLARGED
