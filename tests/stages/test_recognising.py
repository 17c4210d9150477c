"""The stage `dataset` of a recogniser: its split, its labels, its embeddings, and the faces that a translation made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from pipeline import parts
from pipeline.datasets.arrays import Dataset, DomainArrays, load_dataset
from pipeline.datasets.generated import generated_id
from pipeline.errors import UserError
from pipeline.evaluation.translations import translate_faces
from pipeline.experiments import read_experiment
from pipeline.methods import build_method
from pipeline.params import load_params
from pipeline.stages.dataset import run
from pipeline.training.checkpoints import load_translator, save_weights
from tests.datasets.small_catalogue import face, write_catalogue, write_params

PEOPLE = ("Ada", "Bob", "Eve")
OF_EACH = 12
RECOGNISER = {"method": "recogniser", "embedding": "pixels"}
GENERATOR = {
    "method": "cyclegan",
    "split": "within_subjects",
    "generator": {"width": 4, "blocks": 1},
    "discriminator": {"width": 4, "layers": 2},
}
Row = dict[str, Any]


def faces() -> list[Row]:
    """Return twelve pictures of each of three people, each picture in both domains, and one more person in one."""
    shown = [
        face(first + number, domain, subject=PEOPLE[number // OF_EACH], pair_id=f"picture-{number}")
        for domain, first in (("photo", 0), ("anime", 500))
        for number in range(OF_EACH * len(PEOPLE))
    ]
    return [*shown, face(900, "photo", subject="Max")]


def train_generator(name: str = "gen") -> None:
    """Write the dataset of a generator, and weights as if it were trained."""
    run(name)
    experiment = load_params().experiment(name)
    save_weights(
        Path("models", name, "weights", "seed-0"), build_method(experiment, torch.Generator().manual_seed(0))
    )


def made(domain: DomainArrays) -> np.ndarray:
    return np.flatnonzero(["@" in face_id for face_id in domain.rows["face_id"].to_pylist()])


def dataset(name: str) -> Dataset:
    return load_dataset(Path("data/datasets", name))


def test_a_recogniser_s_dataset_has_people_as_labels_and_numbers_of_every_face(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(x=RECOGNISER)
    run("x")
    found = dataset("x")
    assert list(found.experiment["labels"]) == list(PEOPLE)
    assert found.experiment["embedded"] == {"network": "pixels", "sha256": None}
    for domain in found.domains.values():
        rows = domain.rows.to_pylist()
        assert [PEOPLE[int(np.argmax(row["labels"]))] for row in rows] == [row["subject"] for row in rows]
        assert {row["split"] for row in rows} == {"train", "val", "test"}
        assert domain.embeddings is not None
        assert domain.embeddings.shape == (len(rows), 576)
    assert found.experiment["counts"]["photo"]["left_out"] == {"label_not_in_every_domain": 1}


def test_a_picture_is_on_one_side_in_both_domains(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(x=RECOGNISER)
    run("x")
    splits = [
        dict(zip(domain.rows["pair_id"].to_pylist(), domain.rows["split"].to_pylist(), strict=True))
        for domain in dataset("x").domains.values()
    ]
    assert splits[0] == splits[1]


def test_generated_faces_are_one_for_each_training_face_of_the_first_domain(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(gen=GENERATOR, none=RECOGNISER, x={**RECOGNISER, "generated_by": "gen"})
    train_generator()
    run("none")
    run("x")
    without, found = dataset("none"), dataset("x")
    photo, anime = found.domains["photo"], found.domains["anime"]
    sources = photo.rows.filter(pc.equal(photo.rows["split"], "train")).to_pylist()
    rows = anime.rows.take(made(anime)).to_pylist()
    assert [row["face_id"] for row in rows] == [generated_id(row["face_id"], "gen") for row in sources]
    assert {row["split"] for row in rows} == {"train"}
    for name in ("labels", "subject", "page_url", "licence"):
        assert [row[name] for row in rows] == [row[name] for row in sources]
    real = without.domains["anime"]
    assert anime.rows.num_rows == real.rows.num_rows + len(sources)
    assert np.array_equal(anime.images[: real.rows.num_rows], real.images)
    assert np.array_equal(photo.images, without.domains["photo"].images)
    assert anime.embeddings is not None
    assert len(anime.embeddings) == anime.rows.num_rows


def test_generated_faces_are_what_the_generator_makes_of_faces_as_it_was_trained_on(in_folder: Path) -> None:
    write_catalogue(faces())
    equalized = {**GENERATOR, "preprocess": {"photo": {"grey": True}}}
    write_params(gen=equalized, x={**RECOGNISER, "generated_by": "gen"})
    train_generator()
    run("x")
    anime, seen = dataset("x").domains["anime"], dataset("gen").domains["photo"]
    experiment = read_experiment(dataset("gen").experiment)
    method = load_translator(Path("models/gen/weights/seed-0"), experiment)
    # The generator's own dataset also has Max, who is in one domain only.
    trained = seen.indices("train")
    known = trained[[seen.rows["subject"][int(face)].as_py() != "Max" for face in trained]]
    assert np.array_equal(anime.images[made(anime)], translate_faces(method, seen, known, "anime"))
    assert not Path("data/datasets/x/translated").exists()


def test_the_experiment_says_which_weights_made_them_and_that_no_test_face_was_seen(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(gen=GENERATOR, x={**RECOGNISER, "generated_by": "gen"})
    train_generator()
    run("x")
    generated = json.loads(Path("data/datasets/x/experiment.json").read_text())["generated"]
    weights = Path("models/gen/weights/seed-0/generator_to_target.safetensors")
    assert generated["weights"][weights.name] == parts.content_hash(weights)
    assert (generated["by"], generated["seed"]) == ("gen", 0)
    assert generated["faces"] == len(dataset("x").domains["photo"].indices("train"))
    assert generated["overlap"] == {"photo": 0, "anime": 0}


def test_a_generator_that_was_trained_on_test_faces_is_told(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_catalogue(faces())
    write_params(gen={**GENERATOR, "split": "catalogue"}, x={**RECOGNISER, "generated_by": "gen"})
    train_generator()
    run("x")
    found = dataset("x")
    tested = {name: len(domain.indices("test")) for name, domain in found.domains.items()}
    assert found.experiment["generated"]["overlap"] == tested
    assert "was trained on test faces" in capsys.readouterr().err


def test_larger_training_faces_are_there_for_generated_ones_too(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(gen=GENERATOR, x={**RECOGNISER, "generated_by": "gen", "augment": {"enlarge": 1.125}})
    train_generator()
    run("x")
    anime = dataset("x").domains["anime"]
    assert anime.large is not None
    assert anime.large.shape == (len(anime.indices("train")), 36, 36, 3)


def test_the_same_input_gives_the_same_bytes(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(gen=GENERATOR, x={**RECOGNISER, "generated_by": "gen"})
    train_generator()
    folder = Path("data/datasets/x")
    run("x")
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    run("x")
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_people_with_few_pictures_are_left_out(in_folder: Path) -> None:
    shown = [row for row in faces() if row["subject"] != "Eve" or int(row["image_id"], 16) % 500 < 26]
    write_catalogue(shown)
    write_params(x={**RECOGNISER, "per_subject": {"min": 3}})
    run("x")
    assert list(dataset("x").experiment["labels"]) == ["Ada", "Bob"]


def test_weights_that_are_not_here_are_none_and_said(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(in_folder))
    write_catalogue(faces())
    write_params(x={"method": "recogniser", "classifier": "inception-resnet-v1"})
    run("x")
    assert dataset("x").experiment["weights"] == "none"
    assert "weights fetch inception-resnet-v1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("experiments", "said"),
    [
        ({"x": {"generated_by": "gen"}}, "'gen' is not one of the other experiments"),
        ({"x": {"generated_by": "gen"}, "gen": GENERATOR}, "dvc repro train@gen"),
        ({"x": {"generated_by": "gen", "size_px": 64}, "gen": GENERATOR}, "makes images of 32 px"),
        ({"x": {"labels": {"a": ["b"]}}}, "labels are those of `label`"),
        ({"x": {"label": "expression:"}}, "no face of photo has one"),
        ({"x": {"embedding": "inception-resnet-v1"}}, "weights fetch inception-resnet-v1"),
    ],
)
def test_what_cannot_be_done_is_an_error_with_its_fix(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, experiments: dict[str, Row], said: str
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(in_folder))
    write_catalogue(faces())
    write_params(**{**experiments, "x": {**RECOGNISER, **experiments["x"]}})
    with pytest.raises(UserError, match=said):
        run("x")
