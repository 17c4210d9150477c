from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.datasets.arrays import Dataset
from pipeline.datasets.conditions import to_tensor
from pipeline.errors import UserError
from pipeline.methods.autoencoder import NETWORKS, Autoencoder
from pipeline.methods.base import Turn
from pipeline.methods.validation_pairs import validation_pairs
from tests.methods.stepping import builder, first_batch, in_blocks, learn, random_batch, update
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(Autoencoder)


class Shade(nn.Module):
    """Takes an image's brightness for its code, and paints an image of it."""

    def forward(self, told: Tensor) -> Tensor:
        return (
            told.mean(dim=(1, 2, 3))[:, None]
            if told.ndim == 4
            else told[:, :, None, None].expand(-1, 3, 4, 4)
        )


@pytest.mark.parametrize(("loss", "expected"), [("l1", 0.5), ("mse", 0.25)])
def test_what_is_decoded_is_compared_with_the_partner(loss: str, expected: float) -> None:
    method = build(loss=loss)
    method.networks = {"encoder": Shade(), "decoder": Shade()}
    batch = {"source": torch.full((2, 3, 4, 4), 0.25), "target": torch.full((2, 3, 4, 4), 0.75)}
    assert method._losses(Turn(batch, 0))["reconstruction"].item() == pytest.approx(expected)


def test_one_phase_moves_both_halves(tmp_path: Path) -> None:
    method = build()
    [phase] = method.phases()
    assert update(method, phase, Turn(first_batch(tmp_path, "autoencoder"), 0)) == set(NETWORKS)


@pytest.mark.parametrize("size_px", [64, 256])
def test_any_size_is_translated(size_px: int) -> None:
    images = torch.rand(1, 3, size_px, size_px)
    assert build(size_px=size_px).translate(images, "anime").shape == images.shape


def test_the_way_back_is_refused() -> None:
    with pytest.raises(ValueError, match="autoencoder makes images of anime only, not of photo"):
        build().translate(torch.rand(1, 3, 32, 32), "photo")


@pytest.mark.parametrize(("pairing", "truth"), [("pair_id", "pair"), ("nearest_landmarks", "none")])
def test_a_translation_is_compared_with_true_partners_alone(pairing: str, truth: str) -> None:
    [way] = build(pairing=pairing).ways()
    assert (way.of, way.to, way.truth) == ("photo", "anime", truth)


def test_samples_are_of_validation_pairs(tmp_path: Path) -> None:
    dataset, method = open_dataset(tmp_path, "autoencoder"), build()
    source, made, partner = method.sample_columns(method.sample_inputs(dataset, 4))
    photo, anime = dataset.domains["photo"], dataset.domains["anime"]
    assert torch.equal(source, to_tensor(photo.images[photo.indices("val")]))
    assert torch.equal(partner, to_tensor(anime.images[anime.indices("val")]))
    assert torch.equal(made, method.translate(source, "anime"))


def test_training_pairs_are_shown_where_there_are_none_for_validation(tmp_path: Path) -> None:
    def places(dataset: Dataset) -> list[list[int]]:
        return [faces.tolist() for faces in validation_pairs(dataset, 2)]

    dataset = open_dataset(tmp_path, "autoencoder")
    assert places(dataset) == [[6], [6]]
    assert dataset.pairs is not None
    without = dataset.pairs.filter([split != "val" for split in dataset.pairs["split"].to_pylist()])
    assert places(Dataset(**{**vars(dataset), "pairs": without})) == [[0, 1], [0, 1]]


def test_a_dataset_without_pairs_has_none_to_show(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the dataset has no pairs"):
        validation_pairs(open_dataset(tmp_path, "cyclegan"), 2)


@pytest.mark.parametrize("loss", ["l1", "mse"])
def test_one_batch_is_learnt_by_heart(loss: str) -> None:
    method = build(learning_rate=1e-2, width=8, loss=loss)
    history = learn(method, in_blocks(random_batch(count=2)), 60, "reconstruction")
    assert history[-1] < history[0] / 5, history


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pairing": "none"}, "autoencoder learns from pairs; set pairing to pair_id or nearest_landmarks"),
        ({"latent": 0}, "latent must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment("autoencoder", **options)
