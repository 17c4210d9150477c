"""The nearest training image of every output, in pixels: shows whether a model merely remembers."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from pipeline.metrics.pairs import check_images

SIDE_PX = 32
_CHUNK = 1024


class Nearest(NamedTuple):
    """Per output the nearest training image: its index (int64) and distance (float64, 0..255), N each."""

    indices: np.ndarray
    distances: np.ndarray


def nearest(outputs: np.ndarray, training: np.ndarray) -> Nearest:
    """Return the nearest of M training images for each of N outputs, both ×H×W×3 uint8, of any two sizes.

    The distance is the root mean square difference of their 32x32 reductions: L2 over √3072, 0..255. Of
    equally near ones the first counts. At most 1024x1024 distances are held at a time.
    """
    check_images(outputs)
    check_images(training)
    found = [
        _nearest_of_chunk(_reduced(outputs[i : i + _CHUNK]), training) for i in range(0, len(outputs), _CHUNK)
    ]
    return Nearest(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _nearest_of_chunk(outputs: np.ndarray, training: np.ndarray) -> Nearest:
    indices, least = np.zeros(len(outputs), np.int64), np.full(len(outputs), np.inf)
    for start in range(0, len(training), _CHUNK):
        squared = _squared_distances(outputs, _reduced(training[start : start + _CHUNK]))
        here = squared.argmin(axis=1)
        value = squared[np.arange(len(outputs)), here]
        nearer = value < least
        indices[nearer], least[nearer] = here[nearer] + start, value[nearer]
    return Nearest(indices, np.sqrt(least / outputs.shape[1]))


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return |x|² + |y|² - 2 x·y; float64 holds these integers exactly, so equal images are at 0."""
    return np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2 * (x @ y.T)


def _reduced(images: np.ndarray) -> np.ndarray:
    """Return N×H×W×3 images as N×3072 float64 whole numbers 0..255."""
    side = (SIDE_PX, SIDE_PX)
    small = [cv2.resize(image, side, interpolation=cv2.INTER_AREA) for image in images]
    return np.array(small, np.float64).reshape(len(images), -1)
