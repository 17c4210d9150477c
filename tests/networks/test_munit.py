import pytest
import torch

from pipeline.networks.munit import MultiScaleDiscriminator, MunitGenerator, adaptive_instance_norm


def test_an_image_is_a_content_and_a_style_and_comes_back_from_them() -> None:
    network, images = MunitGenerator(width=4, blocks=2, style=3, mlp=8), torch.rand(2, 3, 32, 48)
    content, style = network.encode(images)
    assert (content.shape, style.shape) == ((2, 16, 8, 12), (2, 3))
    assert network.decode(content, style).shape == images.shape
    assert torch.equal(network.decode(content, style), network(images))
    assert not torch.equal(network.decode(content, style + 1), network(images))


def test_a_style_sets_mean_and_deviation_of_each_channel() -> None:
    scale, shift = torch.tensor([[2.0, 3.0]]), torch.tensor([[-1.0, 4.0]])
    styled = adaptive_instance_norm(torch.rand(1, 2, 20, 20), scale, shift)
    torch.testing.assert_close(styled.mean(dim=(2, 3)), shift)
    torch.testing.assert_close(styled.std(dim=(2, 3), correction=0), scale, rtol=1e-3, atol=0)


def test_the_discriminator_judges_at_three_sizes() -> None:
    logits = MultiScaleDiscriminator(width=2)(torch.zeros(2, 3, 64, 128))
    assert [tuple(judged.shape) for judged in logits] == [(2, 1, 4, 8), (2, 1, 2, 4), (2, 1, 1, 2)]


def test_an_image_too_small_for_the_scales_is_refused() -> None:
    with pytest.raises(ValueError, match=r"32 pixels are too few .* need 64"):
        MultiScaleDiscriminator(width=2)(torch.zeros(1, 3, 32, 32))
    smallest = MultiScaleDiscriminator(width=2, scales=2)(torch.zeros(1, 3, 32, 32))
    assert [judged.shape[-1] for judged in smallest] == [2, 1]
