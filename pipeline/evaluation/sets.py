"""How far the set of outputs is from a set of real faces, by every network's features."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.evaluation.features import features_of, statistics_of
from pipeline.faces import embedding
from pipeline.metrics import fid
from pipeline.metrics.inception_score import inception_score
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.kid import kid, kid_interval
from pipeline.metrics.manifold import density_coverage, precision_recall
from pipeline.metrics.measurable import NotMeasurable
from pipeline.networks.features import Features

# Below so many images FID says more of their number than of the images; KID does not depend on it.
ENOUGH_FOR_FID = 2048
_DIGITS = 6
_FEW = 2


def compare_sets(
    source: Features, outputs: np.ndarray, real: np.ndarray, seed: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return KID, FID, precision and recall, density and coverage of outputs against real faces, and what is missing.

    Both are N×S×S×3 uint8. dlib's embedding has KID alone: it was trained to overlook what the others see.
    """
    if min(len(outputs), len(real)) < _FEW:
        reason = f"{len(outputs)} outputs and {len(real)} held-out real faces: {_FEW} of each are needed"
        return {}, {f"kid_{source.name}": reason}
    made, others = features_of(source, outputs), features_of(source, real)
    low, high = kid_interval(made, others, seed)
    metrics: dict[str, Any] = {f"kid_{source.name}": Estimate(kid(made, others), low, high).as_dict(_DIGITS)}
    missing: dict[str, str] = {}
    if source.name == embedding.NAME:
        return metrics, missing
    distance = fid.fid_of(fid.statistics(made), statistics_of(source, real))
    metrics[f"fid_{source.name}"] = {"value": round(distance, 4), "images": min(len(outputs), len(real))}
    try:
        pairs = precision_recall(made, others)._asdict() | density_coverage(made, others, seed)._asdict()
        metrics |= {f"{name}_{source.name}": value.as_dict() for name, value in pairs.items()}
    except NotMeasurable as error:
        missing[f"precision_{source.name}"] = str(error)
    if source.logits is not None:
        try:
            score = inception_score(source.logits(made))
            metrics[f"is_{source.name}"] = {name: round(value, 4) for name, value in score._asdict().items()}
        except NotMeasurable as error:
            missing[f"is_{source.name}"] = str(error)
    return metrics, missing
