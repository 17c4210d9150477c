"""The stage `dataset` for a tagger, and for an experiment whose perceptual loss looks through one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from pipeline.datasets.arrays import load_dataset
from pipeline.errors import UserError
from pipeline.experiments import as_dict, read_experiment
from pipeline.experiments.classifying import Tagger
from pipeline.params import load_params
from pipeline.stages.dataset import run
from pipeline.training.loop import train
from tests.datasets.small_catalogue import face, write_catalogue, write_params

SPLITS = ["train"] * 6 + ["val", "test"]
TAGGER: dict[str, Any] = {"method": "tagger", "backbone": "test_resnet", "min_count": 2, "batch_size": 2}


def tagged(domain: str, first: int, **known: Any) -> list[dict[str, Any]]:
    """Return eight faces: all are `drawn`, every second one smiles, the first two wear hats."""
    own = [["drawn", *(["smile"] if n % 2 else []), *(["hat"] if n < 2 else [])] for n in range(8)]
    return [face(first + n, domain, split=split, tags=own[n], **known) for n, split in enumerate(SPLITS)]


def written(name: str = "tags") -> dict[str, Any]:
    return json.loads(Path(f"data/datasets/{name}/experiment.json").read_text())


def test_the_most_frequent_telling_tags_become_the_labels(in_folder: Path) -> None:
    write_catalogue([*tagged("photo", 0), *tagged("anime", 100)])
    write_params(tags=TAGGER)
    run("tags")
    experiment = read_experiment(written())
    assert isinstance(experiment, Tagger)
    assert experiment.labels == {"smile": ("smile",), "hat": ("hat",)}
    assert experiment.positive_weight == (1.0, 2.0), "4 of 12 training faces have a hat"
    assert written()["tags_left_out"] == {"other_category": 0, "too_few": 0, "too_many": 1, "beyond_top": 0}
    assert written()["faces_of_tag"] == {"smile": 6, "hat": 4}
    rows = load_dataset(Path("data/datasets/tags")).domains["photo"].rows
    assert rows["labels"].to_pylist() == [[0, 1], [1, 1], *([[0, 0], [1, 0]] * 3)]


def test_a_tagger_of_one_domain_is_trained_from_its_folder(in_folder: Path) -> None:
    write_catalogue(tagged("photo", 0))
    write_params(tags={**TAGGER, "domains": ["photo"], "steps": None, "epochs": 2})
    run("tags")
    assert written()["steps"] == 6
    assert json.loads(Path("data/datasets/tags/domains.json").read_text())["attributes"] == {}
    train(Path("data/datasets/tags"), Path("checkpoints"), Path("models/tags"))
    assert sorted(path.name for path in Path("models/tags/weights/seed-0").iterdir()) == [
        "backbone.safetensors",
        "head.safetensors",
    ]


def test_an_epoch_of_a_tagger_is_all_faces_of_both_domains(in_folder: Path) -> None:
    write_catalogue([*tagged("photo", 0), *tagged("anime", 100)])
    write_params(tags={**TAGGER, "steps": None, "epochs": 3})
    run("tags")
    assert written()["steps"] == 3 * 12 / 2


def test_labels_by_hand_stay_as_they_are(in_folder: Path) -> None:
    faces = tagged("photo", 0)
    faces[0]["tags"], faces[0]["title"] = [], "A big smile"
    write_catalogue(faces)
    write_params(tags={**TAGGER, "domains": ["photo"], "labels": {"happy": ["smile", "laugh"]}})
    run("tags")
    assert written()["labels"] == {"happy": ["smile", "laugh"]}
    assert written()["faces_of_tag"] == {"happy": 4}
    assert "tags_left_out" not in written()
    assert written()["positive_weight"] == [0.5]


def test_faces_without_tags_or_not_alone_in_their_picture_are_left_out(in_folder: Path) -> None:
    faces = tagged("photo", 0)
    faces[0]["tags"] = None
    faces[1]["tags"] = []
    faces[3]["image_id"] = faces[2]["image_id"]
    faces[3]["part"] = faces[2]["part"]
    write_catalogue(faces)
    write_params(tags={**TAGGER, "domains": ["photo"], "min_count": 1})
    run("tags")
    assert written()["counts"]["photo"]["left_out"] == {"no_tags": 2, "not_alone": 2}


@pytest.mark.parametrize(
    ("tags", "category", "taken"),
    [
        (["general:smile", "artist:ada", "copyright:x"], "general", "general:smile"),
        (["attribute:Smiling", "identity:7"], "attribute", "attribute:smiling"),
    ],
    ids=["danbooru", "celeba"],
)
def test_categories_of_danbooru_and_celeba_can_be_chosen(
    in_folder: Path, tags: list[str], category: str, taken: str
) -> None:
    faces = [
        face(n, "photo", split=split, tags=tags if n % 2 else tags[1:]) for n, split in enumerate(SPLITS)
    ]
    write_catalogue(faces)
    write_params(tags={**TAGGER, "domains": ["photo"], "categories": [category]})
    run("tags")
    assert list(written()["labels"]) == [taken]


def test_without_a_tag_to_learn_the_reasons_are_said(in_folder: Path) -> None:
    write_catalogue(tagged("photo", 0))
    write_params(tags={**TAGGER, "domains": ["photo"], "min_count": 5})
    with pytest.raises(UserError, match=r"experiments\.tags: .* no tag to learn .*too_few 2, too_many 1"):
        run("tags")


def perceptual(**options: Any) -> dict[str, Any]:
    return {"lambda_perceptual": 1, "perceptual_weights": "tagger:tags", **options}


def test_a_perceptual_loss_takes_its_tagger_along_in_the_dataset(in_folder: Path) -> None:
    write_catalogue([*tagged("photo", 0), *tagged("anime", 100)])
    tiny = {"generator": {"width": 4, "blocks": 1}, "discriminator": {"width": 4, "layers": 2}}
    write_params(tags=TAGGER, x={**perceptual(), **tiny, "steps": 2})
    run("tags")
    train(Path("data/datasets/tags"), Path("checkpoints/tags"), Path("models/tags"))
    run("x")
    copied = Path("data/datasets/x/tagger")
    trained = Path("models/tags/weights")
    assert (copied / "backbone.safetensors").read_bytes() == (
        trained / "seed-0/backbone.safetensors"
    ).read_bytes()
    assert json.loads((copied / "experiment.json").read_text())["backbone"] == "test_resnet"
    Path("models").rename("elsewhere")
    train(Path("data/datasets/x"), Path("checkpoints/x"), Path("models/x"))
    curve = Path("models/x/curves/perceptual_source.tsv").read_text().splitlines()
    assert float(curve[-1].split("\t")[1]) > 0


def test_a_tagger_that_is_not_trained_is_named(in_folder: Path) -> None:
    write_catalogue([*tagged("photo", 0), *tagged("anime", 100)])
    write_params(tags=TAGGER, x=perceptual())
    with pytest.raises(
        UserError, match=r"experiments\.x\.perceptual_weights: .* type `dvc repro train@tags` first"
    ):
        run("x")


def test_a_tagger_that_the_loss_does_not_use_is_not_asked_for(in_folder: Path) -> None:
    write_catalogue([*tagged("photo", 0), *tagged("anime", 100)])
    write_params(tags=TAGGER, x=perceptual(lambda_perceptual=0))
    run("x")
    assert not Path("data/datasets/x/tagger").exists()


@pytest.mark.parametrize("named", ["gone", "x", "other"])
def test_a_perceptual_loss_names_an_experiment_that_is_a_tagger(in_folder: Path, named: str) -> None:
    write_params(other={}, x=perceptual(perceptual_weights=f"tagger:{named}"))
    with pytest.raises(
        UserError, match=rf"experiments\.x\.perceptual_weights: '{named}' is not one of the exp"
    ):
        load_params()


def test_what_a_tagger_ships_is_what_others_look_through(in_folder: Path) -> None:
    write_catalogue(tagged("photo", 0))
    write_params(tags={**TAGGER, "domains": ["photo"], "steps": 1})
    run("tags")
    train(Path("data/datasets/tags"), Path("checkpoints"), Path("models/tags"))
    described = json.loads(Path("models/tags/weights/experiment.json").read_text())
    assert described == {"name": "tags", **json.loads(json.dumps(as_dict(read_experiment(written()))))}
    weights = safetensors.torch.load_file("models/tags/weights/seed-0/backbone.safetensors")
    assert all(name.startswith("network.") and torch.is_tensor(each) for name, each in weights.items())
