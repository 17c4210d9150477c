"""Document 002's comparison as recipes: a clinic's team enables them over its own folder of pairs."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.real_pictures import REPOSITORY
from pipeline.crawl.references import ImageRef, NothingKnown
from pipeline.crawl.session import Session
from pipeline.params import SourceEntry, load_params
from pipeline.sources import build
from pipeline.workbench.recipes import enable
from tests.crawl.local_site import png

DEMO = "demo-surgery"
STAR = {"method": "stargan", "labels": {"eyes": ("eyes",), "nose": ("nose",), "chin": ("chin",)}}
RAISED = {"lambda_rec": 100}
# Each recipe, and the options that make it what the document says of it.
RECIPES: dict[str, dict[str, Any]] = {
    "surgery-ae": {"method": "autoencoder", "loss": "l1"},
    "surgery-vae": {"method": "vae", "lambda_perceptual": 0, "free_bits": 0.5},
    "surgery-vae-perceptual": {"method": "vae", "lambda_perceptual": 0.01},
    "surgery-gan": {"method": "gan", "architecture": "dcgan"},
    "surgery-pix2pix": {"method": "pix2pix", "conditions": ("image",)},
    "surgery-cyclegan": {"method": "cyclegan", "attention": "none"},
    "surgery-cyclegan-attention-g": {"method": "cyclegan", "attention": "generator"},
    "surgery-cyclegan-attention-gd": {"method": "cyclegan", "attention": "both"},
    "surgery-stargan": {**STAR, "attention": "none", "lambda_rec": 10},
    "surgery-stargan-attention": {**STAR, "attention": "generator", "heads": 1},
    "surgery-stargan-multihead": {**STAR, "attention": "generator", "heads": 8},
    "surgery-stargan-attention-rec": {**STAR, **RAISED, "attention": "generator", "heads": 1},
    "surgery-stargan-multihead-rec": {**STAR, **RAISED, "attention": "generator", "heads": 8},
    "surgery-stargan-attention-gd-rec": {**STAR, **RAISED, "attention": "both", "heads": 1},
    "surgery-starganv2": {"method": "starganv2", "steps": 100_000, "ema": 0.999},
    "surgery-style-transfer": {"method": "style-transfer", "variant": "gatys", "perceptual_weights": "vgg19"},
    "surgery-diffusion": {"method": "diffusion", "lora": "none", "conditioning": "img2img"},
    "surgery-diffusion-lora": {
        "method": "diffusion",
        "rank": 4,
        "alpha": 32,
        "conditioning": "instruct",
        "prompt": "A professional portrait of a person after surgery",
    },
}
# What the document does to all pictures alike.
PREPARED = {
    "domains": ("before", "after"),
    "size_px": 512,
    "pairing": "pair_id",
    "augment": {"enlarge": 1.117, "flip": True, "rotation_deg": 10, "brightness": 0.1},
}


@pytest.fixture
def place(in_folder: Path) -> Path:
    """A folder with the shipped params.yaml and recipes."""
    shutil.copy(REPOSITORY / "params.yaml", ".")
    shutil.copytree(REPOSITORY / "recipes", "recipes")
    return in_folder


def _content(name: str) -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "recipes" / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_prepares_as_the_document_and_is_the_model_that_it_names(place: Path, name: str) -> None:
    enable(name)
    experiment = asdict(load_params().experiment(name))
    wanted = PREPARED | RECIPES[name]
    assert {option: experiment[option] for option in wanted} == wanted


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_to_do(name: str) -> None:
    about = " ".join(_content(name)["about"].split())
    assert about.startswith("Document 002")
    assert "What you must do: " in about
    assert "patients agreed" in about


def test_all_of_them_share_the_patients(place: Path) -> None:
    for name in RECIPES:
        enable(name)
    params = load_params()
    assert [name for name in params.sources if name.startswith("surgery")] == ["surgery-cases"]
    assert params.source("surgery-cases").domains.of("before") == "before"


def test_the_folder_of_a_clinic_becomes_pairs_of_patients_with_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["file,tags"]
    for number, case in enumerate(("012", "013")):
        for role in ("before", "after"):
            name = f"{case}_{role}.png"
            (tmp_path / name).write_bytes(png(number))
            lines.append(f"{name},{'nose;chin' if case == '012' else 'eyes'}")
    (tmp_path / "tags.csv").write_text("\n".join(lines))
    monkeypatch.setenv("LIKENESS_SURGERY", str(tmp_path))
    entry = SourceEntry.model_validate(_content("surgery-stargan")["sources"]["surgery-cases"])
    with Session() as session:
        found = list(build("surgery-cases", entry).discover(session, NothingKnown()))
    told = [each for each in found if isinstance(each, ImageRef)]
    assert [each.role for each in told] == ["before", "after"] * 2
    assert [each.subject for each in told] == ["012", "012", "013", "013"]
    assert len({each.pair_id for each in told}) == 2
    assert [list(each.tags) for each in told[::2]] == [["nose", "chin"], ["eyes"]]


def test_the_demo_has_every_one_of_them_that_needs_no_weights(place: Path) -> None:
    enable(DEMO)
    experiments = load_params().experiments
    shown = {name.removeprefix("demo-") for name in experiments if name.startswith(DEMO)}
    assert shown - {"surgery-style-transfer-adain"} == set(RECIPES) - {
        "surgery-diffusion",
        "surgery-diffusion-lora",
    }
    for name in shown & set(RECIPES):
        small = asdict(experiments[f"demo-{name}"])
        assert small["size_px"] == 64
        for option in ("method", "attention", "heads", "lambda_rec", "lambda_perceptual", "variant"):
            if option in RECIPES[name]:
                assert small[option] == RECIPES[name][option], (name, option)
