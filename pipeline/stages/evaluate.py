"""evaluate@<experiment>: measures what a trained method makes of held-out faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import images, parts
from pipeline.datasets.arrays import DATASETS, Dataset, load_dataset
from pipeline.evaluation.changes import change_rows
from pipeline.evaluation.copies import copy_rows
from pipeline.evaluation.judges import Judges, find_judges
from pipeline.evaluation.looking import Looking
from pipeline.evaluation.measures import Case, Measured, measure, nearest_in_pixels
from pipeline.evaluation.recognition import evaluate_recogniser
from pipeline.evaluation.seeds import over_seeds
from pipeline.evaluation.tables import CHANGES, COPIES, TAGS, TRANSLATED
from pipeline.evaluation.tagging import evaluate_tagger
from pipeline.evaluation.translations import translations
from pipeline.experiments import read_experiment
from pipeline.faces.detection import Search
from pipeline.methods.base import Method, Translator
from pipeline.methods.recogniser import Recogniser
from pipeline.methods.tagger import Tagger
from pipeline.params import Domain, Params, load_params
from pipeline.training.checkpoints import load_weights
from pipeline.training.reproducible import reproducible

MODELS = Path("models")
METRICS = Path("metrics")
SAMPLES = Path("samples")
# Pictures that the report can show of each translation; the numbers are over all.
_SHOWN = 48

Row = dict[str, Any]


@dataclass
class Evaluation:
    """What was measured of one seed's model: numbers by way, why others are missing, and rows for the report."""

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_measured: dict[str, dict[str, str]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    translated: list[Row] = field(default_factory=list)
    copies: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    tags: list[Row] = field(default_factory=list)


def run(experiment: str) -> None:
    """Write metrics/<experiment>.json, and what the report shows of it under samples/<experiment>/.

    Samples and numbers are the first seed's; where there are several, `seeds` says how much the numbers vary.
    """
    params = load_params()
    dataset = load_dataset(DATASETS / experiment)
    seeds = read_experiment(dataset.experiment).seeds
    shown, *others = [_evaluate(experiment, dataset, params, seed) for seed in seeds]
    if others:
        by_seed = [shown.metrics, *(each.metrics for each in others)]
        for way, numbers in shown.metrics.items():
            numbers["seeds"] = over_seeds([each[way] for each in by_seed])
    folder = SAMPLES / experiment
    parts.write_rows(folder / "translated.parquet", shown.translated, TRANSLATED)
    parts.write_rows(folder / "copies.parquet", shown.copies, COPIES)
    parts.write_rows(folder / "changes.parquet", shown.changes, CHANGES)
    parts.write_rows(folder / "tags.parquet", shown.tags, TAGS)
    parts.write_json(folder / "attributes.json", shown.attributes)
    parts.write_json(folder / "not_measured.json", shown.not_measured)
    parts.write_json(METRICS / f"{experiment}.json", shown.metrics)


def _evaluate(experiment: str, dataset: Dataset, params: Params, seed: int) -> Evaluation:
    options = read_experiment(dataset.experiment)
    method = load_weights(MODELS / experiment / "weights" / f"seed-{seed}", options)
    # What is translated for minutes on a CPU, as by diffusion, is not to wait where a GPU is.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for network in method.networks.values():
        network.to(device)
    with reproducible(device, options.deterministic), torch.random.fork_rng():
        torch.manual_seed(seed)
        return _evaluate_method(method, dataset, params, seed)


def _evaluate_method(method: Method, dataset: Dataset, params: Params, seed: int) -> Evaluation:
    result = Evaluation()
    if isinstance(method, Tagger):
        tagged = evaluate_tagger(method, dataset, seed)
        result.metrics["tags"], result.not_measured["tags"] = tagged.metrics, tagged.not_measured
        result.tags = tagged.rows
    elif isinstance(method, Recogniser):
        recognised = evaluate_recogniser(method, dataset, seed)
        result.metrics["recognition"] = recognised.metrics
        result.not_measured["recognition"] = recognised.not_measured
    elif isinstance(method, Translator):
        judges = find_judges(params.metrics, MODELS)
        for case in list(_cases(method, dataset, params, judges, seed)):
            measured = measure(case)
            name = case.translation.name
            result.metrics[name], result.not_measured[name] = measured.metrics, measured.not_measured
            result.attributes[name] = measured.attributes
            result.translated += _rows(case, measured)
            result.copies += copy_rows(case.translation, case.of, case.to, measured.copies)
            result.changes += change_rows(name, measured.changed)
    return result


def _cases(method: Translator, dataset: Dataset, params: Params, judges: Judges, seed: int) -> Iterator[Case]:
    """Yield every translation that the method is for, with what it is measured with."""
    for translation in translations(method, dataset):
        of, to = (dataset.domains[name] for name in (translation.of, translation.to))
        looking_of, looking_to = (_looking(params.domains[name]) for name in (translation.of, translation.to))
        yield Case(translation, method, of, to, looking_of, looking_to, judges, seed)


def _looking(domain: Domain) -> Looking:
    """Return how outputs are searched for the domain's faces; aligned crops need none of `detect`'s settings."""
    search = None if domain.faces == "whole" else Search(domain.faces, domain.detectors)
    return Looking(search, domain.landmarks)


def _rows(case: Case, measured: Measured) -> list[Row]:
    translation, of, to = case.translation, case.of, case.to
    partners = translation.partners
    near = nearest_in_pixels(case, measured.copies)
    training = to.indices("train")[near.indices]
    count = len(translation.faces)
    shown = np.linspace(0, count - 1, min(count, _SHOWN)).round().astype(int)
    faces = of.rows.take(translation.faces).to_pylist()
    return [
        {
            "translation": translation.name,
            **{name: faces[place][name] for name in ("face_id", "url", "page_url", "licence", "author")},
            "input": _png(of.images[translation.faces[place]]),
            "output": _png(translation.outputs[place]),
            "truth": None if translation.truth is None else _png(translation.truth[place]),
            "truth_face_id": None if partners is None else to.rows["face_id"][int(partners[place])].as_py(),
            "nearest": _png(to.images[training[place]]),
            "nearest_face_id": to.rows["face_id"][int(training[place])].as_py(),
            "nearest_distance": round(float(near.distances[place]), 3),
            "landmark_error": measured.landmark_errors[place],
        }
        for place in shown
    ]


def _png(image: np.ndarray) -> bytes:
    return images.encode(np.asarray(image), "png")
