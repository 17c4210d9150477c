"""Trained models: all that translate, each read when it is asked for, as many as memory allows, for many threads."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.datasets.conditions import to_images
from pipeline.errors import UserError
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Translator
from pipeline.serve.one_face import arrays_of
from pipeline.serve.zoo import Answer, Zoo
from tests.methods.stepping import build
from tests.serve.small_zoo import a_face, write_model

CPU = torch.device("cpu")


def size_of(models: Path, name: str) -> int:
    return sum(path.stat().st_size for path in (models / name).rglob("*.safetensors"))


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
