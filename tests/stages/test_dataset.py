"""The stage `dataset`: from a catalogue and aligned crops to a folder that is trained on."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.datasets.arrays import load_dataset
from pipeline.datasets.crops import reduce
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.report import datasets as report
from pipeline.stages.dataset import run
from tests.datasets.small_catalogue import crop, face, points, write_catalogue, write_params

SPLITS = ["train"] * 6 + ["val", "test"]
Row = dict[str, Any]


def faces(**known: Any) -> list[Row]:
    """Return eight faces of each domain: photo 0 to 7, anime 100 to 107."""
    return [
        face(first + number, domain, split=split, **known)
        for domain, first in (("photo", 0), ("anime", 100))
        for number, split in enumerate(SPLITS)
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_dataset_has_images_landmarks_and_rows_of_each_domain(in_folder: Path) -> None:
    write_catalogue(faces(subject="Ada", tags=["a"], title="A portrait"))
    write_params(x={})
    run("x")
    dataset = load_dataset(Path("data/datasets/x"))
    photo = dataset.domains["photo"]
    assert photo.rows["face_id"].to_pylist() == [f"{number:064x}-0" for number in range(8)]
    assert (photo.images.shape, photo.large.shape) == ((8, 32, 32, 3), (6, 36, 36, 3))  # type: ignore[union-attr]
    assert np.array_equal(photo.images[3], reduce(crop(3), 32))
    assert photo.points[3] == pytest.approx((points(3) + 0.5) * 32 / 48 - 0.5, abs=1e-3)
    row = photo.rows.to_pylist()[0]
    assert {
        name: row[name] for name in ("subject", "tags", "title", "weight", "labels", "eye_distance_px")
    } == {
        "subject": "Ada",
        "tags": ["a"],
        "title": "A portrait",
        "weight": 1.0,
        "labels": [],
        "eye_distance_px": 40.0,
    }
    assert dataset.pairs is None


def test_the_experiment_is_written_with_every_option_and_its_counts(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(x={"epochs": 5, "steps": None, "batch_size": 4})
    run("x")
    written = json.loads(Path("data/datasets/x/experiment.json").read_text())
    experiment = read_experiment(written)
    assert (experiment.steps, experiment.epochs, written["asked_epochs"]) == (
        10,
        None,
        5,
    )  # 6 faces: 2 batches
    assert written["counts"]["photo"] == {
        **{"faces": 8, "train": 6, "val": 1, "test": 1, "left_out": {}},
        "licences": {"taken": {"CC0 1.0": 8}, "left_out": {}},
    }


def test_the_same_input_gives_the_same_bytes_and_nothing_of_an_earlier_run_stays(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(x={})
    run("x")
    first = files(Path("data/datasets/x"))
    write_params(x={"pairing": "nearest_landmarks"})
    run("x")
    assert "pairs.parquet" in files(Path("data/datasets/x"))
    write_params(x={})
    run("x")
    assert files(Path("data/datasets/x")) == first


def test_pairs_of_one_id_are_rows_of_both_domains(in_folder: Path) -> None:
    photos = [face(n, "photo", pair_id=str(n), split=split) for n, split in enumerate(SPLITS)]
    drawings = [face(100 + n, "anime", pair_id=str(7 - n), split=SPLITS[7 - n]) for n in range(7)]
    write_catalogue(photos + drawings)
    write_params(x={"pairing": "pair_id"})
    run("x")
    dataset = load_dataset(Path("data/datasets/x"))
    assert dataset.pairs is not None
    photo, anime = (dataset.domains[name].rows["pair_id"].to_pylist() for name in ("photo", "anime"))
    pairs = dataset.pairs.to_pylist()
    assert len(pairs) == len(photo) == len(anime) == 7
    assert all(photo[pair["source"]] == anime[pair["target"]] for pair in pairs)
    assert dataset.experiment["counts"]["photo"]["left_out"] == {"no_partner": 1}


def test_pseudo_pairs_have_the_most_similar_landmarks(in_folder: Path) -> None:
    alike = [
        face(100 + n, "anime", split=SPLITS[n], points_68=(points(n) * 0.9 + 1).tolist()) for n in range(8)
    ]
    write_catalogue([*faces()[:8], *alike, face(108, "anime", points_68=None)])
    write_params(x={"pairing": "nearest_landmarks"})
    run("x")
    dataset = load_dataset(Path("data/datasets/x"))
    assert dataset.pairs is not None
    assert dataset.pairs["source"].to_pylist() == dataset.pairs["target"].to_pylist() == list(range(8))
    assert max(dataset.pairs["distance"].to_pylist()) < 0.01
    assert dataset.experiment["counts"]["anime"]["left_out"] == {"no_landmarks": 1}


def test_labels_come_from_tags_and_titles(in_folder: Path) -> None:
    known = faces()
    known[0]["tags"], known[1]["title"] = ["rhinoplasty"], "Nose surgery, before"
    write_catalogue(known)
    write_params(x={"labels": {"nose": ["nose surgery", "rhinoplasty"], "eyes": ["blepharoplasty"]}})
    run("x")
    labels = load_dataset(Path("data/datasets/x")).domains["photo"].rows["labels"].to_pylist()
    assert labels == [[1, 0], [1, 0], *[[0, 0]] * 6]


def test_each_domain_is_prepared_as_the_experiment_says(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(x={"preprocess": {"photo": {"grey": True}}})
    run("x")
    domains = load_dataset(Path("data/datasets/x")).domains
    grey = {name: bool((np.ptp(of.images, axis=3) == 0).all()) for name, of in domains.items()}
    assert grey == {"photo": True, "anime": False}


def test_every_image_that_is_used_is_attributed(in_folder: Path) -> None:
    known = faces(author='Ada, of "Berlin"', licence_url="https://creativecommons.org/publicdomain/zero/1.0/")
    second = known[0] | {"face_id": known[0]["face_id"][:-1] + "1"}
    write_catalogue([*known, second, face(50, "photo", licence="CC BY-NC 4.0")])
    write_params(x={"licences": ["cc0"]})
    run("x")
    with Path("data/datasets/x/attribution.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    assert rows[0]["face_ids"].split() == [known[0]["face_id"], second["face_id"]]
    assert (rows[0]["author"], rows[0]["licence"], rows[0]["url"]) == (
        'Ada, of "Berlin"',
        "CC0 1.0",
        "https://example.org/0.jpg",
    )


def test_domains_are_compared_before_and_after_matching_and_the_report_shows_it(in_folder: Path) -> None:
    rng = np.random.default_rng(0)
    photos = [face(n, "photo", yaw_deg=float(yaw)) for n, yaw in enumerate(rng.normal(-8, 8, 120))]
    drawings = [face(500 + n, "anime", yaw_deg=float(yaw)) for n, yaw in enumerate(rng.normal(8, 8, 80))]
    write_catalogue(photos + drawings)
    write_params(x={"match": ["yaw"]}, y={})
    run("x")
    told = json.loads(Path("data/datasets/x/domains.json").read_text())
    distance = told["attributes"]["yaw"]["wasserstein"]
    assert distance["after"] < distance["before"] / 4
    assert (told["faces"]["photo"]["before"], told["faces"]["anime"]["before"]) == (120, 80)
    shown = report.gather("x")
    yaw = shown["attributes"][0]
    assert (yaw["name"], set(yaw["plots"]), set(yaw["plots"]["after"])) == (
        "yaw",
        {"before", "after"},
        {"photo", "anime"},
    )
    assert set(shown["counts"]["photo"]["left_out"]) <= set(shown["meaning"])


def test_the_weights_to_start_from_are_copied(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(old={"seeds": [3, 4]}, x={"init_from": "old"})
    with pytest.raises(
        UserError, match="models/old/weights/seed-3 holds no weights; type `dvc repro train@old`"
    ):
        run("x")
    trained = Path("models/old/weights/seed-3/generator_source.safetensors")
    trained.parent.mkdir(parents=True)
    trained.write_bytes(b"weights")
    run("x")
    assert Path("data/datasets/x/initial/generator_source.safetensors").read_bytes() == b"weights"


def test_a_domain_without_training_faces_is_named_with_what_was_left_out(in_folder: Path) -> None:
    write_catalogue(faces(licence="CC BY-NC 4.0"))
    write_params(x={"licences": ["cc0"]}, y={"pairing": "pair_id"})
    with pytest.raises(UserError, match=r"experiments.x.domains: photo has no face to train on .*licence 8"):
        run("x")
    with pytest.raises(UserError, match=r"experiments.y.domains: photo has no face .*no_partner 8"):
        run("y")
    assert not Path("data/datasets/x").exists()


def test_the_command_of_dvc_yaml_runs_the_stage(in_folder: Path) -> None:
    write_catalogue(faces())
    write_params(x={})
    assert CliRunner().invoke(app, ["dataset", "x"]).exit_code == 0
    assert Path("data/datasets/x/experiment.json").exists()
    unknown = CliRunner().invoke(app, ["dataset", "z"])
    assert isinstance(unknown.exception, UserError)
    assert "export" in CliRunner().invoke(app, ["dataset", "--help"]).output
