"""What remains of images that were taken down: here, in DVC's cache and remotes, and in trained models."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import cache, parts
from pipeline.datasets.arrays import files_of
from pipeline.report import explain
from pipeline.stages.crawl import STATE
from pipeline.upkeep import versions
from pipeline.upkeep.traces import Tracer, Unreadable
from pipeline.upkeep.versions import Store

DATASETS = parts.DATA / "datasets"
MODELS = Path("models")
# Everything that stages and tools write here.
PLACES = (
    *(parts.DATA, MODELS, Path("samples"), Path("metrics"), explain.FOLDER.parent, STATE, cache.CACHE),
    Path("exports"),
)
_TABLE_SUFFIX = ".rows.parquet"


@dataclass
class Remains:
    """Where images that are taken down still are, and where that cannot be told.

    `here`: files of the workspace with the images' ids; `untold`: files of which it cannot be told, and why;
    `stored`: objects of each of DVC's stores; `unseen`: what could not be looked at; `trained`: models.
    """

    here: dict[Path, set[str]] = field(default_factory=dict)
    untold: dict[Path, str] = field(default_factory=dict)
    stored: list[StoredObject] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    trained: list[TrainedModel] = field(default_factory=list)

    @property
    def gone(self) -> bool:
        """Whether nothing remains in the workspace."""
        return not self.here and not self.untold

    @property
    def gone_everywhere(self) -> bool:
        """Whether nothing remains in DVC's stores and in models either, and all of them could be looked at."""
        return self.gone and not (self.stored or self.unseen or self.trained)


@dataclass(frozen=True)
class StoredObject:
    """An object of DVC that holds images: what it was called where that is known, and where it lies."""

    place: str
    images: int
    looked_at: bool


@dataclass
class TrainedModel:
    """A model trained on faces that are taken down: its experiment, how many, its outputs, and in which commits."""

    experiment: str
    images: int
    outputs: dict[str, str]
    commits: list[str | None]


def find_remains(tracer: Tracer) -> Remains:
    """Look everywhere."""
    found = Remains()
    for place in PLACES:
        for path in sorted(path for path in place.rglob("*") if path.is_file()):
            _look_at(path, tracer, found)
    for folder in _earlier_trainings():
        found.untold[folder] = "pictures of an earlier training; delete it, or cache prune --older-than 0"
    stores = versions.stores()
    objects = _Objects(stores, tracer)
    found.stored = list(objects.that_hold_images())
    found.unseen += objects.unseen
    found.unseen += [f"{store.name} ({store.url}): not looked at" for store in stores if store.folder is None]
    _look_at_models(objects, found)
    return found


def _look_at(path: Path, tracer: Tracer, found: Remains) -> None:
    try:
        if images := tracer.images_in(path):
            found.here[path] = images
    except Unreadable as problem:
        found.untold[path] = f"it cannot be read ({problem}); delete it"


def _earlier_trainings() -> list[Path]:
    """Return the checkpoint folders that belong to no dataset that is here."""
    folders = sorted(cache.CHECKPOINTS.glob("*"))
    present = _present_trainings() if folders else set()
    return [folder for folder in folders if folder.name not in present]


def _present_trainings() -> set[str]:
    """Return the names of the checkpoint folders of the datasets that are here."""
    return {
        cache.result_key(cache.stage_key("train", {"experiment": folder.name}), files_of(folder))
        for folder in DATASETS.glob("*")
        if folder.is_dir()
    }


class _Objects:
    """The objects of DVC's stores, each looked at once."""

    def __init__(self, stores: Sequence[Store], tracer: Tracer) -> None:
        self._stores = stores
        self._tracer = tracer
        self.unseen: list[str] = []
        self.holding: dict[str, set[str]] = {}
        self._listings: dict[str, list[dict[str, str]]] = {}
        for md5 in dict.fromkeys(md5 for store in stores for md5 in store.hashes()):
            self._look_at(md5)
        for entries in self._listings.values():
            self._spread_over_arrays(entries)

    def path(self, md5: str) -> Path | None:
        """Return the object's file in the first store that has it."""
        return next((path for store in self._stores if (path := store.path(md5))), None)

    def faces_of(self, directory_md5: str) -> set[str] | None:
        """Return the ids that the files of a directory hold; None where it cannot be told."""
        entries = self._listings.get(directory_md5)
        if entries is None:
            return None
        tables = [entry["md5"] for entry in entries if entry["relpath"].endswith(_TABLE_SUFFIX)]
        if any(self.path(md5) is None for md5 in tables):
            return None
        return {image_id for md5 in tables for image_id in self.holding.get(md5, ())}

    def that_hold_images(self) -> Iterator[StoredObject]:
        """Yield every object that holds images, in every store that has it or may have it."""
        for store in self._stores:
            for md5, images in sorted(self.holding.items()):
                if store.folder is None:
                    yield StoredObject(f"{store.url}/{store.key(md5)}", len(images), False)
                elif path := store.path(md5):
                    yield StoredObject(str(path), len(images), True)

    def _look_at(self, md5: str) -> None:
        path = self.path(md5)
        if path is None:
            return
        try:
            if md5.endswith(".dir"):
                self._listings[md5] = json.loads(path.read_text(encoding="utf-8"))
            elif images := self._tracer.images_in(path):
                self.holding[md5] = images
        except (Unreadable, ValueError) as problem:
            self.unseen.append(f"{path}: cannot be read ({problem})")

    def _spread_over_arrays(self, entries: list[dict[str, str]]) -> None:
        """A dataset's arrays hold the pixels of the faces that the table beside them lists."""
        for table in entries:
            if images := table["relpath"].endswith(_TABLE_SUFFIX) and self.holding.get(table["md5"]):
                stem = table["relpath"].removesuffix(_TABLE_SUFFIX)
                for entry in entries:
                    if entry["relpath"].startswith(f"{stem}.") and entry["relpath"].endswith(".npy"):
                        self.holding.setdefault(entry["md5"], set()).update(images)


def _look_at_models(objects: _Objects, found: Remains) -> None:
    """Look through every dvc.lock for models trained on a dataset that holds images."""
    models: dict[tuple[str, str], TrainedModel] = {}
    untold: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for commit, stages in versions.revisions():
        for experiment, dataset, outputs in _trainings(stages):
            images = objects.faces_of(dataset)
            if images is None:
                untold[experiment, dataset].append(commit)
            elif images:
                key = experiment, json.dumps(outputs, sort_keys=True)
                model = TrainedModel(experiment, len(images), outputs, [])
                models.setdefault(key, model).commits.append(commit)
                if commit is None and (MODELS / experiment / "samples").is_dir():
                    found.here[MODELS / experiment / "samples"] = images
    found.trained = list(models.values())
    found.unseen += [
        f"{DATASETS / experiment} ({dataset}), {describe_commits(commits)}: the object is in no store here, "
        f"so it cannot be told on what models/{experiment} was trained"
        for (experiment, dataset), commits in untold.items()
    ]


def _trainings(stages: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield experiment, the dataset's hash, and the outputs' hashes of every training of a dvc.lock."""
    for name, stage in stages.items():
        kind, _, experiment = name.partition("@")
        if kind != "train":
            continue
        for dependency in stage.get("deps", ()):
            if dependency["path"] == (DATASETS / experiment).as_posix():
                yield (
                    experiment,
                    dependency["md5"],
                    {out["path"]: out["md5"] for out in stage.get("outs", ())},
                )


def describe_commits(commits: Sequence[str | None]) -> str:
    """Say in which states of dvc.lock something stands, the newest first."""
    names = ["dvc.lock" if commit is None else f"commit {commit[:10]}" for commit in commits]
    return (
        ", ".join(names)
        if len(names) <= 3
        else f"{names[0]} and {len(names) - 1} commits back to {names[-1]}"
    )
