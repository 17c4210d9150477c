"""68 landmarks from the face mesh, whose weights are free for commercial use; less exact on jaw and brows."""

from __future__ import annotations

import numpy as np

from pipeline.faces.mesh import fit_mesh


def mesh_68(rgb: np.ndarray, box_xyxy: tuple[float, ...]) -> np.ndarray:
    """Return the 68x2 points of the face in a box."""
    return fit_mesh(rgb, box_xyxy).points_68
