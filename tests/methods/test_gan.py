import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.datasets.conditions import to_tensor
from pipeline.errors import UserError
from pipeline.methods.base import Turn
from pipeline.methods.gan import Gan
from pipeline.networks.spectral import SpectralConv2d
from tests.methods.stepping import (
    builder,
    first_batch,
    holding_gradients,
    in_blocks,
    random_batch,
    step,
    update,
)
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(Gan)
ARCHITECTURES = ("dcgan", "sagan")


class Painter(nn.Module):
    """Paints images as bright as the mean of the random numbers."""

    def forward(self, numbers: Tensor) -> Tensor:
        return numbers.mean(dim=1)[:, None, None, None].expand(-1, 3, 4, 4)


class Critic(nn.Module):
    """Finds an image as real as it is bright."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3), keepdim=True)


def _with_stubs(monkeypatch: pytest.MonkeyPatch, architecture: str) -> tuple[Gan, Turn]:
    """Return a method whose fakes have the logits -2 and 1, and whose real images have 0 and 3."""
    method = build(architecture=architecture)
    method.networks = {"generator": Painter(), "discriminator": Critic()}
    monkeypatch.setattr(method, "_random_numbers", lambda images: torch.tensor([[-2.0], [1.0]]))
    real = torch.stack([torch.zeros(3, 4, 4), torch.full((3, 4, 4), 3.0)])
    return method, Turn({"target": real}, 0)


def _surprise(probability_logit: float) -> float:
    """Return the cross entropy of what the logit says is true."""
    return math.log(1 + math.exp(-probability_logit))


def test_dcgan_s_losses_are_cross_entropies(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = _with_stubs(monkeypatch, "dcgan")
    judged = method._discriminator_losses(turn)["discriminator"]
    real, fake = _surprise(0) + _surprise(3), _surprise(2) + _surprise(-1)
    assert judged.item() == pytest.approx((real + fake) / 2, rel=1e-5)
    fooled = method._generator_losses(turn)["gan"]
    assert fooled.item() == pytest.approx((_surprise(-2) + _surprise(1)) / 2, rel=1e-5)


def test_sagan_s_losses_are_hinges(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = _with_stubs(monkeypatch, "sagan")
    # Real logits of 0 and 3 lack 1 and nothing, fakes of -2 and 1 are too high by nothing and 2.
    assert method._discriminator_losses(turn)["discriminator"].item() == pytest.approx(1 / 2 + 2 / 2)
    assert method._generator_losses(turn)["gan"].item() == pytest.approx(-(-2 + 1) / 2)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_discriminator_learns_first_then_the_generator(tmp_path: Path, architecture: str) -> None:
    method = build(architecture=architecture)
    turn = Turn(first_batch(tmp_path, "gan"), 0)
    for phase, name in zip(method.phases(), ("discriminator", "generator"), strict=True):
        assert update(method, phase, turn) == {name}
    assert holding_gradients(method) == {"discriminator", "generator"}


def test_faces_of_the_target_alone_are_learnt(tmp_path: Path) -> None:
    assert not [name for name in first_batch(tmp_path, "gan") if name.startswith("source")]


def test_each_architecture_has_its_paper_s_rates_and_betas() -> None:
    def told(architecture: str) -> list[tuple[float, tuple[float, float]]]:
        method = build(architecture=architecture)
        groups = [method.optimizers[name].param_groups[0] for name in ("generator", "discriminator")]
        return [(group["lr"], group["betas"]) for group in groups]

    assert told("dcgan") == [(2e-4, (0.5, 0.999)), (2e-4, (0.5, 0.999))]
    assert told("sagan") == [(1e-4, (0.0, 0.9)), (4e-4, (0.0, 0.9))]
    assert [build().learning_rate_factor(step, 10) for step in (0, 9)] == [1, 1]


def test_weights_start_small_as_dcgan_s() -> None:
    network = build(width=16).networks["generator"]
    convolutions = [module for module in network.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert convolutions[1].weight.std().item() == pytest.approx(0.02, rel=0.05)
    normalised = [type(module) for module in build(architecture="sagan").networks["generator"].modules()]
    assert normalised.count(SpectralConv2d) == 3


def test_the_input_is_ignored_and_each_face_has_its_own_random_numbers(tmp_path: Path) -> None:
    dataset, method = open_dataset(tmp_path, "gan"), build()
    photo, anime = dataset.domains["photo"], dataset.domains["anime"]
    numbers = method.inputs(photo, np.array([2, 5]))
    assert (numbers.shape, numbers.dtype) == ((2, 8), torch.float32)
    assert torch.equal(numbers, method.inputs(anime, np.array([2, 5])))
    assert torch.equal(numbers[1:], method.inputs(photo, np.array([5])))
    assert not torch.allclose(numbers[0], numbers[1])


def test_a_translation_leaves_the_generator_learning() -> None:
    method, numbers = build(), torch.randn(2, 8)
    before = {name: value.clone() for name, value in method.networks["generator"].state_dict().items()}
    assert torch.equal(method.translate(numbers, "anime"), method.translate(numbers, "anime"))
    assert method.networks["generator"].training
    after = method.networks["generator"].state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_faces_of_the_source_are_never_made() -> None:
    with pytest.raises(ValueError, match="gan makes images of anime only, not of photo"):
        build().translate(torch.randn(1, 8), "photo")


@pytest.mark.parametrize(("pairing", "truth"), [("pair_id", "pair"), ("none", "none")])
def test_it_is_measured_like_a_translation(pairing: str, truth: str) -> None:
    [way] = build(pairing=pairing).ways()
    assert (way.of, way.to, way.truth) == ("photo", "anime", truth)


def test_samples_show_whose_place_the_made_faces_take(tmp_path: Path) -> None:
    dataset, method = open_dataset(tmp_path, "gan"), build()
    photo = dataset.domains["photo"]
    face, made = method.sample_columns(method.sample_inputs(dataset, 4))
    assert torch.equal(face, to_tensor(photo.images[photo.indices("val")]))
    assert torch.equal(made, method.translate(method.inputs(photo, photo.indices("val")), "anime"))


def test_sagan_goes_on_from_what_was_saved_of_it_as_if_undisturbed() -> None:
    """The directions that spectral norm follows included, which are buffers."""
    first, second = build(0, architecture="sagan"), build(1, architecture="sagan")
    for number in range(2):
        step(first, random_batch(count=2, seed=number), number)
    for name, network in second.networks.items():
        network.load_state_dict(first.networks[name].state_dict())
        second.optimizers[name].load_state_dict(deepcopy(first.optimizers[name].state_dict()))
    losses = []
    for method in (first, second):
        torch.manual_seed(0)
        losses.append([step(method, random_batch(count=2, seed=number), number) for number in (2, 3)])
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("dcgan", {"width": 16, "learning_rate": 5e-3}),
        pytest.param("sagan", {"width": 8, "learning_rate": 2e-3}, marks=pytest.mark.long),
    ],
)
def test_one_image_is_learnt_by_heart(architecture: str, options: dict[str, Any]) -> None:
    """Shown one image again and again, the generator comes near it whatever the random numbers."""
    method = build(architecture=architecture, **options)
    image = in_blocks(random_batch())["target"]
    numbers = torch.randn(4, 8)

    def distance() -> float:
        return (method.translate(numbers, "anime") - image).abs().mean().item()

    first = distance()
    for number in range(120):
        step(method, {"target": image.expand(4, -1, -1, -1)}, number)
    assert distance() < first / 2, (first, distance())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"latent": 0}, "latent must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment("gan", **options)
