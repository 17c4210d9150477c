"""What every metric asks of its images: N×H×W×3 uint8 RGB, at least one, and pairs of one shape."""

from __future__ import annotations

import numpy as np


def check_images(images: np.ndarray) -> None:
    """Raise `ValueError` unless `images` is N×H×W×3 uint8 with N >= 1."""
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"images must be N×H×W×3 uint8, not {images.dtype} of shape {images.shape}")
    if images.size == 0:
        raise ValueError(f"there are no images to measure: shape {images.shape}")


def check_pairs(outputs: np.ndarray, targets: np.ndarray) -> None:
    """Raise `ValueError` unless both are N×H×W×3 uint8 of one shape with N >= 1."""
    check_images(outputs)
    check_images(targets)
    if outputs.shape != targets.shape:
        raise ValueError(f"pairs need one shape, not {outputs.shape} and {targets.shape}")
