"""The nearest training image of every output, in pixels and in features: shows whether a model merely remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.metrics.pairs import check_images

SIDE_PX = 32
# So many training images are an image's surroundings, after Carlini et al. 2023.
AROUND = 50
_CHUNK = 1024
# Squared distances of equal unit vectors, which float64 does not always make 0.
_ROUNDING = 1e-12


class Nearest(NamedTuple):
    """Per output the nearest training image: its index (int64), its distance and its closeness (float64), N each.

    `closeness`: the distance divided by the median distance of the 50 nearest training images (of all, where there
    are fewer). 0 for a copy, about 1 where no training image is nearer than the others. That the copied image has
    duplicates in the training does not hide it, as long as they are fewer than half of those 50.
    """

    indices: np.ndarray
    distances: np.ndarray
    closeness: np.ndarray


def nearest(outputs: np.ndarray, training: np.ndarray) -> Nearest:
    """Return the nearest of M training images for each of N outputs, both ×H×W×3 uint8, of any two sizes.

    The distance is the root mean square difference of their 32x32 reductions: L2 over √3072, 0..255. Of
    equally near ones the first counts. At most 1024x1024 distances are held at a time.
    """
    check_images(outputs)
    check_images(training)
    return _search(outputs, training, _reduced, values=3 * SIDE_PX**2)


def reduced(images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return those of N×H×W×3 uint8 images that lie at `places` as 32x32 ones, read one by one.

    `nearest` finds the same in these as in the large ones, which may be more than the memory holds.
    """
    small = [_small(images[place]) for place in places]
    return np.array(small, np.uint8).reshape(-1, SIDE_PX, SIDE_PX, 3)


def nearest_features(features: np.ndarray, training: np.ndarray) -> Nearest:
    """Return the nearest of M×D training features for each of N×D features.

    The distance is that of the features scaled to length 1, 0 to 2: √(2 - 2 cosine). An output that a network made
    paler or softer than what it remembers has shorter features of nearly the same direction. Features of length 0
    stay 0. Raises `ValueError` for features that are not finite or not of one length.
    """
    for given in (features, training):
        if given.ndim != 2 or 0 in given.shape or not np.isfinite(given).all():
            raise ValueError(
                f"features must be N×D, N and D at least 1, and finite, not of shape {given.shape}"
            )
    if features.shape[1] != training.shape[1]:
        raise ValueError(
            f"the nearest is among features of one length, not {features.shape[1]} and {training.shape[1]}"
        )
    return _search(features, training, _of_length_1, values=1)


def _search(
    outputs: np.ndarray, training: np.ndarray, prepare: Callable[[np.ndarray], np.ndarray], values: int
) -> Nearest:
    """Return the nearest of `training` for each of `outputs`, prepared in chunks; distances are over √values."""
    found = [
        _around(prepare(outputs[start : start + _CHUNK]), _chunks(training, prepare))
        for start in range(0, len(outputs), _CHUNK)
    ]
    indices, least = (np.concatenate(column) for column in zip(*found, strict=True))
    distances = np.sqrt(least / values)
    first, around = distances[:, 0], np.median(distances, axis=1)
    return Nearest(indices, first, first / np.where(around > 0, around, 1))


def _chunks(training: np.ndarray, prepare: Callable[[np.ndarray], np.ndarray]) -> Iterable[np.ndarray]:
    return (prepare(training[start : start + _CHUNK]) for start in range(0, len(training), _CHUNK))


def _around(outputs: np.ndarray, training: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each output the index of the nearest, and the least squared distances with the smallest first."""
    indices, kept = np.zeros(len(outputs), np.int64), np.empty((len(outputs), 0))
    least, start = np.full(len(outputs), np.inf), 0
    for chunk in training:
        here = _squared_distances(outputs, chunk)
        first = here.argmin(axis=1)
        value = here[np.arange(len(outputs)), first]
        nearer = value < least
        indices[nearer], least[nearer] = first[nearer] + start, value[nearer]
        kept = _smallest(np.concatenate([kept, here], axis=1))
        start += len(chunk)
    return indices, np.sort(kept, axis=1)


def _smallest(squared: np.ndarray) -> np.ndarray:
    return squared if squared.shape[1] <= AROUND else np.partition(squared, AROUND - 1)[:, :AROUND]


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return |x|² + |y|² - 2 x·y; float64 holds whole numbers exactly, so equal images are at 0."""
    squared = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2 * (x @ y.T)
    squared[squared < _ROUNDING] = 0
    return squared


def _reduced(images: np.ndarray) -> np.ndarray:
    """Return N×H×W×3 images as N×3072 float64 whole numbers 0..255."""
    return np.array([_small(image) for image in images], np.float64).reshape(len(images), -1)


def _small(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def _of_length_1(features: np.ndarray) -> np.ndarray:
    given = np.asarray(features, np.float64)
    length = np.linalg.norm(given, axis=1, keepdims=True)
    return given / np.where(length > 0, length, 1)
