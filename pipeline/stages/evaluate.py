"""evaluate@<experiment>: translates held-out faces and measures the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import images, parts
from pipeline.datasets.arrays import DATASETS, Dataset, load_dataset
from pipeline.evaluation.measures import Looking, Measured, measure
from pipeline.evaluation.translations import Translation, translations
from pipeline.faces.detection import Search
from pipeline.params import Domain, load_params
from pipeline.training.checkpoints import load_weights
from pipeline.training.reproducible import reproducible

MODELS = Path("models")
METRICS = Path("metrics")
SAMPLES = Path("samples")
# Pictures that the report can show of each translation; the numbers are over all.
_SHOWN = 48


def run(experiment: str) -> None:
    """Write metrics/<experiment>.json, and what the report shows of it under samples/<experiment>/."""
    params = load_params()
    dataset = load_dataset(DATASETS / experiment)
    method = load_weights(MODELS / experiment / "weights", dataset.experiment)
    metrics, missing, rows = {}, {}, []
    with reproducible(torch.device("cpu")):
        made = list(translations(method, dataset))
    for translation in made:
        domain = params.domains[translation.to]
        of, to = dataset.domains[translation.of], dataset.domains[translation.to]
        looking = Looking(_search_of(domain), domain.landmarks)
        measured = measure(translation, of, to, looking, dataset.experiment["seed"])
        metrics[translation.name], missing[translation.name] = measured.metrics, measured.not_measured
        rows += _rows(dataset, translation, measured)
    parts.write_rows(SAMPLES / experiment / "translated.parquet", rows, parts.TRANSLATED)
    parts.write_json(SAMPLES / experiment / "not_measured.json", missing)
    parts.write_json(METRICS / f"{experiment}.json", metrics)


def _search_of(domain: Domain) -> Search | None:
    """Return how outputs are searched for the domain's faces; aligned crops need none of `detect`'s settings."""
    return None if domain.faces == "whole" else Search(domain.faces, domain.detectors)


def _rows(dataset: Dataset, translation: Translation, measured: Measured) -> list[dict[str, Any]]:
    of, to = dataset.domains[translation.of], dataset.domains[translation.to]
    training = to.indices("train")[measured.nearest.indices]
    count = len(translation.faces)
    shown = np.linspace(0, count - 1, min(count, _SHOWN)).round().astype(int)
    faces = of.rows.take(translation.faces).to_pylist()
    return [
        {
            "translation": translation.name,
            **{name: faces[place][name] for name in ("face_id", "url", "page_url", "licence")},
            "input": _png(of.images[translation.faces[place]]),
            "output": _png(translation.outputs[place]),
            "truth": None if translation.truth is None else _png(translation.truth[place]),
            "nearest": _png(to.images[training[place]]),
            "nearest_face_id": to.rows["face_id"][int(training[place])].as_py(),
            "nearest_distance": round(float(measured.nearest.distances[place]), 3),
            "landmark_error": measured.landmark_errors[place],
        }
        for place in shown
    ]


def _png(image: np.ndarray) -> bytes:
    return images.encode(np.asarray(image), "png")
