"""What the dataset of a tagger, or of an experiment that looks through one, is made of beside faces."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import parts
from pipeline.datasets.arrays import EXPERIMENT_NAME, TAGGER
from pipeline.datasets.labels import frequent_tags, label_faces, positive_weights
from pipeline.datasets.selection import Candidates
from pipeline.errors import UserError
from pipeline.experiments import Experiment
from pipeline.experiments.classifying import Tagger

MODELS = Path("models")
_MOST_WEIGHT = 20.0


def resolve(name: str, tagger: Tagger, domains: Mapping[str, Candidates]) -> tuple[Tagger, dict[str, Any]]:
    """Return the tagger with its labels and their weights, and what `experiment.json` says of the tags.

    Labels by hand stay as they are. Raises `UserError` where the training faces have no tag to learn.
    """
    training = [faces.training() for faces in domains.values()]
    titles = [
        faces.table["title"].take(frame.index.to_numpy()).to_pylist()
        for faces, frame in zip(domains.values(), training, strict=True)
    ]
    said: dict[str, Any] = {}
    if not tagger.labels:
        tags = [frame["tags"].tolist() for frame in training]
        found, left_out = frequent_tags(tags, tagger.top_tags, tagger.min_count, tagger.categories)
        if not found:
            lost = ", ".join(f"{reason} {count}" for reason, count in left_out.items())
            raise UserError(
                f"experiments.{name}: the training faces have no tag to learn (left out: {lost}); "
                "lower min_count, name other categories, or give labels"
            )
        tagger = replace(tagger, labels={tag: (tag,) for tag in found})
        said["tags_left_out"] = left_out
    labels = np.concatenate(
        [
            label_faces(frame["tags"].tolist(), own, tagger.labels)
            for frame, own in zip(training, titles, strict=True)
        ]
    )
    said["faces_of_tag"] = dict(zip(tagger.labels, labels.sum(axis=0).tolist(), strict=True))
    if tagger.positive_weight == "balanced":
        tagger = replace(tagger, positive_weight=tuple(positive_weights(labels, _MOST_WEIGHT)))
    return tagger, said


def looked_through(name: str, experiment: Experiment, experiments: Mapping[str, Experiment]) -> list[Path]:
    """Return the files of the tagger whose features the experiment's perceptual loss compares; none for others.

    Raises `UserError` where it is not trained.
    """
    tagger = experiment.perceptual_tagger
    if tagger is None:
        return []
    weights = MODELS / tagger / "weights" / f"seed-{experiments[tagger].seeds[0]}" / "backbone.safetensors"
    described = MODELS / tagger / "weights" / EXPERIMENT_NAME
    for path in (weights, described):
        if not path.exists():
            raise UserError(
                f"experiments.{name}.perceptual_weights: {path} is missing; type `dvc repro train@{tagger}` first"
            )
    return [weights, described]


def copy(files: list[Path], folder: Path) -> None:
    """Put a tagger's files beside the faces, so that a training needs nothing but its dataset."""
    for path in files:
        with parts.atomic_path(folder / TAGGER / path.name) as temporary:
            shutil.copyfile(path, temporary)
