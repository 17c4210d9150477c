"""The networks that outputs are measured by, as params.yaml names them, and what is missing where one is not here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from pipeline.datasets.arrays import EXPERIMENT_NAME
from pipeline.errors import UserError
from pipeline.evaluation.features import dlib_resnet128
from pipeline.evaluation.tagging import tag_probabilities
from pipeline.experiments import read_experiment
from pipeline.experiments.classifying import Tagger
from pipeline.methods import tagger as methods
from pipeline.networks.features import Features, Missing, inception, tagger
from pipeline.networks.lpips import AUTO, Lpips, load_lpips
from pipeline.params import Metrics
from pipeline.training.checkpoints import load_weights

NO_TAGGER = "none"
_ALEXNET = "alexnet"


@dataclass(frozen=True)
class Tags:
    """What a tagger says of N×S×S×3 uint8 images: N×T probabilities of its `names`."""

    names: tuple[str, ...]
    probabilities: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Judges:
    """Features for comparing sets, the most telling first; LPIPS and tags where they are here; why others are not."""

    features: tuple[Features, ...]
    lpips: Lpips | None
    tags: Tags | None
    missing: dict[str, str]


def find_judges(named: Metrics, models: Path) -> Judges:
    """Return the networks that `metrics:` of params.yaml names; taggers lie in `models`.

    Published weights that are not here are no error, but a reason; a path that is wrong is a `UserError`.
    """
    features: list[Features] = []
    missing: dict[str, str] = {}
    tags = None
    if named.tagger == NO_TAGGER:
        missing["kid_tagger"] = "no tagger is named: train one and set metrics.tagger in params.yaml"
    else:
        experiment, folder = _trained_tagger(models / named.tagger / "weights")
        features.append(tagger(folder, experiment.backbone, experiment.size_px))
        method = cast(methods.Tagger, load_weights(folder, experiment))
        tags = Tags(tuple(experiment.labels), lambda images: tag_probabilities(method, images))
    try:
        features.append(inception(named.inception))
    except Missing as error:
        missing |= dict.fromkeys(("kid_inception", "fid_inception", "is_inception"), str(error))
    lpips = None
    try:
        lpips = load_lpips("alex", AUTO if named.alexnet == _ALEXNET else named.alexnet)
    except UserError as error:
        if named.alexnet != _ALEXNET:
            raise
        missing["lpips_alex"] = str(error)
    return Judges((*features, dlib_resnet128()), lpips, tags, missing)


def _trained_tagger(weights: Path) -> tuple[Tagger, Path]:
    """Return a tagger's experiment, and where the weights of its first seed lie."""
    path = weights / EXPERIMENT_NAME
    if not path.is_file():
        raise UserError(
            f"metrics.tagger: {path} is missing; type `dvc repro train@{weights.parent.name}` first"
        )
    experiment = read_experiment(json.loads(path.read_text(encoding="utf-8")))
    if not isinstance(experiment, Tagger):
        raise UserError(
            f"metrics.tagger: {weights.parent.name} is no tagger; name an experiment of that method"
        )
    return experiment, weights / f"seed-{experiment.seeds[0]}"
