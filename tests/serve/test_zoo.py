"""Trained models: all that translate, each read when it is asked for, as many as memory allows, for many threads."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from pipeline.datasets.conditions import to_images
from pipeline.errors import UserError
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator
from pipeline.serve.controls import Chosen
from pipeline.serve.one_face import arrays_of
from pipeline.serve.zoo import Answer, Zoo
from tests.methods.stepping import build
from tests.methods.tiny_stable_diffusion import tiny_base
from tests.serve.small_zoo import a_face, write_model

CPU = torch.device("cpu")


def size_of(models: Path, name: str) -> int:
    return sum(path.stat().st_size for path in (models / name).rglob("*.safetensors"))


def base_bytes() -> int:
    """Return what the weights of the tiny base take, which lie in fp32 there."""
    return sum(
        value.nbytes
        for path in tiny_base().rglob("*.safetensors")
        for value in safetensors.torch.load_file(path).values()
    )


def image_of(answer: Answer) -> np.ndarray:
    assert answer.image is not None, answer.problem
    return answer.image


@pytest.mark.parametrize("method", TRANSLATORS)
def test_a_model_translates_the_same_without_what_only_training_needs(tmp_path: Path, method: str) -> None:
    write_model(tmp_path, "x", method)
    zoo, face = Zoo(tmp_path, CPU), a_face()
    trained = build(method)
    assert isinstance(trained, Translator)
    for network in trained.networks.values():
        network.eval()
    assert zoo.ways("x") == trained.ways()
    for way in trained.ways():
        answer = zoo.translate("x", face, way.of, way.to)
        with torch.inference_mode():
            told = trained.inputs(arrays_of(face, zoo.experiment("x"), way.of), np.array([0]))
            torch.manual_seed(0)
            expected = to_images(trained.translate(told, way.to))[0]
        np.testing.assert_array_equal(image_of(answer), expected)
        assert answer.seconds > 0


def test_ways_controls_and_maps_are_known_without_the_weights(tmp_path: Path) -> None:
    write_model(tmp_path, "x", "stargan", attention="generator")
    write_model(tmp_path, "one-way", "cut")
    zoo = Zoo(tmp_path, CPU)
    assert [way.to for way in zoo.ways("x")] == ["anime", "photo"]
    assert [control.field for control in zoo.controls("x", "anime")] == ["labels"]
    assert zoo.controls("x", "photo") == ()
    assert zoo.has_maps("x", "anime")
    assert zoo.loaded() == []
    with pytest.raises(UserError, match="one-way does not translate to photo"):
        zoo.controls("one-way", "photo")
    with pytest.raises(UserError, match="x does not translate to ultrasound"):
        zoo.has_maps("x", "ultrasound")


def test_missing_weights_are_missed_before_a_translation(tmp_path: Path) -> None:
    write_model(tmp_path, "x")
    next((tmp_path / "x").rglob("*.safetensors")).unlink()
    zoo = Zoo(tmp_path, CPU)
    with pytest.raises(UserError, match=r"\.safetensors is missing; run the stage `train` again"):
        zoo.ways("x")
    assert zoo.from_domain("photo") == []


def test_what_a_user_asks_for_wrongly_is_the_problem_of_the_answer(tmp_path: Path) -> None:
    write_model(tmp_path, "x", "munit")
    answer = Zoo(tmp_path, CPU).translate("x", a_face(), "photo", "anime", Chosen(strength=0.5))
    assert answer.image is None
    assert answer.problem == "strength: x has no such control; it has style_seed, style_image"


def test_a_diffusion_model_takes_the_base_with_it(tmp_path: Path) -> None:
    write_model(tmp_path, "large", "diffusion")
    write_model(tmp_path, "small", "cut")
    own, base = size_of(tmp_path, "large"), base_bytes()
    refusing = Zoo(tmp_path, CPU, limit_bytes=base)
    assert "large takes" in (refusing.translate("large", a_face(), "photo", "anime").problem or "")
    zoo = Zoo(tmp_path, CPU, limit_bytes=base + own + 50_000)
    assert zoo.translate("small", a_face(), "photo", "anime").problem is None
    assert zoo.translate("large", a_face(), "photo", "anime").problem is None
    assert zoo.loaded() == ["large"]


def test_dropout_draws_the_same_whatever_other_threads_do(tmp_path: Path) -> None:
    write_model(tmp_path, "drops", "pix2pix", size_px=64, test_dropout=True)
    for seed in range(4):
        write_model(tmp_path, f"other-{seed}", "style-transfer", seed=seed)
    zoo = Zoo(tmp_path, CPU)
    expected = image_of(zoo.translate("drops", a_face(), "photo", "anime"))
    names = [name for seed in range(4) for name in ("drops", f"other-{seed}", "drops")]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda name: zoo.translate(name, a_face(), "photo", "anime"), names))
    assert all(np.array_equal(image_of(got), expected) for got in answers if got.experiment == "drops"), (
        "dropout is disturbed"
    )


def test_what_has_no_weights_or_translates_nothing_is_not_named(tmp_path: Path) -> None:
    write_model(tmp_path, "one")
    write_model(tmp_path, "tags", "tagger")
    write_model(tmp_path, "other", "cut", domains=["before", "after"])
    (tmp_path / "untrained").mkdir()
    zoo = Zoo(tmp_path, CPU)
    assert zoo.names() == ["one", "other"]
    assert zoo.from_domain("photo") == zoo.from_domain("anime") == ["one"]
    assert zoo.from_domain("before") == ["other"]
    assert zoo.from_domain("after") == []
    with pytest.raises(UserError, match="'untrained' is not one of the trained models: one, other, tags"):
        zoo.ways("untrained")


def test_models_are_read_late_and_the_one_that_rests_longest_goes(tmp_path: Path) -> None:
    for name in "abc":
        write_model(tmp_path, name)
    zoo = Zoo(tmp_path, CPU, limit_bytes=2 * size_of(tmp_path, "a"))
    assert zoo.loaded() == []
    for name in "abac":
        assert zoo.translate(name, a_face(), "photo", "anime").problem is None
    assert zoo.loaded() == ["a", "c"]


def test_a_model_larger_than_the_limit_is_refused_and_the_others_answer(tmp_path: Path) -> None:
    write_model(tmp_path, "small")
    write_model(tmp_path, "large", generator={"width": 16, "blocks": 2})
    zoo = Zoo(tmp_path, CPU, limit_bytes=size_of(tmp_path, "small"))
    assert "the limit for all models" in (zoo.translate("large", a_face(), "photo", "anime").problem or "")
    assert zoo.translate("small", a_face(), "photo", "anime").problem is None


def test_one_broken_model_is_an_answer_and_no_harm_to_others(tmp_path: Path) -> None:
    for name in ("cut-short", "no-json", "whole"):
        write_model(tmp_path, name)
    next((tmp_path / "cut-short").rglob("*.safetensors")).write_bytes(b"cut short")
    (tmp_path / "no-json/weights/experiment.json").write_text("{")
    zoo = Zoo(tmp_path, CPU)
    answers = [zoo.translate(name, a_face(), "photo", "anime") for name in ("cut-short", "no-json", "whole")]
    assert ["damaged" in (answers[0].problem or ""), "experiment.json" in (answers[1].problem or "")] == [
        True
    ] * 2
    assert answers[2].problem is None
    assert zoo.names() == ["cut-short", "whole"]
    assert zoo.from_domain("photo") == ["whole"]
    assert zoo.loaded() == ["whole"]


def test_a_model_that_was_trained_again_is_read_again(tmp_path: Path) -> None:
    write_model(tmp_path, "x")
    zoo = Zoo(tmp_path, CPU)
    before = image_of(zoo.translate("x", a_face(), "photo", "anime"))
    shutil.rmtree(tmp_path / "x")
    write_model(tmp_path, "x", seed=1)
    for path in tmp_path.rglob("*.safetensors"):
        os.utime(path, ns=(1, 1))  # whatever the clock's grain
    assert not np.array_equal(before, image_of(zoo.translate("x", a_face(), "photo", "anime")))


def test_what_a_model_cannot_do_is_said(tmp_path: Path) -> None:
    write_model(tmp_path, "cut", "cut")
    write_model(tmp_path, "pix", "pix2pix", conditions=["landmarks"])
    zoo = Zoo(tmp_path, CPU)
    assert zoo.translate("cut", a_face(), "anime", "photo").problem == "cut does not translate anime to photo"
    problem = zoo.translate("pix", a_face(with_points=False), "photo", "anime").problem
    assert problem == "pix needs the 68 landmarks, which are not known of this face"
    assert "trained models" in (zoo.translate("nothing", a_face(), "photo", "anime").problem or "")


def test_many_threads_get_the_same_answers_from_memory_for_one_model(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    for seed, name in enumerate(names):
        write_model(tmp_path, name, seed=seed)
    faces = [a_face(seed) for seed in range(4)]
    asked = [(name, face) for face in faces for name in names] * 2
    ample, tight = Zoo(tmp_path, CPU), Zoo(tmp_path, CPU, limit_bytes=size_of(tmp_path, "a"))
    expected = [image_of(ample.translate(name, face, "photo", "anime")) for name, face in asked]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda ask: tight.translate(*ask, "photo", "anime"), asked))
    assert all(np.array_equal(image_of(got), want) for got, want in zip(answers, expected, strict=True))
    assert len(tight.loaded()) == 1
