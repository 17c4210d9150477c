"""By how much an experiment's data have grown since it was trained, through a real DVC project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline.datasets.selection import FACES
from pipeline.errors import UserError
from pipeline.stages.dataset import run as gather
from pipeline.watch.growth import describe, growth
from tests.datasets.small_catalogue import Row, face, write_catalogue, write_params

# `matched` draws no more faces of either domain than look to the same side.
EXPERIMENTS = {"plain": {}, "matched": {"match": ["yaw"]}}
STAGES = {
    "catalogue": {"cmd": f"cp gathered {FACES}", "deps": ["gathered"], "outs": [str(FACES)]},
    "dataset": {
        "foreach": "${experiments}",
        "do": {
            "cmd": "python -m pipeline dataset ${key}",
            "deps": [str(FACES)],
            "params": ["experiments.${key}"],
            "outs": ["data/datasets/${key}"],
        },
    },
    "train": {
        "foreach": "${experiments}",
        "do": {
            "cmd": "mkdir -p models/${key}/weights && cp data/datasets/${key}/experiment.json models/${key}/weights",
            "deps": ["data/datasets/${key}"],
            "outs": ["models/${key}/weights"],
        },
    },
}


def faces(numbers: range, domain: str) -> list[Row]:
    """Return faces of which those of photos look ever more to one side, every tenth held out."""
    return [
        face(
            (1000 if domain == "anime" else 0) + number,
            domain,
            split="test" if number % 10 == 9 else "train",
            yaw_deg=2.0 * number if domain == "photo" else 0.0,
        )
        for number in numbers
    ]


def gathered(photos: range, animes: range) -> None:
    """Write the catalogue of such faces, and where the stage `catalogue` finds it."""
    write_catalogue(faces(photos, "photo") + faces(animes, "anime"))
    shutil.copyfile(FACES, "gathered")


def run(*command: str) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def dvc(*arguments: str) -> None:
    run(sys.executable, "-m", "dvc", *arguments)


def train(name: str) -> None:
    """Gather and train without DVC."""
    gather(name)
    Path("models", name, "weights").mkdir(parents=True)


def set_limit(share: float) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(values | {"schedules": {"retrain_when_grown": share}}))


@pytest.mark.long
def test_faces_that_came_and_went_count_since_the_training(in_folder: Path) -> None:
    write_params(**EXPERIMENTS)
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    gathered(range(20), range(20))
    for command in (
        ("git", "init", "--quiet"),
        ("git", "config", "user.email", "a@b.c"),
        ("git", "config", "user.name", "A"),
    ):
        run(*command)
    dvc("init", "--quiet")
    dvc("repro", "--quiet")
    trained = {"trained_on": 36, "new": 0, "lost": 0, "grown": 0.0, "due": False}
    assert growth() == {"plain": trained, "matched": trained}, "what matching leaves out is not new"
    run("git", "add", ".")
    run("git", "commit", "--quiet", "--message", "trained")

    gathered(range(2, 26), range(20))
    dvc("repro", "--quiet", "catalogue")
    grown = {"trained_on": 36, "new": 6, "lost": 2, "grown": round(8 / 36, 4), "due": True}
    assert growth() == {"plain": grown, "matched": grown}
    set_limit(0.3)
    assert growth()["plain"] == grown | {"due": False}

    # The dataset is gathered again, but nobody trains on it: Git remembers which catalogue the training saw.
    dvc("repro", "--quiet", "--single-item", "dataset@plain")
    assert growth()["plain"] == grown | {"due": False}
    # Without that, the numbers which the dataset of the training tells are left; DVC's cache has it.
    Path(".git").rename("hidden")
    assert growth()["plain"] == {
        "trained_on": 36,
        "new": 4,
        "lost": 0,
        "grown": round(4 / 36, 4),
        "due": False,
    }

    Path("hidden").rename(".git")
    dvc("repro", "--quiet", "--force", "--single-item", "train@plain")
    assert growth()["plain"] == {"trained_on": 40, "new": 0, "lost": 0, "grown": 0.0, "due": False}


def test_what_was_trained_without_dvc_is_told_by_its_dataset(in_folder: Path) -> None:
    write_params(**EXPERIMENTS)
    gathered(range(20), range(20))
    train("plain")
    train("matched")
    trained = {"trained_on": 36, "new": 0, "lost": 0, "grown": 0.0, "due": False}
    assert growth() == {"plain": trained, "matched": trained}
    gathered(range(10), range(20))
    assert growth()["matched"] == {"trained_on": 36, "new": 0, "lost": 9, "grown": 0.25, "due": True}
    assert describe(growth()).splitlines()[0] == (
        "plain: trained on 36 faces, 0 new and 9 gone since: 25.0%; due"
    )


def test_what_was_never_trained_is_due_if_there_are_faces_of_both_domains(in_folder: Path) -> None:
    write_params(plain={})
    gathered(range(20), range(20))
    gather("plain")
    untrained = {"trained_on": None, "new": 36, "lost": 0, "grown": None, "due": True}
    assert growth() == {"plain": untrained}
    assert describe(growth()) == "plain: no training is known of, 36 faces to train on; due"
    gathered(range(20), range(0))
    assert growth() == {"plain": untrained | {"new": 18, "due": False}}
    assert describe(growth()) == "plain: not trained; a domain has no faces to train on"


def test_without_experiments_nothing_grows(in_folder: Path) -> None:
    write_params()
    gathered(range(2), range(2))
    assert growth() == {}
    assert describe({}) == "params.yaml has no experiments"


def test_without_a_catalogue_it_says_what_to_type(in_folder: Path) -> None:
    write_params(plain={})
    with pytest.raises(UserError, match=r"faces\.parquet: no such file; type `dvc repro catalogue`"):
        growth()
