"""What a user may ask of a model: what it changes, what it leaves as it is, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from pipeline.errors import UserError
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator
from pipeline.serve.controls import LARGEST_SEED, Chosen, controls_of, measured_colors, refuse
from pipeline.serve.zoo import Zoo
from tests.methods.stepping import build
from tests.methods.tiny_dataset import experiment
from tests.serve.small_zoo import a_face, write_model

BY_ITSELF = Chosen()
ALL_TOLD = {"conditions": ["landmarks", "colors", "noise"]}
PROMPTED = {"labels": {"eyes": ["eyes"], "nose": ["nose"]}, "prompts": {"nose": "a nose"}}
IMG2IMG = {"conditioning": "img2img", "strength": 0.5}
# Each model with two different choices of one of its controls.
CHOICES: dict[str, tuple[str, dict[str, Any], Chosen, Chosen]] = {
    "pix2pix colours": (
        "pix2pix",
        ALL_TOLD,
        Chosen(colors={"skin": (255, 0, 0)}),
        Chosen(colors={"skin": (255, 0, 0), "eyes": (0, 0, 255)}),
    ),
    "pix2pix noise": ("pix2pix", ALL_TOLD, Chosen(noise_seed=1), Chosen(noise=False)),
    "pix2pix dropout": (
        "pix2pix",
        {"size_px": 64, "test_dropout": True},
        Chosen(noise_seed=1),
        Chosen(noise=False),
    ),
    "gan": ("gan", {}, Chosen(noise_seed=1), Chosen(noise_seed=LARGEST_SEED)),
    "getgan": ("getgan", {}, Chosen(error_share=0.5), Chosen(error_share=1.0)),
    "munit seed": ("munit", {}, Chosen(style_seed=2), Chosen(style_seed=3)),
    "munit image": (
        "munit",
        {},
        Chosen(style_image=a_face(1).crop),
        Chosen(style_image=a_face(2).crop),
    ),
    "stargan": ("stargan", {}, Chosen(labels=()), Chosen(labels=("anime",))),
    "starganv2 seed": ("starganv2", {}, Chosen(style_seed=2), Chosen(style_seed=3)),
    "starganv2 image": (
        "starganv2",
        {},
        Chosen(style_image=a_face(1).crop),
        Chosen(style_image=a_face(2).crop),
    ),
    "adain image": (
        "style-transfer",
        {},
        Chosen(style_image=a_face(1).crop),
        Chosen(style_image=a_face(1).crop, strength=0.5),
    ),
    "adain strength": ("style-transfer", {}, Chosen(strength=0.0), Chosen(strength=0.5)),
    "gatys image": (
        "style-transfer",
        {"variant": "gatys", "adain": {}, "gatys": {"iterations": 2}},
        Chosen(style_image=a_face(1).crop),
        Chosen(style_image=np.full((48, 48, 3), 200, np.uint8)),
    ),
    "diffusion strength": ("diffusion", IMG2IMG, Chosen(strength=1.0), Chosen(strength=1.0, noise_seed=5)),
    "diffusion guidance": ("diffusion", {}, Chosen(guidance=0.0), Chosen(guidance=3.0)),
    "diffusion labels": ("diffusion", PROMPTED, Chosen(labels=("nose",)), Chosen(noise_seed=LARGEST_SEED)),
}


def image_of(zoo: Zoo, chosen: Chosen = BY_ITSELF) -> np.ndarray:
    answer = zoo.translate("x", a_face(), "photo", "anime", chosen)
    assert answer.image is not None, answer.problem
    return answer.image


@pytest.mark.parametrize("case", CHOICES)
def test_another_choice_is_another_picture_and_the_same_choice_the_same(tmp_path: Path, case: str) -> None:
    method, options, first, second = CHOICES[case]
    write_model(tmp_path, "x", method, **options)
    zoo = Zoo(tmp_path, torch.device("cpu"))
    by_itself, one, other = image_of(zoo), image_of(zoo, first), image_of(zoo, second)
    assert not np.array_equal(one, by_itself)
    assert not np.array_equal(other, by_itself)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(image_of(zoo, first), one)
    np.testing.assert_array_equal(image_of(zoo), by_itself)


def test_the_weight_of_the_face_counts_once_the_u_net_is_told_of_it(tmp_path: Path) -> None:
    write_model(tmp_path, "x", "diffusion")
    told = tmp_path / "x/weights/seed-0/conv_in.safetensors"
    weights = safetensors.torch.load_file(told)  # which start at 0
    safetensors.torch.save_file({name: torch.full_like(value, 0.1) for name, value in weights.items()}, told)
    zoo = Zoo(tmp_path, torch.device("cpu"))
    assert not np.array_equal(image_of(zoo), image_of(zoo, Chosen(image_guidance=0.0)))


@pytest.mark.parametrize("conditions", [["landmarks", "colors"], ["colors"]])
def test_the_norms_of_cyclegan_take_constant_planes_away(conditions: list[str]) -> None:
    model = build("cyclegan", conditions=conditions)
    assert isinstance(model, Translator)
    inputs = torch.rand(1, 3 + 9 + len(conditions) - 1, 32, 32)
    other = inputs.clone()
    other[:, -9:] = -0.7
    inputs[:, -9:] = 0.3
    torch.testing.assert_close(model.translate(inputs, "anime"), model.translate(other, "anime"))


@pytest.mark.parametrize(
    ("method", "options"),
    [(name, {}) for name in TRANSLATORS]
    + [("pix2pix", ALL_TOLD), ("pix2pix", {"size_px": 64, "test_dropout": True}), ("diffusion", IMG2IMG)]
    + [("diffusion", PROMPTED), ("pix2pix", {"conditions": ["image", "noise"], "pairing": "pair_id"})],
)
def test_what_a_control_shows_at_first_is_what_the_model_does_by_itself(
    tmp_path: Path, method: str, options: dict[str, Any]
) -> None:
    write_model(tmp_path, "x", method, **options)
    zoo = Zoo(tmp_path, torch.device("cpu"))
    by_itself = image_of(zoo)
    for control in zoo.controls("x", "anime"):
        if control.default is not None:
            np.testing.assert_array_equal(
                image_of(zoo, Chosen(**{control.field: control.default})), by_itself
            )
    colors = {name: color for name, color in measured_colors(a_face()).items() if color is not None}
    if any(control.kind == "colors" for control in zoo.controls("x", "anime")):
        np.testing.assert_array_equal(image_of(zoo, Chosen(colors=colors)), by_itself)


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("cut", {}, []),
        ("cyclegan", {"conditions": ["landmarks", "colors"]}, []),
        ("ugatit", {}, []),
        ("vae", {}, []),
        ("pix2pix", {}, []),
        ("pix2pix", ALL_TOLD, ["colors", "noise_seed", "noise"]),
        ("getgan", {}, ["error_share"]),
        ("getgan", {"error": False}, []),
        ("munit", {}, ["style_seed", "style_image"]),
        ("stargan", {}, ["labels"]),
        ("stargan", {"labels": {}}, []),
        ("style-transfer", {}, ["style_image", "strength"]),
        ("style-transfer", {"variant": "gatys", "adain": {}}, ["style_image"]),
        ("diffusion", {}, ["strength", "guidance", "image_guidance", "noise_seed"]),
        ("diffusion", IMG2IMG | PROMPTED, ["strength", "guidance", "labels", "noise_seed"]),
    ],
)
def test_a_model_has_the_controls_of_its_experiment(
    method: str, options: dict[str, Any], expected: list[str]
) -> None:
    assert [control.field for control in controls_of(experiment(method, **options), "anime")] == expected


def test_the_way_to_the_source_asks_for_no_labels_and_has_no_error() -> None:
    assert controls_of(experiment("stargan"), "photo") == ()
    assert controls_of(experiment("getgan"), "photo") == ()
    assert len(controls_of(experiment("starganv2"), "photo")) == 2


def test_a_default_beyond_the_usual_is_within_the_range() -> None:
    controls = controls_of(experiment("diffusion", guidance=30.0, strength=0.2), "anime")
    ranges = {control.field: (control.low, control.default, control.high) for control in controls}
    assert ranges["guidance"] == (0.0, 30.0, 30.0)
    assert ranges["strength"] == (0.2, 0.2, 1.0)  # of 2 steps one is the least, unless told otherwise


@pytest.mark.parametrize(
    ("method", "chosen", "problem"),
    [
        ("cut", {"noise_seed": 1}, "noise_seed: x has no such control; it has none"),
        ("munit", {"labels": ("even",)}, "labels: x has no such control; it has style_seed, style_image"),
        ("pix2pix", {"colors": {"beard": (1, 2, 3)}}, "colors: 'beard' is not one of skin, hair, eyes"),
        ("pix2pix", {"colors": {"skin": (1, 2, 256)}}, "skin must be red, green and blue from 0 to 255"),
        ("pix2pix", {"colors": {"skin": (1, 2)}}, "skin must be red, green and blue from 0 to 255"),
        ("pix2pix", {"noise": 1}, "noise: must be True or False, got 1"),
        ("pix2pix", {"noise": False, "noise_seed": 1}, "noise_seed: nothing is drawn with noise off"),
        ("gan", {"noise_seed": -1}, "noise_seed: must be a whole number from 0 to 16777215, got -1"),
        ("gan", {"noise_seed": 1.5}, "noise_seed: must be a whole number"),
        ("gan", {"noise_seed": LARGEST_SEED + 1}, "noise_seed: must be a whole number"),
        ("stargan", {"labels": ("odd",)}, "labels: 'odd' is not one of even, anime"),
        ("getgan", {"error_share": 1.1}, "error_share: must be from 0 to 1, got 1.1"),
        ("getgan", {"error_share": float("nan")}, "error_share: must be from 0 to 1, got nan"),
        ("getgan", {"error_share": True}, "error_share: must be from 0 to 1, got True"),
        ("diffusion", {"strength": 0.0}, "strength: must be from 0.5 to 1, got 0.0"),
        ("munit", {"style_image": np.zeros((4, 5, 3), np.uint8)}, "style_image: must be an aligned crop"),
        ("munit", {"style_image": np.zeros((4, 4, 3))}, "style_image: must be an aligned crop"),
        ("munit", {"style_image": np.zeros((4, 4, 3), np.uint8), "style_seed": 1}, "give one of the two"),
    ],
)
def test_a_choice_that_a_model_does_not_have_is_refused_by_name(
    method: str, chosen: dict[str, Any], problem: str
) -> None:
    controls = controls_of(experiment(method, **(ALL_TOLD if method == "pix2pix" else {})), "anime")
    with pytest.raises(UserError) as refused:
        refuse(Chosen(**chosen), controls, "x")
    assert problem in str(refused.value)


def test_both_eyes_count_as_one_colour_and_an_unknown_colour_is_none() -> None:
    face = a_face()
    assert measured_colors(face) == {"skin": (200, 150, 120), "hair": None, "eyes": None}
    face.row.update(left_eye_rgb=[10, 20, 30], right_eye_rgb=[20, 40, 60])
    assert measured_colors(face)["eyes"] == (15, 30, 45)
