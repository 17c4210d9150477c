"""dataset@<experiment>: the faces an experiment learns from, as arrays at its size."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline import parts
from pipeline.datasets.arrays import (
    DATASETS,
    DOMAINS_NAME,
    EXPERIMENT_NAME,
    PAIRS,
    ROWS,
    write_faces,
    write_pairs,
)
from pipeline.datasets.attribution import write_attribution
from pipeline.datasets.crops import write_crops
from pipeline.datasets.identities import labels_of, one_hot, within_subjects
from pipeline.datasets.labels import label_faces
from pipeline.datasets.matching import compare
from pipeline.datasets.pairing import pairs_by_id, pairs_by_landmarks
from pipeline.datasets.selection import (
    Candidates,
    candidates,
    keep_pairs,
    match_domains,
    points_in_crops,
    select,
)
from pipeline.errors import UserError
from pipeline.experiments import Experiment, as_dict
from pipeline.experiments.classifying import Tagger
from pipeline.experiments.common import Preprocess
from pipeline.experiments.recognising import Recogniser
from pipeline.params import Split, load_params
from pipeline.progress import counter
from pipeline.stages import tagging

INITIAL = "initial"
MODELS = Path("models")


def run(name: str) -> None:
    """Write the experiment's arrays, and what it is with every option resolved, in place of what was there."""
    params = load_params()
    experiment = params.experiment(name)
    initial = _weights_of(experiment.init_from, params.experiments) if experiment.init_from else []
    looked_through = tagging.looked_through(name, experiment, params.experiments)
    domains = _candidates(experiment, params.catalogue.split)
    compared = _choose(name, experiment, domains)
    if isinstance(experiment, Recogniser):
        from pipeline.stages import recognising  # which loads torch, and no other dataset needs it

        experiment = recognising.resolve(name, experiment, domains, params.experiments)
        _refuse_without_training(name, domains)
    said: dict[str, Any] = {}
    if isinstance(experiment, Tagger):
        experiment, said = tagging.resolve(name, experiment, domains)
    tables = {domain: _rows(faces, experiment) for domain, faces in domains.items()}
    folder = DATASETS / name
    shutil.rmtree(folder, ignore_errors=True)
    points = {domain: _write_domain(folder, domain, table, experiment) for domain, table in tables.items()}
    if experiment.pairing != "none":
        write_pairs(folder, _pairs(name, experiment, domains, points))
    write_attribution(folder, list(tables.values()))
    tagging.copy(looked_through, folder)
    if isinstance(experiment, Recogniser):
        said = recognising.complete(folder, experiment, params.experiments, tables)
    parts.write_json(folder / DOMAINS_NAME, compared)
    for path in initial:
        with parts.atomic_path(folder / INITIAL / path.name) as temporary:
            shutil.copyfile(path, temporary)
    # Last, for it makes the folder a dataset.
    parts.write_json(folder / EXPERIMENT_NAME, _resolved(name, experiment, domains) | said)


def _candidates(experiment: Experiment, split: Split) -> dict[str, Candidates]:
    """Return the faces of each domain, in the catalogue's split or in one that every person is trained on in."""
    domains = candidates(experiment.domains)
    if experiment.split == "within_subjects":
        domains = within_subjects(domains, split.by, split.val, split.test)
    return domains


def _write_domain(folder: Path, domain: str, table: pa.Table, experiment: Experiment) -> np.ndarray:
    """Write the images, landmarks and rows of a domain's selected faces; return the landmarks."""
    points = points_in_crops(table, experiment.size_px)
    preprocess = experiment.preprocess.get(domain, Preprocess())
    with counter(f"dataset@{folder.name} {domain}", table.num_rows, "face") as progress:
        sizes_px = experiment.size_px, experiment.load_px
        write_crops(folder, domain, table, sizes_px, preprocess, progress.update)
    write_faces(folder, domain, points, table)
    return points


def _choose(name: str, experiment: Experiment, domains: Mapping[str, Candidates]) -> dict[str, Any]:
    """Leave out what the experiment does not use; return how far apart the domains were and are."""
    select(domains, experiment)
    before = {domain: faces.training() for domain, faces in domains.items()}
    _refuse_without_training(name, domains)
    match_domains(domains, experiment)
    if experiment.pairing == "pair_id":
        keep_pairs(*domains.values())
    _refuse_without_training(name, domains)
    after = {domain: faces.training() for domain, faces in domains.items()}
    faces = {domain: {"before": len(before[domain]), "after": len(after[domain])} for domain in domains}
    alike = compare(before, after, experiment.match) if len(domains) == 2 else {}
    return {"faces": faces, "attributes": alike}


def _refuse_without_training(name: str, domains: Mapping[str, Candidates]) -> None:
    for domain, faces in domains.items():
        if faces.training().empty:
            lost = ", ".join(f"{reason} {count}" for reason, count in faces.left_out().items()) or "none"
            raise UserError(
                f"experiments.{name}.domains: {domain} has no face to train on (left out: {lost}); "
                "is a source of that domain enabled, and what does its funnel say?"
            )


def _rows(faces: Candidates, experiment: Experiment) -> pa.Table:
    """Return the selected faces by id, in the catalogue's columns and a dataset's own."""
    selected = faces.selected()
    table = faces.table.take(pa.array(selected.index.to_numpy()))
    if isinstance(experiment, Recogniser):
        labels = one_hot(labels_of(faces, experiment.label)[selected.index], tuple(experiment.labels))
    else:
        labels = label_faces(table["tags"].to_pylist(), table["title"].to_pylist(), experiment.labels)
    own = {"weight": selected["weight"].to_numpy(np.float32), "labels": labels.tolist()}
    for name, values in own.items():
        table = table.append_column(ROWS.field(name), pa.array(values, ROWS.field(name).type))
    return table


def _pairs(
    name: str, experiment: Experiment, domains: Mapping[str, Candidates], points: Mapping[str, np.ndarray]
) -> pa.Table:
    frames: list[pd.DataFrame] = [faces.selected() for faces in domains.values()]
    if experiment.pairing == "pair_id":
        pairs = pairs_by_id(*frames)
    else:
        source, target = points.values()
        splits = [frame["split"].to_numpy() for frame in frames]
        pairs = pairs_by_landmarks(source, splits[0], target, splits[1])
    if "train" not in pairs["split"].to_pylist():
        raise UserError(f"experiments.{name}.pairing: no two faces to train on are a pair")
    return pairs.cast(PAIRS)


def _resolved(name: str, experiment: Experiment, domains: Mapping[str, Candidates]) -> dict[str, Any]:
    counts = {domain: _counts(faces) for domain, faces in domains.items()}
    options = as_dict(experiment)
    if experiment.epochs is not None:
        faces = [of["train"] for of in counts.values()]
        in_an_epoch = math.ceil(
            experiment.faces_in_epoch(faces) / (experiment.batch_size * experiment.accumulate)
        )
        options |= {"steps": experiment.epochs * in_an_epoch, "epochs": None}
    return {"name": name, **options, "asked_epochs": experiment.epochs, "counts": counts}


def _counts(faces: Candidates) -> dict[str, Any]:
    splits = faces.selected()["split"].value_counts()
    return {
        "faces": int(splits.sum()),
        **{split: int(splits.get(split, 0)) for split in ("train", "val", "test")},
        "left_out": faces.left_out(),
        "licences": faces.licences(),
    }


def _weights_of(other: str, experiments: Mapping[str, Experiment]) -> list[Path]:
    """Return the files of another experiment's networks, of its first seed."""
    folder = MODELS / other / "weights" / f"seed-{experiments[other].seeds[0]}"
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise UserError(f"init_from: {folder} holds no weights; type `dvc repro train@{other}` first")
    return found
