"""How well a recogniser knows the people of the test faces: over all, by domain, by light, and by tag.

The probes that count are the test faces of the last domain, the one that images were generated of; the same for every
recogniser of the same domains, so that those with and without generated images can be compared. Intervals are over
people, not over images: a person's pictures are recognised together or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.errors import UserError
from pipeline.methods.recogniser import Recogniser
from pipeline.metrics.verification import Pairs, pairs_of, rank_1, verification

FARS = (1e-2, 1e-3)
_THIRDS = ("darkest", "middle", "brightest")
# Fewer probes than these say nothing of a tag.
_LEAST_PROBES = 5
# The middle of an aligned crop, where the face is.
_FACE = slice(1, 3)
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Recognised:
    """What was measured of a recogniser: `metrics` as metrics files hold them, and why other numbers are missing."""

    metrics: dict[str, Any]
    not_measured: dict[str, str]


@dataclass(frozen=True)
class _Probes:
    """N test faces of a domain: log-probabilities NxL, and the label and the rows of each."""

    scores: np.ndarray
    labels: np.ndarray
    rows: list[dict[str, Any]]
    brightness: np.ndarray

    def rank_1(self, which: np.ndarray, seed: int) -> dict[str, Any]:
        return rank_1(self.scores[which], self.labels[which], self.people(which), seed)

    def people(self, which: np.ndarray) -> list[str]:
        return [self.rows[place]["subject"] or self.rows[place]["face_id"] for place in which]


def evaluate_recogniser(method: Recogniser, dataset: Dataset, seed: int) -> Recognised:
    """Return rank-1 and TAR at each of `FARS` of the test faces, with their intervals, and rank-1 of parts of them.

    A comparison for TAR is a probe that claims to be one of the people: genuine where it is, and as alike as the
    recogniser holds it for likely. Raises `UserError` where no face of the last domain is for testing.
    """
    probes = {
        name: found
        for name, domain in dataset.domains.items()
        if (found := _probes(method, domain)) is not None
    }
    target = method.domains[-1]
    if target not in probes:
        raise UserError(f"{target}: no test face to recognise; raise catalogue.split.test or add images")
    own = probes[target]
    verified = verification(_claims(own.scores, own.labels), FARS, seed)
    metrics = {
        "rank_1": own.rank_1(np.arange(len(own.labels)), seed),
        **verified.metrics,
        **_counts(dataset, method, own),
        "by_domain": {name: each.rank_1(np.arange(len(each.labels)), seed) for name, each in probes.items()},
        "by_lighting": {name: _by_lighting(each, seed) for name, each in probes.items()},
        "by_tag": _by_tag(own, seed),
    }
    return Recognised(metrics, verified.not_measured)


def _probes(method: Recogniser, domain: DomainArrays) -> _Probes | None:
    faces = domain.indices("test")
    if len(faces) == 0:
        return None
    rows = domain.rows.take(faces).to_pylist()
    labels = np.array([row["labels"] for row in rows]).argmax(axis=1)
    return _Probes(method.log_probabilities(domain, faces), labels, rows, brightness(domain.images[faces]))


def brightness(faces: np.ndarray) -> np.ndarray:
    """Return the mean luminance, 0 to 1, of the middle of each of NxSxSx3 uint8 aligned faces."""
    quarter = faces.shape[1] // 4
    inside = slice(_FACE.start * quarter, _FACE.stop * quarter)
    return np.array([(face[inside, inside] @ _LUMA).mean() / 255 for face in faces])


def _claims(scores: np.ndarray, labels: np.ndarray) -> Pairs:
    """Return every probe compared with every person."""
    probes, people = scores.shape
    first, second = np.repeat(labels, people), np.tile(np.arange(people), probes)
    return pairs_of(scores.ravel(), first, second, people)


def _counts(dataset: Dataset, method: Recogniser, own: _Probes) -> dict[str, Any]:
    generated = dataset.experiment.get("generated") or {}
    return {
        "subjects": len(method.labels),
        "train_images": sum(len(domain.indices("train")) for domain in dataset.domains.values()),
        "generated_images": generated.get("faces", 0),
        "probes": len(own.labels),
        "generator_saw_test_faces": generated.get("overlap"),
        "weights": dataset.experiment["weights"] if not method.is_linear else dataset.experiment["embedding"],
    }


def _by_lighting(probes: _Probes, seed: int) -> dict[str, Any]:
    """Return rank-1 of the darkest, the middle and the brightest third of the faces, each with its mean luminance."""
    if len(probes.labels) < len(_THIRDS):
        return {}
    thirds = np.array_split(np.argsort(probes.brightness, kind="stable"), len(_THIRDS))
    return {
        name: probes.rank_1(third, seed) | {"luminance": round(float(probes.brightness[third].mean()), 3)}
        for name, third in zip(_THIRDS, thirds, strict=True)
    }


def _by_tag(probes: _Probes, seed: int) -> dict[str, Any]:
    tags: Sequence[set[str]] = [set(row["tags"] or ()) for row in probes.rows]
    counts = Counter(tag for own in tags for tag in own)
    return {
        tag: probes.rank_1(np.flatnonzero([tag in own for own in tags]), seed)
        for tag, count in sorted(counts.items())
        if count >= _LEAST_PROBES
    }
