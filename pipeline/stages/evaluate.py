"""evaluate@<experiment>: translates held-out faces and measures the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import images, parts
from pipeline.datasets.arrays import DATASETS, Dataset, load_dataset
from pipeline.evaluation.measures import Looking, Measured, measure
from pipeline.evaluation.seeds import over_seeds
from pipeline.evaluation.translations import Translation, translations
from pipeline.experiments import read_experiment
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
    """Write metrics/<experiment>.json, and what the report shows of it under samples/<experiment>/.

    Samples and numbers are the first seed's; where there are several, `seeds` says how much the numbers vary.
    """
    domains = load_params().domains
    dataset = load_dataset(DATASETS / experiment)
    first, *others = read_experiment(dataset.experiment).seeds
    weights = MODELS / experiment / "weights"
    shown = list(_measured(weights, dataset, domains, first))
    metrics = {translation.name: measured.metrics for translation, measured in shown}
    missing = {translation.name: measured.not_measured for translation, measured in shown}
    if others:
        by_seed = [metrics, *(_metrics(weights, dataset, domains, seed) for seed in others)]
        metrics = {
            name: numbers | {"seeds": over_seeds([each[name] for each in by_seed])}
            for name, numbers in metrics.items()
        }
    rows = [row for translation, measured in shown for row in _rows(dataset, translation, measured)]
    parts.write_rows(SAMPLES / experiment / "translated.parquet", rows, parts.TRANSLATED)
    parts.write_json(SAMPLES / experiment / "not_measured.json", missing)
    parts.write_json(METRICS / f"{experiment}.json", metrics)


def _metrics(
    weights: Path, dataset: Dataset, domains: Mapping[str, Domain], seed: int
) -> dict[str, dict[str, Any]]:
    measured = _measured(weights, dataset, domains, seed)
    return {translation.name: numbers.metrics for translation, numbers in measured}


def _measured(
    weights: Path, dataset: Dataset, domains: Mapping[str, Domain], seed: int
) -> Iterator[tuple[Translation, Measured]]:
    """Yield each translation by the model of one seed, with what was measured of it."""
    method = load_weights(weights / f"seed-{seed}", read_experiment(dataset.experiment))
    with reproducible(torch.device("cpu")), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = list(translations(method, dataset))
    for translation in made:
        of, to = dataset.domains[translation.of], dataset.domains[translation.to]
        domain = domains[translation.to]
        looking = Looking(_search_of(domain), domain.landmarks)
        yield translation, measure(translation, of, to, looking, seed)


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
