"""Document 003's recognition experiment as recipes: the same recogniser without and with each generator's pictures."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline.experiments import Experiment
from pipeline.params import load_params
from pipeline.workbench.recipes import enable

RECIPES = ("nir-recognition", "nir-recognition-a", "nir-recognition-b", "nir-recognition-c")
# The recipe of each generator, which parts people where the recogniser's parts pictures.
GENERATORS = {"a": "nir-a-aligned", "b": "nir-b-equalised", "c": "nir-c-perceptual"}


@pytest.fixture
def place(in_folder: Path) -> Path:
    """A folder with the shipped params.yaml and recipes."""
    shutil.copy(REPOSITORY / "params.yaml", in_folder)
    shutil.copytree(REPOSITORY / "recipes", "recipes")
    return in_folder


def enabled(name: str) -> dict[str, Experiment]:
    """Enable a recipe; return the experiments that it added."""
    before = set(load_params().experiments)
    enable(name)
    return {key: each for key, each in load_params().experiments.items() if key not in before}


def differing(one: Experiment, other: Experiment) -> dict[str, Any]:
    """Return the options of the first that the second has otherwise."""
    others = asdict(other)
    return {name: value for name, value in asdict(one).items() if others[name] != value}


@pytest.mark.parametrize("letter", GENERATORS)
def test_recognisers_differ_by_the_generator_alone(place: Path, letter: str) -> None:
    without = enabled("nir-recognition")["nir-recognition"]
    recogniser = enabled(f"nir-recognition-{letter}")[f"nir-recognition-{letter}"]
    assert differing(recogniser, without) == {"generated_by": f"nir-recognition-{letter}-generator"}


@pytest.mark.parametrize("letter", GENERATORS)
def test_generators_are_the_document_s_but_never_see_a_face_that_is_tested(place: Path, letter: str) -> None:
    generator = enabled(f"nir-recognition-{letter}")[f"nir-recognition-{letter}-generator"]
    document = enabled(GENERATORS[letter])[GENERATORS[letter]]
    assert differing(generator, document) == {"split": "within_subjects"}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_states_the_document_s_counts(name: str) -> None:
    about = " ".join(yaml.safe_load((REPOSITORY / "recipes" / f"{name}.yaml").read_text())["about"].split())
    for count in ("ocument 003", "520", "530", "6,456", "9,380", "2,924", "3,532", "What you must do: "):
        assert count in about
    assert 9380 - 6456 == 2924
    assert 6456 - 2924 == 3532


def test_a_recogniser_is_the_document_s_network_and_people(place: Path) -> None:
    options = asdict(enabled("nir-recognition")["nir-recognition"])
    expected = {
        "classifier": "inception-resnet-v1",
        "weights": "inception-resnet-v1",
        "label": "subject",
        "per_subject": {"min": 3, "max": 8},
        "domains": ("vis", "nir"),
    }
    assert {name: options[name] for name in expected} == expected


def test_the_generator_is_trained_before_its_recogniser(place: Path) -> None:
    steps = enable("nir-recognition-a").next_steps
    runs = [step for step in steps if step.startswith("dvc repro")]
    assert runs == [
        "dvc repro evaluate@nir-recognition-a-generator",
        "dvc repro evaluate@nir-recognition-a",
    ]
