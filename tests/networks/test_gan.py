from collections.abc import Callable

import pytest
import torch
from torch import nn

from pipeline.networks.attention import SelfAttention
from pipeline.networks.gan import DcganDiscriminator, DcganGenerator, SaganDiscriminator, SaganGenerator
from pipeline.networks.spectral import SpectralConv2d

Network = Callable[..., nn.Module]
KINDS = [(DcganGenerator, DcganDiscriminator), (SaganGenerator, SaganDiscriminator)]


@pytest.mark.parametrize("size_px", [32, 64, 128, 256, 512])
@pytest.mark.parametrize(("generator", "discriminator"), KINDS)
def test_random_numbers_become_images_of_any_size_and_each_a_logit(
    generator: Network, discriminator: Network, size_px: int
) -> None:
    images = generator(size_px, width=2, latent=5)(torch.randn(2, 5))
    assert images.shape == (2, 3, size_px, size_px)
    assert images.abs().max() <= 1
    assert discriminator(size_px, width=2)(images).shape == (2, 1, 1, 1)


@pytest.mark.parametrize("generator", [DcganGenerator, SaganGenerator])
def test_in_eval_an_image_is_made_as_if_it_were_alone(generator: Network) -> None:
    network, numbers = generator(32, width=4, latent=5), torch.randn(3, 5)
    network(numbers)
    network.eval()
    torch.testing.assert_close(network(numbers)[1:2], network(numbers[1:2]))


@pytest.mark.parametrize(("size_px", "attended"), [(32, 16), (64, 32), (256, 32)])
def test_attention_is_at_32_places_or_at_half_of_the_size(size_px: int, attended: int) -> None:
    networks = (SaganGenerator(size_px, width=8, latent=5), SaganDiscriminator(size_px, width=8))
    for network, told in zip(networks, (torch.randn(2, 5), torch.rand(2, 3, size_px, size_px)), strict=True):
        [attention] = [module for module in network.modules() if isinstance(module, SelfAttention)]
        sides: list[int] = []
        attention.register_forward_hook(lambda *told, seen=sides: seen.append(told[2].shape[-1]))
        network(told)
        assert sides == [attended]


def test_sagan_s_convolutions_enlarge_nothing_and_its_discriminator_has_no_batch_norm() -> None:
    network = SaganDiscriminator(64, width=8)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    convolutions = [module for module in network.modules() if isinstance(module, SpectralConv2d)]
    assert len(convolutions) == 5
    for convolution in convolutions:
        largest = torch.linalg.matrix_norm(convolution.normalised_weight().flatten(1), ord=2)
        assert largest.item() == pytest.approx(1, rel=0.05)
