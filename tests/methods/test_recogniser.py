"""The recogniser: a linear layer on embeddings, or Inception-ResNet-v1 as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.datasets.arrays import Dataset, load_dataset
from pipeline.datasets.loading import Loader
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.experiments.recognising import Recogniser as Options
from pipeline.methods import build_method
from pipeline.methods.base import Turn, train_step
from pipeline.methods.recogniser import Recogniser
from pipeline.training.checkpoints import load_weights, save_weights
from tests.evaluation.synthetic_people import PEOPLE, open_people, write_people


def options(**given: Any) -> Options:
    common = {"method": "recogniser", "domains": ["vis", "nir"], "size_px": 32, "steps": 10}
    experiment = read_experiment({**common, **given})
    assert isinstance(experiment, Options)
    return experiment


def build(dataset: Dataset, seed: int = 0) -> Recogniser:
    experiment = read_experiment(dataset.experiment)
    method = build_method(experiment, torch.Generator().manual_seed(seed))
    assert isinstance(method, Recogniser)
    return method


def trained(dataset: Dataset, steps: int) -> Recogniser:
    method = build(dataset)
    loader = Loader(dataset, method.options, 0, method.draws)
    for step in range(steps):
        train_step(method, [Turn(loader.batch(step), step)])
    return method


def share_right(method: Recogniser, dataset: Dataset, domain: str) -> float:
    faces = dataset.domains[domain].indices("test")
    found = method.log_probabilities(dataset.domains[domain], faces).argmax(axis=1)
    labels = np.array(dataset.domains[domain].rows["labels"].to_pylist())[faces].argmax(axis=1)
    return float((found == labels).mean())


def test_a_linear_layer_tells_people_apart_whose_numbers_differ(tmp_path: Path) -> None:
    dataset = open_people(tmp_path)
    assert share_right(build(dataset), dataset, "nir") < 0.6
    method = trained(dataset, 60)
    assert share_right(method, dataset, "nir") == share_right(method, dataset, "vis") == 1


def test_the_length_of_an_embedding_does_not_matter(tmp_path: Path) -> None:
    dataset = open_people(tmp_path)
    method, domain = build(dataset), dataset.domains["nir"]
    faces = np.arange(5)
    first = method.log_probabilities(domain, faces)
    assert domain.embeddings is not None
    domain.embeddings[:] *= 7
    assert method.log_probabilities(domain, faces) == pytest.approx(first, abs=1e-5)


def test_probabilities_sum_to_1_and_no_faces_have_none(tmp_path: Path) -> None:
    dataset = open_people(tmp_path)
    found = build(dataset).log_probabilities(dataset.domains["vis"], np.arange(3))
    assert np.exp(found).sum(axis=1) == pytest.approx(1)
    assert build(dataset).log_probabilities(dataset.domains["vis"], np.arange(0)).shape == (0, len(PEOPLE))


def test_finished_weights_recognise_as_the_trained_network_did(tmp_path: Path) -> None:
    dataset = open_people(tmp_path / "data")
    method = trained(dataset, 5)
    save_weights(tmp_path / "weights", method)
    again = load_weights(tmp_path / "weights", method.options)
    assert isinstance(again, Recogniser)
    faces = np.arange(8)
    before, after = (each.log_probabilities(dataset.domains["nir"], faces) for each in (method, again))
    assert np.array_equal(before, after)


def test_the_whole_network_learns_from_random_weights(tmp_path: Path) -> None:
    whole = {"classifier": "inception-resnet-v1", "weights": "none", "embedding": "dlib-resnet-128"}
    dataset = open_people(tmp_path, **whole, batch_size=2, size_px=32)
    method = build(dataset)
    assert method.shipped == ("trunk", "head")
    first = next(method.networks["trunk"].parameters()).detach().clone()
    loader = Loader(dataset, method.options, 0, method.draws)
    losses = train_step(method, [Turn(loader.batch(0), 0)])
    assert set(losses) == {"cross_entropy", "accuracy"}
    assert not torch.equal(first, next(method.networks["trunk"].parameters()))
    assert torch.equal(first, next(build(dataset).networks["trunk"].parameters()))


def test_weights_that_are_asked_for_and_missing_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    whole = {"classifier": "inception-resnet-v1", "embedding": "dlib-resnet-128"}
    dataset = open_people(tmp_path, **whole, weights="auto")
    with pytest.raises(UserError, match="weights fetch inception-resnet-v1"):
        build(dataset).prepare()


def test_a_dataset_without_embeddings_is_an_error(tmp_path: Path) -> None:
    write_people(tmp_path)
    for domain in ("vis", "nir"):
        (tmp_path / f"{domain}.embeddings.npy").unlink()
    dataset = load_dataset(tmp_path)
    method = build(dataset)
    with pytest.raises(UserError, match="no embeddings"):
        method.log_probabilities(dataset.domains["nir"], np.arange(2))
    with pytest.raises(UserError, match="no embeddings"):
        train_step(method, [Turn(Loader(dataset, method.options, 0, method.draws).batch(0), 0)])


def test_fewer_than_two_labels_are_an_error() -> None:
    with pytest.raises(UserError, match="at least 2"):
        build_method(options(), torch.Generator())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"label": ["smile"]}, "at least two different tags"),
        ({"label": ""}, "label must be"),
        ({"split": "catalogue"}, "parts people"),
        ({"domains": ["nir"], "generated_by": "gen"}, "need two domains"),
        ({"real_target": 0}, "at least 1"),
        ({"match": ["yaw"]}, "match"),
        ({"classifier": "inception-resnet-v1", "embedding": "pixels"}, "leave it out"),
        ({"embedding": "inception-resnet-v1", "weights": "none"}, "says nothing without weights"),
        ({"pairing": "pair_id"}, "pairing"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        options(**given)


def test_a_list_of_tags_and_one_domain_are_options() -> None:
    experiment = options(label=["smile", "frown"], split="catalogue", domains=["photo"])
    assert experiment.label == ("smile", "frown")
    assert experiment.domains == ("photo",)
