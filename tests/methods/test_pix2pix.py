from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.datasets.conditions import to_tensor
from pipeline.errors import UserError
from pipeline.methods.base import Turn, Way, train_step
from pipeline.methods.pix2pix import Pix2Pix, swatches
from tests.methods.stepping import builder, first_batch, holding_gradients, learn, update
from tests.methods.tiny_dataset import experiment, open_dataset

IMAGE = {"conditions": ["image"], "pairing": "pair_id"}
EVERYTHING = {"conditions": ["noise", "colors", "image", "landmarks"], "pairing": "pair_id"}
FILM = {"conditions": ["landmarks", "colors"], "colors": "film"}


build = builder(Pix2Pix)


def in_channels(network: nn.Module) -> int:
    return next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d)).in_channels


@pytest.mark.parametrize(
    ("conditions", "generator", "discriminator"),
    [
        (["landmarks"], 1, 4),
        (["landmarks", "colors"], 10, 13),
        (["landmarks", "colors", "noise"], 11, 14),
        (["image"], 3, 6),
        (["image", "landmarks", "colors", "noise"], 14, 17),
    ],
)
def test_networks_take_what_document_004_told_them(
    conditions: list[str], generator: int, discriminator: int
) -> None:
    pairing = "pair_id" if "image" in conditions else "none"
    networks = build(conditions=conditions, pairing=pairing).networks
    assert in_channels(networks["generator"]) == generator
    assert in_channels(networks["discriminator"]) == discriminator


def test_with_film_the_planes_of_colors_go_to_the_discriminator_only() -> None:
    networks = build(**FILM).networks
    assert in_channels(networks["generator"]) == 1
    assert in_channels(networks["discriminator"]) == 13
    assert in_channels(build(**FILM, judged_with=["landmarks"]).networks["discriminator"]) == 4


@pytest.mark.parametrize(
    ("judged_with", "channels"), [(["landmarks"], 4), (["colors", "noise"], 13), ([], 3), (None, 14)]
)
def test_the_discriminator_sees_what_it_is_to_judge_with(judged_with: Any, channels: int) -> None:
    conditions = ["landmarks", "colors", "noise"]
    method = build(conditions=conditions, judged_with=judged_with)
    assert in_channels(method.networks["discriminator"]) == channels
    told = torch.arange(11.0).reshape(1, 11, 1, 1).expand(1, 11, 32, 32)
    seen = method._planes(told, method.judged)[0, :, 0, 0].tolist()
    planes = {"landmarks": [0], "colors": list(range(1, 10)), "noise": [10]}
    assert seen == [plane for name in conditions if name in method.judged for plane in planes[name]]


@pytest.mark.parametrize("options", [{}, FILM, IMAGE, EVERYTHING], ids=["landmarks", "film", "image", "all"])
def test_losses_are_those_of_the_paper(tmp_path: Path, options: dict) -> None:
    batch = first_batch(tmp_path, "pix2pix", **options, batch_size=2)
    method = build(**options, batch_size=2)
    told = batch["source"] if "pairing" in options else batch["target_planes"]
    if options is EVERYTHING:
        told = torch.cat([told, batch["source_planes"]], dim=1)
    torch.manual_seed(0)
    with torch.no_grad():
        if options is FILM:
            fake = method.networks["generator"](told[:, :1], batch["target_colors"])
        else:
            fake = method.networks["generator"](told)
        judged_real = method.networks["discriminator"](torch.cat([told, batch["target"]], dim=1))
        judged_fake = method.networks["discriminator"](torch.cat([told, fake], dim=1))
        # -log D(real) and -log(1 - D(fake)), for logits.
        discriminator = 0.5 * ((1 + (-judged_real).exp()).log() + (1 + judged_fake.exp()).log()).mean()
    torch.manual_seed(0)
    losses = train_step(method, [Turn(batch, 0)])
    assert losses.keys() == {"discriminator", "gan", "l1"}
    torch.testing.assert_close(losses["discriminator"], discriminator)
    torch.testing.assert_close(losses["l1"], 100 * (fake - batch["target"]).abs().mean())


def test_the_generator_is_judged_by_the_discriminator_as_it_is_after_its_update(tmp_path: Path) -> None:
    batch, method = first_batch(tmp_path, "pix2pix"), build(lambda_l1=7)
    torch.manual_seed(0)
    with torch.no_grad():
        fake = method.networks["generator"](batch["target_planes"])
    torch.manual_seed(0)
    discriminator, generator = method.phases()
    turn = Turn(batch, 0)
    discriminator.losses(turn)
    with torch.no_grad():
        for weights in method.networks["discriminator"].parameters():
            weights.mul_(2)
    losses = generator.losses(turn)
    judged = method.networks["discriminator"](torch.cat([batch["target_planes"], fake], dim=1))
    torch.testing.assert_close(losses["gan"], (1 + (-judged).exp()).log().mean())
    torch.testing.assert_close(losses["l1"], 7 * (fake - batch["target"]).abs().mean())


def test_each_phase_moves_its_own_network(tmp_path: Path) -> None:
    method, turn = build(), Turn(first_batch(tmp_path, "pix2pix"), 0)
    assert [phase.name for phase in method.phases()] == ["discriminator", "generator"]
    for phase in method.phases():
        assert update(method, phase, turn) == {phase.name}


def test_the_discriminator_passes_no_gradient_on_to_the_generator_in_its_own_phase(tmp_path: Path) -> None:
    method = build()
    losses = method.phases()[0].losses(Turn(first_batch(tmp_path, "pix2pix"), 0))
    losses["discriminator"].backward()
    assert holding_gradients(method) == {"discriminator"}


def test_film_starts_equal_to_a_network_that_is_told_no_colors(tmp_path: Path) -> None:
    film, plain = build(**FILM), build(conditions=["landmarks"])
    told = first_batch(tmp_path, "pix2pix", **FILM, batch_size=2)["target_planes"]
    torch.manual_seed(0)
    with_colors = film._generate(told)
    torch.manual_seed(0)
    torch.testing.assert_close(with_colors, plain._generate(told[:, :1]))


def test_film_learns_to_heed_the_colors(tmp_path: Path) -> None:
    method, batch = build(**FILM), first_batch(tmp_path, "pix2pix", **FILM, batch_size=2)
    learn(method, batch, 3)
    told = batch["target_planes"][:1]
    other = torch.cat([told[:, :1], -told[:, 1:]], dim=1)
    assert not torch.allclose(method.translate(told, "anime"), method.translate(other, "anime"), atol=1e-4)


@pytest.mark.parametrize("options", [{}, FILM, IMAGE], ids=["landmarks", "film", "image"])
def test_one_batch_is_learnt_by_heart(tmp_path: Path, options: dict) -> None:
    """The L1 distance falls to less than a third."""
    method, batch = build(**options, learning_rate=2e-3), first_batch(tmp_path, "pix2pix", **options)
    torch.manual_seed(0)
    history = learn(method, batch, 30, "l1")
    assert history[-1] < history[0] / 3, (history[0], history[-1])


@pytest.mark.parametrize("options", [{}, FILM, EVERYTHING], ids=["landmarks", "film", "all"])
def test_a_translation_depends_on_its_own_input_alone(tmp_path: Path, options: dict) -> None:
    method, dataset = build(**options), open_dataset(tmp_path, "pix2pix", **options)
    photos = dataset.domains["photo"]
    inputs = method.inputs(photos, np.array([1, 2, 3]))
    together = method.translate(inputs, "anime")
    assert together.shape == (3, 3, 32, 32)
    assert not together.requires_grad
    alone = method.translate(method.inputs(photos, np.array([2])), "anime")
    torch.testing.assert_close(together[1:2], alone)


def test_what_is_told_of_faces_has_no_jitter_and_withholds_nothing(tmp_path: Path) -> None:
    options = {**EVERYTHING, "color_jitter": 0.5, "condition_dropout": 0.9}
    method, dataset = build(**options), open_dataset(tmp_path, "pix2pix", **options)
    told = method.inputs(dataset.domains["photo"], np.array([0, 1]))
    image, noise, colors, landmarks = torch.split(told, [3, 1, 9, 1], dim=1)
    expected = to_tensor(dataset.domains["photo"].images[:2])
    torch.testing.assert_close(image, expected)
    assert noise.std() == pytest.approx(1, rel=0.1)
    skin = torch.tensor([220.0, 120, 60]) / 127.5 - 1
    torch.testing.assert_close(colors[:, :3, 5, 5], skin.expand(2, 3))
    assert (colors[:, 3:] == 0).all()
    assert not landmarks[0].any()
    assert landmarks[1].any()


def test_pictures_of_other_sizes_are_padded(tmp_path: Path) -> None:
    assert build().translate(torch.zeros(1, 1, 40, 23), "anime").shape == (1, 3, 40, 23)


def test_only_the_target_is_made() -> None:
    with pytest.raises(ValueError, match="images of anime only, not of photo"):
        build().translate(torch.zeros(1, 1, 32, 32), "photo")


@pytest.mark.parametrize("test_dropout", [False, True])
def test_dropout_is_noise_at_test_time_only_if_asked(test_dropout: bool) -> None:
    method = build(size_px=64, test_dropout=test_dropout)
    plane = torch.rand(1, 1, 64, 64)
    first, second = method.translate(plane, "anime"), method.translate(plane, "anime")
    assert torch.equal(first, second) != test_dropout
    assert all(module.training for module in method.networks["generator"].modules())


def test_ways_say_what_a_translation_is_compared_with() -> None:
    assert build().ways() == (
        Way("photo", "anime", "none", asks_colors=False),
        Way("anime", "anime", "itself", asks_colors=False),
    )
    assert all(way.asks_colors for way in build(**FILM).ways())
    assert build(**IMAGE).ways() == (Way("photo", "anime", "pair", asks_colors=True),)


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        ({}, [1, 3, 3, 1, 3, 3]),
        ({"conditions": ["landmarks", "colors", "noise"]}, [1, 3, 3, 3, 1, 3, 3, 3]),
        ({"conditions": ["colors"]}, [3, 3, 3, 3, 3, 3]),
        (IMAGE, [3, 3, 3]),
        (EVERYTHING, [3, 1, 3, 3, 3]),
    ],
    ids=["landmarks", "random", "colors", "image", "all"],
)
def test_samples_show_what_is_told_what_it_becomes_and_what_is_real(
    tmp_path: Path, options: dict, channels: list[int]
) -> None:
    method, dataset = build(**options), open_dataset(tmp_path, "pix2pix", **options)
    columns = method.sample_columns(method.sample_inputs(dataset, 4))
    assert [column.shape[1] for column in columns] == channels
    assert all(len(column) == 1 for column in columns)
    validation = to_tensor(dataset.domains["anime"].images[6:7])
    real = columns[-1] if "pairing" in options else columns[len(columns) // 2 - 1]
    torch.testing.assert_close(real, validation)


def test_told_colors_are_shown_as_skin_hair_and_eyes() -> None:
    planes = torch.arange(9.0)[None, :, None, None].expand(2, 9, 8, 8)
    picture = swatches(planes)
    assert picture.shape == (2, 3, 8, 8)
    assert picture[0, :, [0, 2, 7], 0].T.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conditions": []}, "conditions must name at least one of"),
        ({"conditions": ["noise"]}, "noise alone says nothing"),
        ({"conditions": ["landmarks", "landmarks"]}, "conditions must name each condition once"),
        ({"conditions": ["image"]}, "an image needs pairs"),
        ({"colors": "film"}, "film needs colors in conditions"),
        ({"conditions": ["colors"], "colors": "film"}, "film scales what is made of other conditions"),
        ({"judged_with": ["colors"]}, "judged_with: 'colors' is not one of the conditions"),
        ({"lambda_l1": -1}, "lambda_l1 must be at least 0"),
    ],
)
def test_options_that_make_no_sense_are_said(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        experiment("pix2pix", **options)


def test_a_dataset_without_pairs_gives_no_samples(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path, "pix2pix")
    with pytest.raises(ValueError, match="no pairs"):
        build(**IMAGE).sample_inputs(dataset, 4)
