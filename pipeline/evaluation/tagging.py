"""What a tagger finds in held-out faces, tag by tag (document 004's tag estimator)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline import images
from pipeline.datasets.arrays import Dataset
from pipeline.datasets.conditions import to_tensor
from pipeline.errors import UserError
from pipeline.methods.tagger import Tagger
from pipeline.metrics.tags import accuracy, average_precisions, best_threshold, decisions

_BATCH = 64
# With fewer validation faces that have a tag, or lack it, its threshold would be chance.
_DECIDING = 5


@dataclass(frozen=True)
class Tagged:
    """What was measured: numbers as in a metrics file, why others are missing, and a row for each tag.

    A row is `TAGS`: how many training and test faces have the tag, of how many test faces it was asked; average
    precision with its interval, precision, recall and F1 at the threshold; and the two faces it was most wrong of.
    """

    metrics: dict[str, Any]
    not_measured: dict[str, str]
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class _Split:
    """Faces of one split of all domains: `asked`, `right` and `scores` are NxT; `faces` says domain and place."""

    asked: np.ndarray
    right: np.ndarray
    scores: np.ndarray
    faces: list[tuple[str, int]]


def tag_probabilities(method: Tagger, faces: np.ndarray) -> np.ndarray:
    """Return float64 NxT in [0, 1]: how probable each of the method's `labels` is for N×S×S×3 uint8 images."""
    device = method.device()
    found = [
        method.probabilities(to_tensor(np.asarray(faces[start : start + _BATCH])).to(device)).cpu().numpy()
        for start in range(0, len(faces), _BATCH)
    ]
    return np.concatenate([np.zeros((0, len(method.labels))), *found])


def evaluate_tagger(method: Tagger, dataset: Dataset, seed: int) -> Tagged:
    """Measure the test faces; thresholds are chosen on the validation faces.

    A tag counts for the faces of those domains in which some training face has it: who has no beard in drawings, where
    nobody ever has, is no achievement. Where the validation faces do not decide a threshold, it is the one at which a
    tag is more likely than not. `accuracy` is the share of right decisions at the latter (document 004's number), and
    `accuracy_of_constant` what one gets that answers for each tag what most training faces say. Raises `UserError`
    without test faces.
    """
    training = {name: _labels(dataset, name, "train") for name in dataset.domains}
    test, validation = (_look(method, dataset, training, split) for split in ("test", "val"))
    if not test.faces:
        raise UserError(
            f"{' and '.join(dataset.domains)}: no test faces; raise catalogue.split.test or add images"
        )
    even = _even_thresholds(method)
    tuned = [
        best_threshold(validation.scores[asked, tag], validation.right[asked, tag], _DECIDING)
        for tag, asked in enumerate(validation.asked.T)
    ]
    thresholds = np.array([each if each is not None else even[tag] for tag, each in enumerate(tuned)])
    precision = average_precisions(test.scores, test.right, test.asked, seed)
    rows = []
    for tag, name in enumerate(method.labels):
        asked, estimate = test.asked[:, tag], precision.of_tag[tag]
        decided = decisions(test.scores[asked, tag] >= thresholds[tag], test.right[asked, tag])
        rows.append(
            {
                "tag": name,
                "training_faces": int(sum(labels[:, tag].sum() for labels in training.values())),
                "test_faces": int(test.right[asked, tag].sum()),
                "of": int(asked.sum()),
                **_named("average_precision", None if estimate is None else estimate.as_dict()),
                "precision": round(decided.precision, 4),
                "recall": round(decided.recall, 4),
                "f1": round(decided.f1, 4),
                "threshold": round(float(thresholds[tag]), 4),
                "is_tuned": tuned[tag] is not None,
                **_mistakes(dataset, test, tag),
            }
        )
    constant = _constant(method, dataset, training)
    metrics: dict[str, Any] = {
        "accuracy": accuracy(test.scores >= even, test.right, test.asked, seed).as_dict(),
        "accuracy_of_constant": accuracy(
            np.broadcast_to(constant, test.right.shape), test.right, test.asked, seed
        ).as_dict()["value"],
        "tags": sum(estimate is not None for estimate in precision.of_tag),
        "faces": len(test.faces),
    }
    if precision.mean is None:
        reason = "no tag is of some test faces and not of others; add images"
        return Tagged(metrics, {"mean_average_precision": reason}, rows)
    return Tagged({"mean_average_precision": precision.mean.as_dict(), **metrics}, {}, rows)


def _labels(dataset: Dataset, domain: str, split: str) -> np.ndarray:
    """Return NxT truth values of a split's faces."""
    arrays = dataset.domains[domain]
    labels = arrays.rows.take(arrays.indices(split))["labels"].to_pylist()
    return np.array(labels, bool).reshape(len(labels), len(dataset.experiment["labels"]))


def _look(method: Tagger, dataset: Dataset, training: Mapping[str, np.ndarray], split: str) -> _Split:
    right, asked, scores, faces = [], [], [], []
    for name, arrays in dataset.domains.items():
        places = arrays.indices(split)
        right.append(_labels(dataset, name, split))
        asked.append(np.broadcast_to(training[name].any(axis=0), right[-1].shape))
        scores.append(tag_probabilities(method, arrays.images[places]))
        faces += [(name, int(place)) for place in places]
    return _Split(np.concatenate(asked), np.concatenate(right), np.concatenate(scores), faces)


def _even_thresholds(method: Tagger) -> np.ndarray:
    """Return where each tag is as likely as not: the training has made rare ones look more likely than they are."""
    weight = method.positive_weight.double().cpu().numpy()
    return weight / (1 + weight)


def _constant(method: Tagger, dataset: Dataset, training: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the answer for each tag that is right of most training faces it counts for."""
    having = np.zeros(len(method.labels))
    of = np.zeros(len(method.labels))
    for name in dataset.domains:
        counts = training[name].any(axis=0)
        having += training[name].sum(axis=0) * counts
        of += len(training[name]) * counts
    return having * 2 > of


def _mistakes(dataset: Dataset, test: _Split, tag: int) -> dict[str, Any]:
    """Return the face without the tag that seems most to have it, and the one with it that seems most to lack it."""
    scores, asked, right = test.scores[:, tag], test.asked[:, tag], test.right[:, tag]
    return {
        "imagined": _face(dataset, test, scores, np.flatnonzero(asked & ~right), np.argmax),
        "missed": _face(dataset, test, scores, np.flatnonzero(asked & right), np.argmin),
    }


def _face(
    dataset: Dataset, test: _Split, scores: np.ndarray, among: np.ndarray, choose: Any
) -> dict[str, Any] | None:
    if len(among) == 0:
        return None
    chosen = int(among[choose(scores[among])])
    domain, place = test.faces[chosen]
    arrays = dataset.domains[domain]
    (row,) = arrays.rows.take([place]).to_pylist()
    return {
        **{name: row[name] for name in ("face_id", "url", "page_url", "licence", "author")},
        "image": images.encode(np.asarray(arrays.images[place]), "png"),
        "probability": round(float(scores[chosen]), 4),
    }


def _named(name: str, values: Mapping[str, float] | None) -> dict[str, float | None]:
    known = values or {}
    return {name: known.get("value"), "low": known.get("low"), "high": known.get("high")}
