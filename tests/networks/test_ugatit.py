from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.networks.spectral import SpectralConv2d, SpectralLinear
from pipeline.networks.ugatit import (
    AdaLin,
    ClassActivation,
    Lin,
    UgatitDiscriminator,
    UgatitGenerator,
    clip_rho,
    most_layers,
)


@pytest.mark.parametrize("size_px", [None, 32])
def test_the_generator_gives_an_image_two_logits_and_a_map_of_attention(size_px: int | None) -> None:
    images, logits, attention = UgatitGenerator(width=4, blocks=1, size_px=size_px)(torch.zeros(2, 3, 32, 32))
    assert (images.shape, logits.shape, attention.shape) == ((2, 3, 32, 32), (2, 2), (2, 1, 8, 8))


def test_only_the_light_generator_takes_other_sizes() -> None:
    assert UgatitGenerator(width=4, blocks=1)(torch.zeros(1, 3, 16, 24))[0].shape == (1, 3, 16, 24)
    with pytest.raises(ValueError, match="built for 32x32 pixels, not for 16x24"):
        UgatitGenerator(width=4, blocks=1, size_px=32)(torch.zeros(1, 3, 16, 24))


@pytest.mark.parametrize(
    ("size_px", "layers", "logits_px"), [(256, 7, 6), (256, 5, 30), (128, 7, 2), (128, 5, 14), (64, 6, 2)]
)
def test_discriminators_judge_as_many_patches_as_in_the_paper(
    size_px: int, layers: int, logits_px: int
) -> None:
    network = UgatitDiscriminator(width=1, layers=layers)
    logits, activations, attention = network(torch.zeros(2, 3, size_px, size_px))
    assert logits.shape == (2, 1, logits_px, logits_px)
    assert activations.shape == (2, 2)
    assert attention.shape == (2, 1, logits_px + 1, logits_px + 1)


def test_a_discriminator_too_deep_for_the_image_names_the_depth_that_works() -> None:
    with pytest.raises(ValueError, match="64 pixels are too few for 7 layers; give layers: 6"):
        UgatitDiscriminator(width=2, layers=7)(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match="at least 6"):
        UgatitDiscriminator(width=2, layers=3)(torch.zeros(1, 3, 5, 5))
    with pytest.raises(ValueError, match="at least 3"):
        UgatitDiscriminator(layers=2)


@pytest.mark.parametrize("size_px", [6, 11, 32, 50])
def test_the_most_layers_that_work_are_known(size_px: int) -> None:
    images = torch.zeros(1, 3, size_px, size_px)
    assert UgatitDiscriminator(width=1, layers=most_layers(size_px))(images)[0].shape[-1] >= 1
    with pytest.raises(ValueError, match="too few"):
        UgatitDiscriminator(width=1, layers=most_layers(size_px) + 1)(images)


def test_channels_are_weighed_by_what_they_say_of_the_domain() -> None:
    activation = ClassActivation(4)
    features = torch.rand(2, 4, 3, 3)
    attended, logits = activation(features)
    by_mean, by_peak = activation.by_mean.weight, activation.by_peak.weight
    torch.testing.assert_close(logits[:, 0], features.mean(dim=(2, 3)) @ by_mean[0])
    torch.testing.assert_close(logits[:, 1], features.flatten(2).max(dim=2).values @ by_peak[0])
    weighed = torch.cat([features * by_mean[..., None, None], features * by_peak[..., None, None]], dim=1)
    torch.testing.assert_close(attended, functional.relu(activation.mix(weighed)))


def test_in_the_discriminator_the_normalised_weight_weighs_the_channels_too() -> None:
    activation = ClassActivation(4, spectral=True).eval()
    with torch.no_grad():
        for layer in (activation.by_mean, activation.by_peak):
            layer.weight *= 100
    features = torch.rand(2, 4, 3, 3)
    attended, _ = activation(features)
    units = [functional.normalize(layer.weight) for layer in (activation.by_mean, activation.by_peak)]
    weighed = torch.cat([features * unit[..., None, None] for unit in units], dim=1)
    torch.testing.assert_close(attended, functional.leaky_relu(activation.mix(weighed), 0.2))


def test_adalin_is_instance_norm_at_rho_1_and_layer_norm_at_rho_0() -> None:
    norm, features = AdaLin(4), torch.rand(2, 4, 3, 5) * torch.arange(1.0, 5)[:, None, None]
    scale, shift = torch.rand(2, 4), torch.rand(2, 4)
    assert (norm.rho == 0.9).all()
    for rho, expected in (
        (1, functional.instance_norm(features)),
        (0, functional.layer_norm(features, features.shape[1:])),
    ):
        norm.rho.data.fill_(rho)
        styled = expected * scale[..., None, None] + shift[..., None, None]
        torch.testing.assert_close(norm(features, scale, shift), styled)


def test_lin_starts_as_layer_norm() -> None:
    features = torch.rand(2, 4, 3, 5)
    torch.testing.assert_close(Lin(4)(features), functional.layer_norm(features, features.shape[1:]))


def test_rho_is_held_between_0_and_1() -> None:
    network = UgatitGenerator(width=2, blocks=1)
    rhos = [module.rho for module in network.modules() if isinstance(module, AdaLin | Lin)]
    assert len(rhos) == 4
    for rho, value in zip(rhos, (-0.1, 0.3, 1.2, 1.0), strict=True):
        rho.data.fill_(value)
    weights = network.scale.weight.clone()
    clip_rho(network)
    assert [rho.flatten()[0].item() for rho in rhos] == pytest.approx([0, 0.3, 1, 1])
    assert torch.equal(network.scale.weight, weights)


@pytest.mark.parametrize("make", [lambda: SpectralConv2d(3, 6, 4), lambda: SpectralLinear(8, 6)])
def test_the_largest_singular_value_becomes_1(make: Callable[[], nn.Module]) -> None:
    layer = make()
    for _ in range(1000):
        weight = layer.normalised_weight()
    assert torch.linalg.svdvals(weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-4)


def test_spectral_norm_goes_on_exactly_from_its_saved_state() -> None:
    images = torch.rand(2, 3, 16, 16)
    network, resumed = (UgatitDiscriminator(width=2, layers=3) for _ in range(2))
    network(images)
    resumed.load_state_dict(network.state_dict())
    assert torch.equal(network(images)[0], resumed(images)[0])
    assert torch.equal(network(images)[1], resumed(images)[1])


def test_spectral_norm_rests_while_evaluating() -> None:
    network = UgatitDiscriminator(width=2, layers=3).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(torch.rand(1, 3, 16, 16))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_real_and_fake_images_can_be_judged_before_one_backward_pass() -> None:
    network = UgatitDiscriminator(width=2, layers=3)
    real, fake = network(torch.rand(1, 3, 16, 16)), network(torch.rand(1, 3, 16, 16))
    (real[0].mean() - fake[0].mean() + real[1].mean() - fake[1].mean()).backward()
    assert all(weights.grad is not None for weights in network.parameters() if weights.numel() > 1)
