"""What style transfer sees: maps of content and style, their statistics, and the means of faces."""

import pytest
import torch
from torch.nn import functional

from pipeline.networks.adain import AdaInDecoder
from pipeline.networks.backbones import Backbone
from pipeline.networks.style_features import FaceStyle, build_encoder, gram, moments
from pipeline.networks.vgg import Vgg19Features


def test_gatys_sees_the_content_at_relu4_2_and_the_style_from_relu1_1_to_relu5_1() -> None:
    encoder, images = build_encoder(None, 32, deep=True), torch.rand(1, 3, 32, 32)
    seen = encoder(images)
    assert isinstance(encoder.network, Vgg19Features)
    maps = dict(zip((2, 7, 12, 21, 23, 30), encoder.network(images), strict=True))
    assert torch.equal(seen.content, maps[23])
    assert [each.shape[1:] for each in seen.style] == [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
        (512, 2, 2),
    ]
    for found, place in zip(seen.style, (2, 7, 12, 21, 30), strict=True):
        assert torch.equal(found, maps[place])


def test_adain_sees_both_up_to_relu4_1() -> None:
    encoder = build_encoder(None, 32, deep=False)
    seen = encoder(torch.rand(1, 3, 32, 32))
    assert [each.shape[1] for each in seen.style] == [64, 128, 256, 512]
    assert torch.equal(seen.content, seen.style[-1])


@pytest.mark.parametrize(("deep", "styles"), [(True, [32, 32, 48, 192, 96]), (False, [32, 32, 48])])
def test_a_backbone_s_content_is_its_last_stage_of_an_eighth_of_the_image(
    deep: bool, styles: list[int]
) -> None:
    seen = build_encoder("test_resnet", 64, deep)(torch.rand(2, 3, 64, 64))
    assert torch.equal(seen.content, seen.style[2])
    assert seen.content.shape == (2, 48, 8, 8)
    assert [each.shape[1] for each in seen.style] == styles


def test_where_no_stage_is_as_large_the_first_is_the_content() -> None:
    seen = build_encoder("test_vit", 64, deep=False)(torch.rand(1, 3, 64, 64))
    assert [each.shape for each in seen.style] == [seen.content.shape]
    assert seen.content.shape[-1] < 160 / 8, "of images that the network sees at 160 px"


def test_sizes_are_those_of_what_is_seen_and_cost_nothing() -> None:
    encoder = build_encoder("test_resnet", 64, deep=True)
    sizes, seen = encoder.sizes(64), encoder(torch.zeros(1, 3, 64, 64))
    assert sizes.content.is_meta
    assert sizes.content.shape == seen.content.shape
    assert [each.shape for each in sizes.style] == [each.shape for each in seen.style]


def test_an_encoder_never_learns_and_its_norms_stay_as_they_are() -> None:
    encoder = build_encoder("test_resnet", 32, deep=False)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    encoder.train()(images).content.sum().backward()
    assert images.grad is not None
    assert not any(weights.requires_grad for weights in encoder.parameters())
    assert isinstance(encoder.network, Backbone)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_a_gram_matrix_says_how_maps_go_together() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    expected = torch.tensor([[[1 + 4, 3 - 2], [3 - 2, 9 + 1]]]) / 4
    torch.testing.assert_close(gram(features), expected)
    turned = features.flip(-1)
    torch.testing.assert_close(gram(turned), expected)


def test_moments_are_mean_and_deviation_over_the_places() -> None:
    features = torch.tensor([[[[1.0, 3.0]], [[5.0, 5.0]]]])
    mean, deviation = moments(features)
    torch.testing.assert_close(mean, torch.tensor([[2.0, 5.0]]))
    torch.testing.assert_close(deviation, torch.tensor([[1.0, 0.0]]), atol=4e-3, rtol=1e-4)


def test_statistics_are_fp32_whatever_the_precision_of_the_features() -> None:
    features = torch.rand(1, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = [gram(features), *moments(features.bfloat16())]
    assert all(each.dtype == torch.float32 for each in found)
    assert torch.equal(found[0], gram(features))


def test_means_count_each_face_alike_however_they_are_grouped() -> None:
    style = FaceStyle(build_encoder("test_resnet", 32, deep=False), [(2,), ()])
    vectors, numbers = torch.rand(5, 2), torch.rand(5)
    for part in (slice(0, 1), slice(1, 5)):
        style.add([vectors[part], numbers[part]])
    assert style.seen.item() == 5
    torch.testing.assert_close(style.means[0].data, vectors.mean(dim=0))
    torch.testing.assert_close(style.means[1].data, numbers.mean())
    assert not any(weights.requires_grad for weights in style.parameters())


@pytest.mark.parametrize(("channels", "doublings"), [(512, 3), (48, 3), (10, 1)])
def test_the_decoder_grows_maps_to_images(channels: int, doublings: int) -> None:
    images = AdaInDecoder(channels, doublings, width=4)(torch.rand(2, channels, 4, 4))
    assert images.shape == (2, 3, 4 << doublings, 4 << doublings)


def test_the_decoder_mirrors_vgg19_layer_by_layer() -> None:
    convolutions = [
        (layer.in_channels, layer.out_channels)
        for layer in AdaInDecoder().layers
        if isinstance(layer, torch.nn.Conv2d)
    ]
    mirrored = [
        (layer.out_channels, layer.in_channels)
        for layer in reversed(Vgg19Features((21,)).features)
        if isinstance(layer, torch.nn.Conv2d)
    ]
    assert convolutions == mirrored


def test_vgg19_standardises_images_as_torchvision_does() -> None:
    network, images = Vgg19Features((1,)), torch.rand(1, 3, 8, 8) * 2 - 1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    standardised = ((images + 1) / 2 - mean[:, None, None]) / std[:, None, None]
    first = network.features[0]
    assert isinstance(first, torch.nn.Conv2d)
    expected = functional.conv2d(standardised, first.weight, first.bias, padding=1)
    torch.testing.assert_close(network(images)[0], expected)
