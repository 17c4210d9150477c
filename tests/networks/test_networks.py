import pytest
import torch
from torch import nn

from pipeline.networks.discriminators import PatchDiscriminator, PixelDiscriminator
from pipeline.networks.generators import ResnetGenerator, UNetGenerator
from pipeline.networks.initialise import initialise
from pipeline.networks.padding import padded


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


@pytest.mark.parametrize("layers", [2, 3, 5])
def test_attention_leaves_the_discriminator_as_it_is_at_first(layers: int) -> None:
    images = torch.rand(2, 3, 128, 128)
    plain, attentive = (_started(PatchDiscriminator(3, 2, layers, attention=on)) for on in (False, True))
    assert torch.equal(plain(images), attentive(images))
    attentive.attention.gamma.data.fill_(1)
    assert not torch.equal(plain(images), attentive(images))


def test_attention_needs_a_third_block() -> None:
    with pytest.raises(ValueError, match="give 2 or more"):
        PatchDiscriminator(layers=1, attention=True)


def test_a_pixel_is_judged_by_itself() -> None:
    network = PixelDiscriminator(width=4, norm="batch").eval()
    images = torch.rand(1, 3, 5, 7, requires_grad=True)
    logits = network(images)
    assert logits.shape == (1, 1, 5, 7)
    network.layers[:3](images)[0, :, 2, 3].sum().backward()
    assert images.grad[0, 0].nonzero().tolist() == [[2, 3]]


def test_attention_leaves_the_generator_as_it_is_at_first() -> None:
    images = torch.rand(2, 3, 16, 16)
    plain, attentive = (_started(ResnetGenerator(width=4, blocks=2, attention=on)) for on in (False, True))
    assert torch.equal(plain(images), attentive(images))
    attentive.attention.gamma.data.fill_(1)
    assert not torch.equal(plain(images), attentive(images))


def test_landmarks_leave_the_generator_as_it_is_at_first_and_guide_it_after_a_step() -> None:
    images, guide = torch.rand(2, 3, 16, 16), (torch.rand(2, 1, 16, 16) > 0.9).float()
    plain, guided = (
        _started(ResnetGenerator(width=4, blocks=2, landmark_attention=on)) for on in (False, True)
    )
    assert torch.equal(plain(images), guided(images, guide))

    optimizer = torch.optim.SGD(guided.landmark_attention.parameters(), lr=10)
    guided(images, guide).square().sum().backward()
    assert guided.landmark_attention.soften.weight.grad.abs().min() > 0
    optimizer.step()
    optimizer.zero_grad()
    assert not torch.equal(plain(images), guided(images, guide))
    guided(images, guide).square().sum().backward()
    assert guided.landmark_attention.strength.grad.abs() > 0


def test_a_guide_is_given_where_it_is_used_and_only_there() -> None:
    images, guide = torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    with pytest.raises(ValueError, match="guide"):
        ResnetGenerator(width=4, blocks=1)(images, guide)
    with pytest.raises(ValueError, match="guide"):
        ResnetGenerator(width=4, blocks=1, landmark_attention=True)(images)


def test_values_leave_the_unet_as_it_is_at_first_and_each_level_gets_their_gradient() -> None:
    images, values = torch.rand(2, 3, 16, 16), torch.rand(2, 9)
    plain, filmed = (_started(UNetGenerator(width=4, size_px=16, film=film)).eval() for film in (0, 9))
    assert torch.equal(plain(images), filmed(images, values))
    filmed(images, values).square().sum().backward()
    assert len(filmed.films) == 3
    assert all(film.layer.weight.grad.any() for film in filmed.films)


def test_values_are_given_where_they_are_used_and_only_there() -> None:
    images = torch.zeros(1, 3, 16, 16)
    with pytest.raises(ValueError, match="film"):
        UNetGenerator(width=4, size_px=16)(images, torch.zeros(1, 9))
    with pytest.raises(ValueError, match="film"):
        UNetGenerator(width=4, size_px=16, film=9)(images)


def test_padded_images_of_any_size_go_through_the_unet() -> None:
    network = UNetGenerator(width=2, size_px=32)
    assert padded(network, torch.zeros(1, 3, 40, 27), multiple=32).shape == (1, 3, 40, 27)


def _started(network: nn.Module) -> nn.Module:
    initialise(network, torch.Generator().manual_seed(1))
    return network
