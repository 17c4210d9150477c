"""Inception Score: how sure a classifier is of each image, and how many classes it sees (Salimans et al. 2016)."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from pipeline.metrics.measurable import NotMeasurable

SPLITS = 10
# torch-fidelity's: the images are shuffled by it before they are split.
_SEED = 2020


class InceptionScore(NamedTuple):
    """The mean of the splits' scores, from 1 to the number of classes, and their deviation (with n, not n - 1)."""

    value: float
    deviation: float


def inception_score(logits: np.ndarray, splits: int = SPLITS) -> InceptionScore:
    """Return exp(mean KL(p(y|x) || p(y))) of N×C logits, shuffled and split as torch-fidelity does.

    The published scores are of logits without their bias. 1 means that the classifier says the same of every image;
    for images of one kind, such as faces, a higher score need not mean better ones. Raises `NotMeasurable` for fewer
    images than splits, `ValueError` for other shapes, NaN and infinite logits.
    """
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise ValueError(f"the Inception Score needs logits N×C, not of shape {logits.shape}")
    if splits < 1 or len(logits) < splits:
        raise NotMeasurable(
            f"the Inception Score needs an image in each of {splits} splits, not {len(logits)}"
        )
    if not np.isfinite(logits).all():
        raise ValueError("the Inception Score needs finite logits; some are NaN or infinite")
    shuffled = logits[np.random.RandomState(_SEED).permutation(len(logits))]
    ends = [split * len(logits) // splits for split in range(splits + 1)]
    scores = [_score(shuffled[start:end]) for start, end in pairwise(ends)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _score(logits: np.ndarray) -> float:
    logs = log_softmax(logits.astype(np.float64), axis=1)
    chances = np.exp(logs)
    mean = chances.mean(axis=0)
    # A class whose chance underflows to 0 in every image adds nothing.
    mean_logs = np.log(mean, where=mean > 0, out=np.zeros_like(mean))
    return float(np.exp((chances * (logs - mean_logs)).sum(axis=1).mean()))
