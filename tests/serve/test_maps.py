"""What models show of how they came to a picture: one number from 0 to 1 for each pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator
from pipeline.methods.getgan import GetGan
from pipeline.serve.maps import Map, has_maps, maps_of
from pipeline.serve.zoo import Answer, Zoo
from tests.methods.stepping import build, builder
from tests.methods.tiny_dataset import experiment
from tests.serve.small_zoo import a_face, write_model

GATED = {"gate": "full"}
ATTENTIVE = {"attention": "generator"}


def answer(zoo: Zoo, to: str = "anime", seed: int = 0) -> Answer:
    of = "photo" if to == "anime" else "anime"
    return zoo.translate("x", a_face(seed), of, to, with_maps=True)


@pytest.mark.parametrize(
    ("method", "options", "names"),
    [
        ("ugatit", {}, ["attention"]),
        ("getgan", {}, ["weight", "error"]),
        ("getgan", {"weight_range": "full", **GATED}, ["weight", "error", "gate"]),
        ("getgan", {"gate": "map"}, ["weight", "error", "gate"]),
    ],
)
def test_maps_have_the_size_of_the_picture_and_differ_between_faces(
    tmp_path: Path, method: str, options: dict[str, Any], names: list[str]
) -> None:
    write_model(tmp_path, "x", method, **options)
    zoo = Zoo(tmp_path, torch.device("cpu"))
    assert zoo.has_maps("x", "anime")
    first, second = answer(zoo), answer(zoo, seed=1)
    assert [each.name for each in first.maps] == names
    for one, other in zip(first.maps, second.maps, strict=True):
        assert (one.values.shape, one.values.dtype) == ((32, 32), np.float32)
        assert one.values.min() >= 0
        assert one.values.max() <= 1
        assert one.explanation
        assert not np.array_equal(one.values, other.values)
    plain = zoo.translate("x", a_face(), "photo", "anime")
    assert plain.maps == ()
    np.testing.assert_array_equal(plain.image, first.image)


def test_the_attention_of_ugatit_goes_from_none_to_most_and_each_way_has_its_own(tmp_path: Path) -> None:
    write_model(tmp_path, "x", "ugatit")
    zoo = Zoo(tmp_path, torch.device("cpu"))
    (there,), (back,) = answer(zoo).maps, answer(zoo, "photo").maps
    assert there.values.min() < 0.1
    assert there.values.max() > 0.8
    assert not np.array_equal(there.values, back.values)


@pytest.mark.parametrize("weight_range", ["half", "full"])
def test_the_weight_of_getgan_is_the_one_that_image_and_error_are_mixed_by(weight_range: str) -> None:
    method, inputs = builder(GetGan)(weight_range=weight_range), torch.rand(1, 3, 32, 32) * 2 - 1
    _, error, weight, gate = method.parts(inputs)
    shown = {each.name: each.values for each in maps_of(method, inputs, "anime")}
    rescaled = weight if weight_range == "full" else 2 * weight - 1
    np.testing.assert_allclose(shown["weight"], rescaled[0].mean(dim=0).numpy(), atol=1e-6)
    np.testing.assert_allclose(shown["error"], error[0].abs().mean(dim=0).numpy(), atol=1e-6)
    assert gate is None


@pytest.mark.parametrize("method", ["cyclegan", "stargan"])
def test_self_attention_shows_where_it_adds_most(method: str) -> None:
    made, inputs = build(method, **ATTENTIVE), torch.rand(1, 5 if method == "stargan" else 3, 32, 32)
    assert isinstance(made, Translator)
    (idle,) = maps_of(made, inputs, "anime")
    assert (idle.values == 0).all()  # gamma starts at 0, and nothing is added
    for name, weights in made.networks.items():
        for key, value in weights.named_parameters():
            if key.endswith("gamma") and "discriminator" not in name:
                torch.nn.init.ones_(value)
    (shown,) = maps_of(made, inputs, "anime")
    assert shown.values.shape == (32, 32)
    assert shown.values.max() > 0.9
    assert shown.values.std() > 0
    assert not any(
        module._forward_hooks for network in made.networks.values() for module in network.modules()
    )


@pytest.mark.parametrize("method", TRANSLATORS)
def test_a_model_has_maps_where_it_is_said_to(tmp_path: Path, method: str) -> None:
    write_model(tmp_path, "x", method)
    zoo = Zoo(tmp_path, torch.device("cpu"))
    for way in zoo.ways("x"):
        made = zoo.translate("x", a_face(), way.of, way.to, with_maps=True)
        assert made.image is not None, made.problem
        assert bool(made.maps) == zoo.has_maps("x", way.to)
        assert all(isinstance(each, Map) for each in made.maps)


@pytest.mark.parametrize(
    ("method", "options", "to", "expected"),
    [
        ("getgan", {}, "anime", True),
        ("getgan", {}, "photo", False),
        ("getgan", {"error": False}, "anime", False),
        ("cyclegan", ATTENTIVE, "photo", True),
        ("stargan", {}, "anime", False),
        ("gan", {"architecture": "sagan"}, "anime", False),
    ],
)
def test_which_experiments_have_maps(method: str, options: dict[str, Any], to: str, expected: bool) -> None:
    assert has_maps(experiment(method, **options), to) is expected
