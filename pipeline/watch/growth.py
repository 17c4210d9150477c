"""How much the data of each experiment have grown since it was trained, and whether it is time to train it again.

Compared are the faces that the experiment would choose to train on: from the catalogue as it is, and from the one that
its training's dataset was made of. Which one that was stands in dvc.lock, and DVC's cache still has it; so a face
that is exchanged for another counts, and one that only `match` leaves out in favour of another does not. Where the
cache has it no longer, the numbers that the dataset itself tells are compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from pipeline import parts
from pipeline.datasets.arrays import DATASETS, EXPERIMENT_NAME
from pipeline.datasets.selection import FACES, keep_pairs, of_table, select
from pipeline.errors import UserError
from pipeline.experiments import Experiment
from pipeline.params import load_params
from pipeline.stages.train import MODELS
from pipeline.upkeep import versions

Ids = frozenset[str]
Growth = dict[str, Any]
# The one reason for which a dataset leaves out what it would otherwise train on; see `match_domains`.
_NOT_DRAWN = "unmatched"


@dataclass(frozen=True)
class _Trained:
    """What an experiment was trained on: how many faces it chose from, and which ones where that is known."""

    count: int
    ids: Ids | None


def growth() -> dict[str, Growth]:
    """Return for each experiment how its data changed, and whether that is enough to train it again.

    `trained_on`: faces that the last training chose from, null if there was none; `new` and `lost`: faces that came and
    went since; `grown`: both as a share of `trained_on`, null without a training; `due`: whether that is more than
    `schedules.retrain_when_grown`. Nothing is due that has no faces to train on. Raises `UserError` without a
    catalogue.
    """
    params = load_params()
    if not FACES.exists():
        raise UserError(f"{FACES}: no such file; type `dvc repro catalogue` first")
    limit = params.schedules.retrain_when_grown
    return {name: _growth(name, experiment, limit) for name, experiment in params.experiments.items()}


def describe(found: Mapping[str, Growth]) -> str:
    """Say in a line for each experiment how its data have grown."""
    return (
        "\n".join(f"{name}: {_say(each)}" for name, each in found.items()) or "params.yaml has no experiments"
    )


def _growth(name: str, experiment: Experiment, limit: float) -> Growth:
    by_domain = _choice(FACES, experiment)
    now = frozenset[str]().union(*by_domain)
    trainable = all(by_domain)
    trained = _trained(name, experiment)
    if trained is None:
        return {"trained_on": None, "new": len(now), "lost": 0, "grown": None, "due": trainable}
    if trained.ids is None:
        new, lost = max(len(now) - trained.count, 0), max(trained.count - len(now), 0)
    else:
        new, lost = len(now - trained.ids), len(trained.ids - now)
    grown = round((new + lost) / max(trained.count, 1), 4)
    return {
        "trained_on": trained.count,
        "new": new,
        "lost": lost,
        "grown": grown,
        "due": trainable and grown > limit,
    }


def _choice(catalogue: Path, experiment: Experiment) -> list[Ids]:
    """Return the ids of the faces that the experiment chooses to train on from a catalogue, for each domain."""
    wanted = pc.field("kept") & pc.field("domain").isin(experiment.domains)
    table = parts.read_table(catalogue, filters=wanted).sort_by("face_id")
    domains = {
        domain: of_table(table.filter(pc.equal(table["domain"], domain))) for domain in experiment.domains
    }
    select(domains, experiment)
    if experiment.pairing == "pair_id":
        keep_pairs(*domains.values())
    return [frozenset(faces.training()["face_id"]) for faces in domains.values()]


def _trained(name: str, experiment: Experiment) -> _Trained | None:
    """Return what the experiment was trained on; None where it was never trained, or nothing tells on what."""
    if not (MODELS / name / "weights").exists():
        return None
    dataset = _trained_dataset(name)
    if dataset is None:
        return _told_by_dataset(name)  # trained without DVC
    catalogue = _catalogue_of(name, dataset)
    if catalogue is None:
        return _told_by_cached_dataset(dataset)
    ids = frozenset[str]().union(*_choice(catalogue, experiment))
    return _Trained(len(ids), ids)


def _trained_dataset(name: str) -> str | None:
    """Return the hash of the dataset that the present weights come from, as dvc.lock has it."""
    if not versions.LOCK.exists():
        return None
    stages = versions.stages_of(versions.LOCK.read_text(encoding="utf-8"))
    return _hash_in(stages.get(f"train@{name}", {}).get("deps", ()), DATASETS / name)


def _catalogue_of(name: str, dataset: str) -> Path | None:
    """Return the catalogue that a dataset was made of; None where no dvc.lock tells, or the cache has it no longer."""
    cache = versions.stores()[0]
    for _, stages in versions.revisions():
        stage = stages.get(f"dataset@{name}", {})
        if _hash_in(stage.get("outs", ()), DATASETS / name) == dataset:
            md5 = _hash_in(stage.get("deps", ()), FACES)
            return cache.path(md5) if md5 else None
    return None


def _hash_in(entries: Iterable[Mapping[str, Any]], path: Path) -> str | None:
    return next((entry["md5"] for entry in entries if entry["path"] == path.as_posix()), None)


def _told_by_cached_dataset(dataset: str) -> _Trained | None:
    """Return what the description of a dataset in DVC's cache tells."""
    cache = versions.stores()[0]
    if (listing := cache.path(dataset)) is None:
        return None
    files = {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8"))}
    described = cache.path(files[EXPERIMENT_NAME])
    return _told_by(described) if described else None


def _told_by_dataset(name: str) -> _Trained | None:
    described = DATASETS / name / EXPERIMENT_NAME
    return _told_by(described) if described.exists() else None


def _told_by(described: Path) -> _Trained:
    counts = json.loads(described.read_text(encoding="utf-8"))["counts"].values()
    return _Trained(sum(of["train"] + of["left_out"].get(_NOT_DRAWN, 0) for of in counts), None)


def _say(found: Growth) -> str:
    if found["trained_on"] is None:
        if found["due"]:
            return f"no training is known of, {found['new']} faces to train on; due"
        return "not trained; a domain has no faces to train on"
    changed = (
        f"trained on {found['trained_on']} faces, {found['new']} new and {found['lost']} gone since: "
        f"{found['grown']:.1%}"
    )
    return f"{changed}; due" if found["due"] else changed
