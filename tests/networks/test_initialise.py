import math

import pytest
import torch
from torch import nn

from pipeline.networks.film import Film
from pipeline.networks.generators import UNetGenerator
from pipeline.networks.initialise import Pretrained, Scheme, initialise
from pipeline.networks.spectral import SpectralConv2d


@pytest.mark.parametrize("scheme", ["normal", "xavier", "kaiming", "torch"])
def test_weights_only_depend_on_the_seed(scheme: Scheme) -> None:
    networks = [nn.Sequential(UNetGenerator(width=2, size_px=8), SpectralConv2d(3, 4, 4)) for _ in range(2)]
    for network in networks:
        initialise(network, torch.Generator().manual_seed(3), scheme)
    first, second = (network.state_dict() for network in networks)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [
        ("normal", 0.02),
        ("xavier", 0.02 * math.sqrt(2 / (32 * 9 + 64 * 9))),
        ("kaiming", math.sqrt(2 / (32 * 9))),
        ("torch", math.sqrt(1 / (32 * 9) / 3)),
    ],
)
def test_weights_have_the_deviation_of_their_scheme(scheme: Scheme, deviation: float) -> None:
    convolution = nn.Conv2d(32, 64, 3)
    initialise(convolution, torch.Generator().manual_seed(3), scheme)
    assert convolution.weight.std().item() == pytest.approx(deviation, rel=0.03)
    assert convolution.bias.any() == (scheme == "torch")


def test_scales_of_norms_start_around_1_and_shifts_at_0() -> None:
    norm = nn.BatchNorm2d(1000)
    nn.init.ones_(norm.bias)
    initialise(norm, torch.Generator().manual_seed(3))
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not norm.bias.any()


@pytest.mark.parametrize(
    "make", [lambda: nn.Conv2d(3, 5, 3), lambda: nn.Linear(7, 5), lambda: nn.BatchNorm2d(5)]
)
def test_torch_is_the_start_of_the_layers_of_pytorch(make) -> None:
    torch.manual_seed(3)
    expected = make().state_dict()
    layer = make()
    initialise(layer, torch.Generator().manual_seed(3), "torch")
    assert all(torch.equal(layer.state_dict()[name], expected[name]) for name in expected)


def test_what_starts_in_its_own_way_still_does() -> None:
    film = Film(9, 4)
    initialise(film, torch.Generator().manual_seed(3))
    assert not film.layer.weight.any()


def test_what_others_have_learnt_is_kept() -> None:
    class Learnt(Pretrained, nn.Linear):
        pass

    network = nn.Sequential(Learnt(3, 3), nn.Linear(3, 3))
    before = [layer.weight.clone() for layer in network]
    initialise(network, torch.Generator().manual_seed(3))
    assert torch.equal(network[0].weight, before[0])
    assert not torch.equal(network[1].weight, before[1])
