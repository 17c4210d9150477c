from collections.abc import Callable

import pytest
import torch
from torch import nn

from pipeline.networks.discriminators import PatchDiscriminator
from pipeline.networks.generators import ResnetGenerator, UNetGenerator
from pipeline.networks.initialise import initialise


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: ResnetGenerator(), 11_378_179),
        (lambda: ResnetGenerator(in_channels=4, out_channels=4), 11_384_452),
        (lambda: ResnetGenerator(blocks=6), 7_837_699),
        (lambda: UNetGenerator(size_px=256), 54_413_955),
        (lambda: UNetGenerator(size_px=256, norm="instance"), 54_409_603),
        (lambda: UNetGenerator(size_px=128), 41_828_995),
        (lambda: PatchDiscriminator(), 2_764_737),
        (lambda: PatchDiscriminator(in_channels=4), 2_765_761),
        (lambda: PatchDiscriminator(in_channels=6, norm="batch"), 2_768_705),
    ],
)
def test_networks_are_those_of_the_papers_at_width_64(make: Callable[[], nn.Module], parameters: int) -> None:
    with torch.device("meta"):
        network = make()
    assert sum(weights.numel() for weights in network.parameters()) == parameters


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_the_resnet_keeps_the_size_also_of_oblong_images(upsample: str) -> None:
    network = ResnetGenerator(width=4, blocks=1, upsample=upsample)
    assert network(torch.zeros(2, 3, 16, 24)).shape == (2, 3, 16, 24)


@pytest.mark.parametrize(("size_px", "dropouts"), [(32, 0), (64, 1), (128, 2), (256, 3)])
def test_the_unet_halves_down_to_one_pixel_and_drops_out_inside(size_px: int, dropouts: int) -> None:
    network = UNetGenerator(in_channels=1, width=2, size_px=size_px)
    assert network(torch.zeros(1, 1, size_px, size_px)).shape == (1, 3, size_px, size_px)
    assert sum(isinstance(module, nn.Dropout) for module in network.modules()) == dropouts


def test_the_unet_refuses_a_size_it_cannot_halve() -> None:
    with pytest.raises(ValueError, match="power of two"):
        UNetGenerator(size_px=96)


def test_patches_of_70_pixels() -> None:
    with torch.device("meta"):
        network = PatchDiscriminator(width=4)
        assert network(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


def test_weights_start_small_and_only_depend_on_the_seed() -> None:
    networks = [UNetGenerator(width=8, size_px=32) for _ in range(2)]
    for network in networks:
        initialise(network, torch.Generator().manual_seed(3))
    first, second = (torch.nn.utils.parameters_to_vector(network.parameters()) for network in networks)
    assert torch.equal(first, second)
    weights = networks[0].downs[0].weight
    assert abs(weights.std().item() - 0.02) < 0.004
    assert all(
        not module.bias.any() for module in networks[0].modules() if isinstance(module, nn.BatchNorm2d)
    )
