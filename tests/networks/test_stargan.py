import pytest
import torch
from torch import nn

from pipeline.networks.initialise import initialise
from pipeline.networks.stargan import StarGanDiscriminator, StarGanGenerator


def generator(**options: object) -> StarGanGenerator:
    network = StarGanGenerator(2, **{"width": 4, "blocks": 1, **options})  # type: ignore[arg-type]
    initialise(network, torch.Generator().manual_seed(1), "torch")
    return network


def test_an_image_comes_out_as_large_as_it_went_in() -> None:
    made = generator()(torch.rand(2, 3, 32, 24), torch.ones(2, 2))
    assert made.shape == (2, 3, 32, 24)
    assert made.abs().max() <= 1


def test_each_label_changes_the_image_from_the_start() -> None:
    network, image = generator(), torch.rand(1, 3, 32, 32)
    plain, first, second = (network(image, torch.tensor([asked])) for asked in ([0.0, 0], [1.0, 0], [0.0, 1]))
    for one, other in ((plain, first), (plain, second), (first, second)):
        assert (one - other).abs().mean() > 1e-4


def test_padded_by_reflection_no_label_would_be_seen() -> None:
    """Why the reference pads with zeros: the instance norm takes away what a constant plane adds everywhere."""
    network, image = generator(), torch.rand(1, 3, 32, 32)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "reflect"
            module._reversed_padding_repeated_twice = [side for side in module.padding for _ in range(2)]
    plain, asked = (network(image, torch.full((1, 2), label)) for label in (0.0, 1.0))
    torch.testing.assert_close(plain, asked, atol=1e-4, rtol=0)


@pytest.mark.parametrize("heads", [1, 8])
def test_an_attention_whose_gamma_is_0_is_not_there(heads: int) -> None:
    images, labels = torch.rand(2, 3, 32, 32), torch.tensor([[0.0, 1], [1, 1]])
    plain, attentive = generator(width=16), generator(width=16, attention=True, heads=heads)
    assert torch.equal(plain(images, labels), attentive(images, labels))
    nn.init.constant_(attentive.attention.gamma, 0.5)
    assert not torch.equal(plain(images, labels), attentive(images, labels))


@pytest.mark.parametrize(("size_px", "layers", "side"), [(32, 5, 1), (64, 6, 1), (64, 3, 8)])
def test_the_discriminator_says_how_real_patches_are_and_which_labels_the_image_has(
    size_px: int, layers: int, side: int
) -> None:
    network = StarGanDiscriminator(5, size_px, width=2, layers=layers)
    realness, logits = network(torch.rand(2, 3, size_px, size_px))
    assert realness.shape == (2, 1, side, side)
    assert logits.shape == (2, 5)


@pytest.mark.parametrize("heads", [1, 8])
def test_attention_in_the_discriminator_comes_after_its_third_layer(heads: int) -> None:
    options = {"width": 16, "layers": 4}
    plain = StarGanDiscriminator(2, 32, **options)
    attentive = StarGanDiscriminator(2, 32, **options, attention=True, heads=heads)
    attentive.load_state_dict(plain.state_dict(), strict=False)
    images, seen = torch.rand(1, 3, 32, 32), []
    attentive.attention.register_forward_hook(lambda _, taken, __: seen.append(taken[0].shape))
    for one, other in zip(plain(images), attentive(images), strict=True):
        assert torch.equal(one, other)
    assert seen == [(1, 64, 4, 4)]


def test_a_discriminator_that_an_image_is_too_small_for_is_refused() -> None:
    with pytest.raises(ValueError, match="6 layers cannot halve 32 px"):
        StarGanDiscriminator(1, 32)
    with pytest.raises(ValueError, match="layers: 2 has fewer"):
        StarGanDiscriminator(1, 32, layers=2, attention=True)
