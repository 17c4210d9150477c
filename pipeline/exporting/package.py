"""The export of an experiment: its translations as ONNX, a model card, and whose images it learnt from."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline import parts
from pipeline.datasets.arrays import EXPERIMENT_NAME, Dataset
from pipeline.datasets.attribution import ATTRIBUTION_NAME
from pipeline.errors import UserError
from pipeline.evaluation.translations import usable_faces
from pipeline.experiments import as_dict
from pipeline.exporting.channels import channels_of
from pipeline.exporting.exported import NOTICE, Exported, name_of
from pipeline.exporting.model_card import model_card
from pipeline.exporting.one_pass import OnePass, one_pass
from pipeline.exporting.onnx_file import compare, require_packages, write_onnx
from pipeline.exporting.trained import Trained, find_trained
from pipeline.folders import whole_folder
from pipeline.methods.base import Way
from pipeline.params import load_params
from pipeline.progress import counter
from pipeline.project import errors_in
from pipeline.training.reproducible import reproducible

EXPORTS = Path("exports")
CARD = "MODEL_CARD.md"
MARKER = "export.json"
# Enough to show a difference between two programs, which is much the same for every face.
_CHECKED_FACES = 8


def export(experiment: str, target: Path) -> list[Exported]:
    """Write a trained experiment's translations and their model card into the folder `target`; return what was checked.

    The folder appears whole or not at all, in place of an earlier export; the same models, metrics and dataset give the
    same bytes. Raises `UserError` where the experiment is not trained, or translates in a way that no file can hold,
    and where a file's images are not the original's.
    """
    require_packages()
    params = load_params()
    trained = find_trained(experiment)
    attribution = _attribution(trained.dataset)
    with errors_in(f"experiments.{experiment}"):
        translations = [(way, one_pass(trained.method, way.to)) for way in _one_for_each_target(trained)]
    with (
        whole_folder(target, MARKER, "name another folder") as folder,
        reproducible(torch.device("cpu")),
        counter(f"export {experiment}", len(translations), "file") as progress,
    ):
        exported = []
        for way, translation in translations:
            exported.append(_export_way(trained, way, translation, folder))
            progress.update()
        shutil.copyfile(attribution, folder / ATTRIBUTION_NAME)
        parts.write_json(folder / EXPERIMENT_NAME, {"name": experiment, **as_dict(trained.experiment)})
        (folder / CARD).write_text(model_card(trained, exported, params), encoding="utf-8")
        parts.write_json(folder / MARKER, {"experiment": experiment, "format": "onnx"})
    return exported


def _attribution(dataset: Dataset) -> Path:
    folder = dataset.folder or Path()
    path = folder / ATTRIBUTION_NAME
    if not path.exists():
        raise UserError(f"{path} is missing; `dvc repro --force dataset@{folder.name}` writes it")
    return path


def _one_for_each_target(trained: Trained) -> list[Way]:
    """Return the ways, without those that compute what one before them does: from other faces to the same domain."""
    ways: dict[str, Way] = {}
    for way in trained.method.ways():
        ways.setdefault(way.to, way)
    return list(ways.values())


def _export_way(trained: Trained, way: Way, translation: OnePass, folder: Path) -> Exported:
    domain = trained.dataset.domains[way.of]
    inputs = trained.method.inputs(domain, _checked_faces(trained.dataset, way.of))
    path = folder / f"{name_of(way)}.onnx"
    facts = {"experiment": trained.name, "translation": name_of(way), "notice": NOTICE}
    write_onnx(path, translation, inputs, facts)
    difference = compare(path, trained.method, inputs, way.to)
    return Exported(path, way, channels_of(trained.method, inputs), inputs.shape[1:], difference)


def _checked_faces(dataset: Dataset, domain: str) -> np.ndarray:
    """Return some test faces; where there are none, of validation, or else of training."""
    of_splits: Sequence[np.ndarray] = [
        usable_faces(dataset, domain, split) for split in ("test", "val", "train")
    ]
    return next((faces for faces in of_splits if len(faces)), of_splits[0])[:_CHECKED_FACES]
