"""The tagger: what it minimises, which weights it starts from, and what its samples show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from pipeline.datasets.loading import Loader
from pipeline.errors import UserError
from pipeline.methods.base import Turn, train_step
from pipeline.methods.tagger import Tagger
from pipeline.networks.backbones import Backbone, build_backbone
from pipeline.training.checkpoints import load_weights, save_weights
from tests.methods.stepping import builder, changed, holding_gradients, learn, step, weights_of
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(Tagger)


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def loader(folder: Path, method: Tagger, **options: Any) -> Loader:
    return Loader(open_dataset(folder, "tagger", **options), experiment("tagger", **options), 0, method.draws)


def backbone(method: Tagger) -> Backbone:
    network = method.networks["backbone"]
    assert isinstance(network, Backbone)
    return network


def test_the_loss_is_the_cross_entropy_in_which_rare_tags_count_more(tmp_path: Path) -> None:
    method = build()
    batch = loader(tmp_path, method).batch(0)
    with torch.no_grad():
        found = torch.sigmoid(method.logits(batch["images"]))
    weights = torch.where(batch["labels"] > 0, torch.tensor([1.0, 2.0]), 1.0)
    expected = binary_cross_entropy(found, batch["labels"], weights).item()
    losses = step(method, batch)
    assert losses["cross_entropy"] == pytest.approx(expected, rel=1e-4)
    assert losses["accuracy"] == ((found > 0.5) == (batch["labels"] > 0)).float().mean().item()


def test_tags_are_learnt(tmp_path: Path) -> None:
    method = build(batch_size=8, learning_rate=1e-3)
    batch = loader(tmp_path, method, batch_size=8).batch(0)
    history = learn(method, batch, 60, "cross_entropy")
    assert history[-1] < history[0] / 5
    found = method.probabilities(batch["images"])
    assert torch.equal(found > 0.5, batch["labels"] > 0)


def test_a_probability_depends_on_its_own_face_alone(tmp_path: Path) -> None:
    method = build()
    images = loader(tmp_path, method).batch(0)["images"]
    together = method.probabilities(images)
    assert ((together >= 0) & (together <= 1)).all()
    torch.testing.assert_close(together[:1], method.probabilities(images[:1]), rtol=1e-4, atol=1e-6)


def test_samples_show_faces_beside_their_tags_and_leave_no_trace(tmp_path: Path) -> None:
    method, dataset = build(), open_dataset(tmp_path, "tagger")
    before, running = weights_of(method), {k: v.clone() for k, v in backbone(method).state_dict().items()}
    photo, photo_bars, anime, anime_bars = method.sample_columns(method.sample_inputs(dataset, 4))
    assert photo.shape == anime.shape == (1, 3, 32, 32)
    assert photo_bars.shape == anime_bars.shape == (1, 3, 32, 96)
    assert np.ptp(photo_bars.numpy()) > 1, "something is written on it"
    assert not changed(before, weights_of(method))
    assert not changed(running, backbone(method).state_dict())
    assert not holding_gradients(method)
    assert backbone(method).training, "the training goes on as it was"


def test_one_domain_is_enough(tmp_path: Path) -> None:
    options = {"domains": ["photo"], "labels": {"even": ["even"]}, "positive_weight": "none"}
    method = build(**options)
    batch = loader(tmp_path, method, **options).batch(0)
    assert batch["labels"].shape == (2, 1)
    assert step(method, batch)["cross_entropy"] > 0


def test_the_learning_rate_falls_as_asked() -> None:
    cosine, linear = build(), build(schedule="linear")
    assert [round(cosine.learning_rate_factor(step, 4), 3) for step in range(4)] == [1, 0.854, 0.5, 0.146]
    assert [linear.learning_rate_factor(step, 4) for step in range(4)] == [1, 1, 1, 0.5]


def test_finished_weights_give_the_same_probabilities(tmp_path: Path) -> None:
    method = build()
    batches = loader(tmp_path / "data", method)
    for number in range(2):
        train_step(method, [Turn(batches.batch(number), number)])
    save_weights(tmp_path / "weights", method)
    names = sorted(path.name for path in (tmp_path / "weights").iterdir())
    assert names == ["backbone.safetensors", "head.safetensors"]
    again = load_weights(tmp_path / "weights", method.options)
    assert isinstance(again, Tagger)
    images = batches.batch(0)["images"]
    assert torch.equal(again.probabilities(images), method.probabilities(images))


def test_a_backbone_starts_from_the_weights_of_a_file(tmp_path: Path) -> None:
    torch.manual_seed(9)
    published = build_backbone("test_resnet")
    torch.save(published.network.state_dict(), tmp_path / "published.pth")
    method = build(backbone_weights=str(tmp_path / "published.pth"))
    method.prepare()
    for name, tensor in published.state_dict().items():
        assert torch.equal(backbone(method).state_dict()[name], tensor)


def test_weights_that_are_not_here_are_an_error_with_what_helps() -> None:
    with pytest.raises(UserError, match=r"resnet18-f37072fd\.pth is missing; run .* weights fetch resnet18"):
        build(backbone="resnet18", backbone_weights="imagenet").prepare()
    with pytest.raises(
        UserError, match=r"imagenet is known for vgg16, vgg19, .*; for test_resnet give the path"
    ):
        build(backbone_weights="imagenet").prepare()
    with pytest.raises(UserError, match=r"backbone_weights: no/such\.pth is neither a file nor"):
        build(backbone_weights="no/such.pth").prepare()


def test_that_images_are_enlarged_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    build(backbone="inception_v3").prepare()
    assert "inception_v3 sees images of 32 px at 75 px" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [{"labels": {}, "positive_weight": "none"}, {"positive_weight": "balanced"}]
)
def test_a_dataset_that_was_not_resolved_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="run the stage `dataset` again"):
        build(**options)
