"""Grids of samples: one row per face, one column per step of its translation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from pipeline.datasets.conditions import to_images
from pipeline.parts import atomic_path


def save_grid(path: Path, columns: list[Tensor]) -> None:
    """Write columns of Bx3xSxS or Bx1xSxS pictures in [-1, 1] as one PNG; short columns end in white."""
    rows = max(len(column) for column in columns)
    grid = np.concatenate([_stack(to_images(column), rows) for column in columns], axis=1)
    with atomic_path(path) as temporary:
        Image.fromarray(grid).save(temporary, "PNG")


def _stack(images: np.ndarray, rows: int) -> np.ndarray:
    missing = rows - len(images)
    padded = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)), constant_values=255)
    return padded.reshape(-1, *padded.shape[2:])
