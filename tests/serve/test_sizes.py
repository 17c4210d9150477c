"""How much memory a model takes: foretold without its weights, and counted in what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.errors import UserError
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator
from pipeline.serve.sizes import foretold_bytes, held_bytes, without_weights
from pipeline.serve.zoo import Zoo
from tests.methods.stepping import build
from tests.methods.tiny_dataset import experiment
from tests.serve.small_zoo import a_face, write_model

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("cyclegan", {"attention": "both"}),
    ("cyclegan", {"landmarks": "attention"}),
    ("gan", {"architecture": "sagan"}),
    ("getgan", {"gate": "map"}),
    ("pix2pix", {"conditions": ["landmarks", "colors"], "colors": "film"}),
    ("stargan", {"attention": "both", "generator": {"width": 8}, "discriminator": {"width": 8, "layers": 3}}),
    ("style-transfer", {"variant": "gatys", "adain": {}}),
    ("ugatit", {"generator": {"width": 4, "blocks": 1, "light": False}}),
]


@pytest.mark.parametrize(("method", "options"), [(name, {}) for name in TRANSLATORS] + VARIANTS)
def test_a_method_without_weights_is_of_the_same_shape_and_takes_no_memory(
    method: str, options: dict[str, Any]
) -> None:
    empty, built = without_weights(experiment(method, **options)), build(method, **options)
    assert isinstance(built, Translator)
    assert empty.ways() == built.ways()
    assert empty.shipped == built.shipped
    for name in built.shipped:
        shapes = {key: value.shape for key, value in built.networks[name].state_dict().items()}
        assert {key: value.shape for key, value in empty.networks[name].state_dict().items()} == shapes
        assert all(value.is_meta for value in empty.networks[name].parameters())


def test_what_is_built_without_weights_leaves_the_randomness_as_it_was() -> None:
    before = torch.get_rng_state()
    without_weights(experiment("style-transfer"))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_translates_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="method tagger translates nothing"):
        without_weights(experiment("tagger"))


@pytest.mark.parametrize("method", TRANSLATORS)
def test_what_a_model_holds_after_an_answer_was_foretold(tmp_path: Path, method: str) -> None:
    write_model(tmp_path, "x", method)
    zoo = Zoo(tmp_path, torch.device("cpu"))
    described = zoo.experiment("x")
    foretold = foretold_bytes(without_weights(described), described)
    assert zoo.translate("x", a_face(), "photo", "anime").problem is None
    with zoo._borrowed("x") as model:
        held = held_bytes(model)
    assert foretold <= held <= foretold * 1.1 + 50_000


def test_a_tensor_is_counted_once_wherever_it_stands() -> None:
    model = build("cut")
    assert isinstance(model, Translator)
    model.optimizers = {}
    before = held_bytes(model)
    kept = torch.zeros(1000)
    model.also = {"a": [kept, kept[:10]]}  # type: ignore[attr-defined]
    assert held_bytes(model) == before + 4000
