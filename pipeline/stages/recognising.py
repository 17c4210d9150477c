"""What a recogniser's dataset has beside its faces: further ones that a translation made, and numbers of them all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from pipeline import parts, weights
from pipeline.datasets.arrays import DATASETS, DomainArrays, write_embeddings, write_faces
from pipeline.datasets.conditions import to_tensor
from pipeline.datasets.crops import write_crops
from pipeline.datasets.generated import append_generated
from pipeline.datasets.identities import choose_labels
from pipeline.datasets.selection import Candidates, points_in_crops
from pipeline.errors import UserError
from pipeline.evaluation.translations import translate_faces
from pipeline.experiments import Experiment
from pipeline.experiments.common import Preprocess
from pipeline.experiments.recognising import Recogniser
from pipeline.faces import embedding
from pipeline.faces.thumbnail import thumbnails
from pipeline.methods.base import Translator
from pipeline.methods.published_weights import weight_file
from pipeline.methods.recogniser import PUBLISHED, as_learnt
from pipeline.networks.inception_resnet_v1 import load_inception_resnet_v1
from pipeline.parts import content_hash
from pipeline.progress import counter, note
from pipeline.training.checkpoints import load_translator
from pipeline.training.reproducible import reproducible

MODELS = Path("models")
_CHUNK = 64
_TRANSLATED = "translated"


def resolve(
    name: str,
    experiment: Recogniser,
    domains: Mapping[str, Candidates],
    experiments: Mapping[str, Experiment],
) -> Recogniser:
    """Leave out the faces without a label that both domains show; return the experiment with labels and weights.

    Raises `UserError` for what cannot become a recogniser's dataset, before anything of it is written.
    """
    if experiment.generated_by is not None:
        _trained(experiment.generated_by, generator_of(name, experiment, experiments))
    if experiment.labels:
        raise UserError(
            f"experiments.{name}.labels: a recogniser's labels are those of `label`; leave it out"
        )
    labels = choose_labels(name, experiment, domains)
    weights_used = resolved_weights(experiment)
    return replace(experiment, labels={label: (label,) for label in labels}, weights=weights_used)


def complete(
    folder: Path,
    experiment: Recogniser,
    experiments: Mapping[str, Experiment],
    tables: Mapping[str, pa.Table],
) -> dict[str, Any]:
    """Add to a dataset's folder what a recogniser learns from beside its faces; return what `experiment.json` says."""
    said: dict[str, Any] = {}
    if experiment.generated_by is not None:
        generator = generator_of(folder.name, experiment, experiments)
        said["generated"] = add_generated(folder, experiment, generator, tables)
    if experiment.classifier == "linear":
        said["embedded"] = add_embeddings(folder, experiment)
    return said


def generator_of(name: str, experiment: Recogniser, experiments: Mapping[str, Experiment]) -> Experiment:
    """Return the experiment that makes the recogniser's further images; raise `UserError` where it cannot."""
    key, by = f"experiments.{name}.generated_by", experiment.generated_by
    if by is None or by not in experiments:
        raise UserError(f"{key}: {by!r} is not one of the other experiments")
    generator = experiments[by]
    if set(generator.domains) != set(experiment.domains):
        raise UserError(
            f"{key}: {by} translates between {' and '.join(generator.domains)}, "
            f"not between {' and '.join(experiment.domains)}"
        )
    if generator.size_px != experiment.size_px:
        raise UserError(
            f"{key}: {by} makes images of {generator.size_px} px and size_px is {experiment.size_px}: "
            "enlarged images would be told from real ones by their blur; make both the same"
        )
    return generator


def add_generated(
    folder: Path, experiment: Recogniser, generator: Experiment, tables: Mapping[str, pa.Table]
) -> dict[str, Any]:
    """Translate the training faces of the first domain into the second; return what `experiment.json` says of it.

    `tables` are the rows of each domain as the dataset has them, with the catalogue's columns. The faces are prepared
    as the generator's own dataset prepares them, and translated by the model of its first seed. `overlap` counts the
    test faces of each domain that the generator was trained on, or whose near-duplicate it was; null where its dataset
    is not here.
    """
    by, (source, target) = str(experiment.generated_by), experiment.domains
    trained = _trained(by, generator)
    method = load_translator(trained, generator)
    if not any((way.of, way.to) == (source, target) for way in method.ways()):
        raise UserError(f"generated_by: {by} does not translate {source} to {target}")
    training = tables[source].filter(pc.equal(tables[source]["split"], "train"))
    if generator.needs_landmarks:
        training = training.filter(pc.is_valid(training["points_68"]))
    faces = _prepared(folder / _TRANSLATED, source, training, generator)
    sizes_px = experiment.size_px, experiment.load_px
    with reproducible(torch.device("cpu")), torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.seeds[0])
        images = _translated(method, faces, target, f"{folder.name} by {by}")
        append_generated(folder, target, images, training, faces.points, sizes_px, by)
    shutil.rmtree(folder / _TRANSLATED)
    return {
        "by": by,
        "seed": generator.seeds[0],
        "weights": {path.name: content_hash(path) for path in sorted(trained.glob("*.safetensors"))},
        "faces": training.num_rows,
        "overlap": _overlap(by, tables),
    }


def _trained(by: str, generator: Experiment) -> Path:
    """Return where the weights of the generator's first seed lie."""
    folder = MODELS / by / "weights" / f"seed-{generator.seeds[0]}"
    if not folder.is_dir():
        raise UserError(f"generated_by: {folder} holds no weights; type `dvc repro train@{by}` first")
    return folder


def _prepared(folder: Path, domain: str, training: pa.Table, generator: Experiment) -> DomainArrays:
    """Write faces as the generator's dataset would have them."""
    size_px = generator.size_px
    with counter(f"{domain} for {folder.parent.name}", training.num_rows, "face") as progress:
        preprocess = generator.preprocess.get(domain, Preprocess())
        write_crops(folder, domain, training, (size_px, size_px), preprocess, progress.update)
    points = points_in_crops(training, size_px)
    write_faces(folder, domain, points, training)
    images = np.load(folder / f"{domain}.images.npy", mmap_mode="r")
    return DomainArrays(images, points, parts.read_table(folder / f"{domain}.rows.parquet"))


def _translated(method: Translator, faces: DomainArrays, to: str, what: str) -> Iterator[np.ndarray]:
    count = len(faces.images)
    with counter(f"generating for {what}", count, "face") as progress:
        for start in range(0, count, _CHUNK):
            chunk = np.arange(start, min(start + _CHUNK, count))
            yield from translate_faces(method, faces, chunk, to)
            progress.update(len(chunk))


def _overlap(by: str, tables: Mapping[str, pa.Table]) -> dict[str, int] | None:
    if not all((DATASETS / by / f"{domain}.rows.parquet").exists() for domain in tables):
        note(f"generated_by: the dataset of {by} is not here, so what it was trained on is not known")
        return None
    columns = ["face_id", "cluster", "split"]
    trained = [parts.read_table(DATASETS / by / f"{domain}.rows.parquet", columns) for domain in tables]
    seen = {
        name: {value for table in trained for value in _of_split(table, "train", name)} - {None}
        for name in ("face_id", "cluster")
    }
    found = {
        domain: sum(
            face in seen["face_id"] or cluster in seen["cluster"]
            for face, cluster in zip(
                _of_split(table, "test", "face_id"), _of_split(table, "test", "cluster"), strict=True
            )
        )
        for domain, table in tables.items()
    }
    if any(found.values()):
        counts = ", ".join(f"{count} of {domain}" for domain, count in found.items())
        note(
            f"generated_by: {by} was trained on test faces of this experiment ({counts}); "
            f"set split: within_subjects in experiments.{by}"
        )
    return found


def _of_split(table: pa.Table, split: str, column: str) -> list[Any]:
    return table.filter(pc.equal(table["split"], split))[column].to_pylist()


def resolved_weights(experiment: Recogniser) -> str:
    """Return what `weights: auto` stands for on this machine: the published ones, or none; and say which."""
    if experiment.weights != "auto" or experiment.classifier == "linear":
        return experiment.weights
    try:
        weights.path(PUBLISHED)
    except UserError:
        note(
            f"weights: auto is none here: the network starts from random weights; "
            f"`python -m pipeline weights fetch {PUBLISHED}` brings the published ones"
        )
        return "none"
    return PUBLISHED


def add_embeddings(folder: Path, experiment: Recogniser) -> dict[str, str | None]:
    """Write the numbers of every face that a linear classifier learns on; return their network and its hash."""
    embed, sha256 = _embedder(experiment)
    for domain in experiment.domains:
        images = np.load(folder / f"{domain}.images.npy", mmap_mode="r")
        found = []
        with counter(f"embedding {domain} for {folder.name}", len(images), "face") as progress:
            for start in range(0, len(images), _CHUNK):
                chunk = np.array(images[start : start + _CHUNK])
                found.append(embed(chunk))
                progress.update(len(chunk))
        write_embeddings(folder, domain, np.concatenate(found))
    return {"network": experiment.embedding, "sha256": sha256}


def _embedder(experiment: Recogniser) -> tuple[Callable[[np.ndarray], np.ndarray], str | None]:
    if experiment.embedding == "pixels":
        return thumbnails, None
    if experiment.embedding == embedding.WEIGHTS:
        return embedding.embed, weights.sha256(embedding.WEIGHTS)
    path = weight_file(PUBLISHED if experiment.weights == "auto" else experiment.weights, "weights")
    network = load_inception_resnet_v1(path)

    def embed(faces: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(as_learnt(to_tensor(faces))).numpy()

    return embed, content_hash(path)


_FACENET_PX = 160
