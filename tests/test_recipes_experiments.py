"""The experiments of documents 000, 001, 003 and 004 as recipes."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline.params import Params, load_params
from pipeline.workbench.recipes import enable
from tests.test_recipes_recognition import RECIPES as RECOGNITION
from tests.test_recipes_surgery import DEMO
from tests.test_recipes_surgery import RECIPES as SURGERY

RECIPES = {path.stem: yaml.safe_load(path.read_text()) for path in (REPOSITORY / "recipes").glob("*.yaml")}
NIR = {"method": "cyclegan", "domains": ("vis", "nir"), "per_subject": {"min": 3, "max": 8}, "epochs": 200}
ANIME = {"domains": ("photo", "anime"), "size_px": 256}
EQUALIZED = {"vis": {"equalize": "global", "grey": False}}
# What each document says of an experiment: words and counts, and the options that make it what it is.
EXPERIMENTS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "ultrasound-to-baby-cyclegan-10": ("000", ["67", "121", "800"], {"lambda_cycle": 10, "epochs": 800}),
    "ultrasound-to-baby-cyclegan-1": ("000", ["67", "121", "800"], {"lambda_cycle": 1, "epochs": 800}),
    "ultrasound-to-baby-matched": (
        "000",
        ["67", "121"],
        {"match": ("front", "turned-left", "turned-right", "close"), "lambda_cycle": 10},
    ),
    "ultrasound-to-baby-gallery": ("000", ["67", "121"], {"method": "cyclegan", "lambda_cycle": 10}),
    "ultrasound-to-baby-pix2pix": ("000", ["200"], {"conditions": ("image",), "pairing": "pair_id"}),
    "ultrasound-to-baby-discogan": ("000", ["67", "121"], {"method": "discogan", "size_px": 64}),
    "ultrasound-to-baby-getgan": (
        "001",
        ["67", "121"],
        {"gate": "none", "weight_range": "half", "error": True},
    ),
    "ultrasound-to-baby-getgan-gate": ("001", ["67", "121"], {"gate": "full", "weight_range": "half"}),
    "ultrasound-to-baby-getgan-full": ("001", ["67", "121"], {"gate": "full", "weight_range": "full"}),
    "ultrasound-to-baby-ugatit": ("001", ["67", "121"], {"method": "ugatit"}),
    "ultrasound-to-baby-munit": ("001", ["67", "121"], {"method": "munit"}),
    "nir-a-aligned": ("003", ["2,966", "533", "4,301", "655"], {**NIR, "preprocess": {}}),
    "nir-b-equalised": ("003", ["2,966", "533", "4,301", "655"], {**NIR, "preprocess": EQUALIZED}),
    "nir-c-perceptual": (
        "003",
        ["2,966", "533", "4,301", "655"],
        {**NIR, "preprocess": EQUALIZED, "lambda_perceptual": 1, "perceptual_weights": "vgg16"},
    ),
    "nir-face-features": (
        "003",
        ["2,966", "533", "4,301", "655"],
        {**NIR, "encoder": "face_features", "lambda_pixel": 0},
    ),
    "nir-attention": ("003", ["2,966", "533", "4,301", "655"], {**NIR, "attention": "generator"}),
    "anime-pix2pix-1": ("004", ["199,951"], {**ANIME, "steps": 200_000, "conditions": ("landmarks",)}),
    "anime-pix2pix-2": ("004", ["199,951"], {**ANIME, "conditions": ("landmarks", "colors")}),
    "anime-pix2pix-3": (
        "004",
        ["199,951"],
        {**ANIME, "conditions": ("landmarks", "colors", "noise"), "color_jitter": 0.05},
    ),
    "anime-pix2pix-film": (
        "004",
        ["199,951"],
        {**ANIME, "colors": "film", "judged_with": ("landmarks",), "condition_dropout": 0.2},
    ),
    "anime-pix2pix-same-shape": (
        "004",
        ["200,000"],
        {**ANIME, "conditions": ("image",), "pairing": "nearest_landmarks"},
    ),
    "anime-cyclegan": (
        "004",
        ["850,000", "80"],
        {**ANIME, "steps": 850_000, "batch_size": 1, "conditions": ()},
    ),
    "anime-cyclegan-batch-4": ("004", ["850,000"], {**ANIME, "batch_size": 4, "steps": 212_500}),
    "anime-cyclegan-landmarks": (
        "004",
        ["140,000", "160,000"],
        {**ANIME, "conditions": ("landmarks",), "landmark_pixels": (127.5, 255)},
    ),
    "anime-cyclegan-landmarks-0-1": (
        "004",
        ["160,000"],
        {**ANIME, "conditions": ("landmarks",), "landmark_pixels": (0, 1)},
    ),
    "anime-cyclegan-landmark-attention": ("004", ["160,000"], {**ANIME, "landmarks": "attention"}),
    "anime-munit": ("004", ["850,000"], {**ANIME, "method": "munit"}),
    "anime-cut": ("004", ["850,000"], {**ANIME, "method": "cut", "variant": "cut", "epochs": 400}),
    "anime-fastcut": ("004", ["850,000"], {**ANIME, "method": "cut", "variant": "fast", "epochs": 200}),
    "anime-tagger": (
        "004",
        ["88%", "1,424,990"],
        {"method": "tagger", "backbone": "vgg19", "backbone_weights": "imagenet", "categories": ("general",)},
    ),
    "celeba-tagger": (
        "004",
        ["40", "88%"],
        {"method": "tagger", "backbone": "resnet50", "domains": ("photo",), "categories": ("attribute",)},
    ),
    "asian-to-webtoon-ugatit": ("004", ["1,176", "5,474"], {"method": "ugatit", "steps": 1_000_000}),
}


@pytest.fixture
def place(in_folder: Path) -> Path:
    """A folder with the shipped params.yaml and recipes."""
    shutil.copy(REPOSITORY / "params.yaml", ".")
    shutil.copytree(REPOSITORY / "recipes", "recipes")
    return in_folder


def test_every_experiment_is_one_recipe_of_its_own_name() -> None:
    with_experiments = {name for name, content in RECIPES.items() if content.get("experiments")}
    assert with_experiments - {*RECOGNITION, *SURGERY, DEMO} == set(EXPERIMENTS)
    assert all(list(RECIPES[name]["experiments"]) == [name] for name in EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_enabling_a_recipe_enables_its_experiment(place: Path, name: str) -> None:
    before = set(load_params().experiments)
    added = enable(name).added
    params = load_params()
    assert set(params.experiments) == before | {name}
    assert f"experiments.{name}" in added
    experiment = asdict(params.experiment(name))
    options = EXPERIMENTS[name][2]
    assert {option: experiment[option] for option in options} == options


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_recipe_names_its_document_and_the_counts_of_that(name: str) -> None:
    document, counts, _ = EXPERIMENTS[name]
    about = " ".join(RECIPES[name]["about"].split())
    assert f"ocument {document}" in about
    for count in counts:
        assert count in about
    assert "What you must do: " in about


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_recipe_brings_the_sources_of_both_domains(name: str) -> None:
    content = RECIPES[name]
    given = set()
    for source in content["sources"].values():
        domain = source["domain"]
        given |= {domain} if isinstance(domain, str) else set(domain.values())
    assert given == set(content["domains"]) == set(content["experiments"][name]["domains"])


def test_all_recipes_go_together() -> None:
    """Entries of one name say the same in all recipes, so that any of them can be enabled after any other."""
    merged = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for name, content in RECIPES.items():
        for section in ("domains", "sources", "experiments"):
            for entry, values in (content.get(section) or {}).items():
                assert merged[section].setdefault(entry, values) == values, f"{name}: {section}.{entry}"
    assert set(EXPERIMENTS) < set(Params.model_validate(merged).experiments)


def test_what_the_user_has_to_do_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LIKENESS_ULTRASOUND", "LIKENESS_NEWBORNS"):
        monkeypatch.delenv(variable, raising=False)
    ultrasound, baby, *others = enable("ultrasound-to-baby-matched").next_steps
    assert ultrasound.startswith("set the environment variable LIKENESS_ULTRASOUND")
    assert baby.startswith("set the environment variable LIKENESS_NEWBORNS")
    assert others == [
        "python -m pipeline source check ultrasound-tagged",
        "python -m pipeline source check baby-tagged",
        "dvc repro evaluate@ultrasound-to-baby-matched",
    ]
