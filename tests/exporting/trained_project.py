"""A project with one trained and measured experiment, whose training is left out: its weights are drawn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from pipeline.datasets.arrays import load_dataset
from pipeline.experiments import as_dict, read_experiment
from pipeline.methods import build_method
from pipeline.parts import write_json
from pipeline.training.checkpoints import save_weights
from tests.methods.tiny_dataset import write_dataset

ROOT = Path(__file__).resolve().parents[2]
NAME = "tiny"
ATTRIBUTION = "image_id,face_ids,url,page_url,title,author,licence,licence_url\n"


def write_project(folder: Path, method: str, **options: Any) -> None:
    """Write params.yaml, dataset and weights of the experiment `tiny` into a folder."""
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    place = folder / "data" / "datasets" / NAME
    place.mkdir(parents=True)
    dataset = load_dataset(write_dataset(place, method, **options))
    (place / "attribution.csv").write_text(ATTRIBUTION)
    experiment = read_experiment(dataset.experiment)
    built = build_method(experiment, torch.Generator().manual_seed(0))
    weights = folder / "models" / NAME / "weights"
    save_weights(weights / "seed-0", built)
    write_json(weights / "experiment.json", {"name": NAME, **as_dict(experiment)})


def write_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    (folder / "metrics").mkdir()
    (folder / "metrics" / f"{NAME}.json").write_text(json.dumps(metrics))
