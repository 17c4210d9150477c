"""Backbones by name: what they give, what they take, and whose weights fit."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torchvision import models

from pipeline import weights
from pipeline.errors import UserError
from pipeline.networks.backbones import IMAGENET, Backbone, at_rest, build_backbone, load_backbone

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALL = "test_resnet"


def faces(count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def finished(name: str) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(name).eval()


@pytest.mark.parametrize(
    ("name", "features", "stages"),
    [
        ("resnet10t", 512, [(64, 32), (64, 16), (128, 8), (256, 4), (512, 2)]),
        ("resnet50", 2048, [(64, 32), (256, 16), (512, 8), (1024, 4), (2048, 2)]),
        ("convnext_atto", 320, [(40, 16), (80, 8), (160, 4), (320, 2)]),
        ("efficientnet_b0", 1280, [(16, 32), (24, 16), (40, 8), (112, 4), (320, 2)]),
        ("mobilenetv3_small_050", 1024, [(16, 32), (8, 16), (16, 8), (24, 4), (288, 2)]),
        ("alexnet", 256, [(64, 15), (192, 7), (256, 3), (256, 1)]),
        ("squeezenet1_1", 512, [(64, 31), (128, 15), (256, 7), (512, 3)]),
    ],
)
@torch.no_grad()
def test_a_backbone_gives_pooled_features_and_stages(
    name: str, features: int, stages: list[tuple[int, int]]
) -> None:
    backbone = finished(name)
    pooled, maps = backbone(faces()), backbone.stages(faces())
    assert pooled.shape == (2, backbone.features) == (2, features)
    assert [tuple(each.shape[1:3]) for each in maps] == stages
    assert backbone.channels == tuple(channels for channels, _ in stages)
    torch.testing.assert_close(backbone(faces()[1:]), pooled[1:], rtol=1e-4, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
@torch.no_grad()
def test_vgg_is_pooled_behind_its_convolutions(name: str) -> None:
    backbone = finished(name)
    assert backbone.features == 512
    assert [tuple(each.shape[1:3]) for each in backbone.stages(faces())][-1] == (512, 2)
    torch.testing.assert_close(backbone(faces()), backbone.stages(faces())[-1].mean(dim=(2, 3)))


@torch.no_grad()
def test_small_images_are_enlarged_to_what_a_network_needs() -> None:
    backbone = finished("inception_v3")
    assert (backbone.least_px, backbone.shown_px(64), backbone.shown_px(128)) == (75, 75, 128)
    assert backbone.stages(faces())[0].shape[-1] == 35
    assert backbone(faces()).shape == (2, 2048)


@torch.no_grad()
def test_a_network_that_knows_one_size_sees_everything_at_that() -> None:
    backbone = finished("vit_tiny_patch16_224")
    assert (backbone.fixed_px, backbone.shown_px(64), backbone.shown_px(256)) == (224, 224, 224)
    assert backbone(faces(1)).shape == (1, 192)
    assert [tuple(each.shape[1:]) for each in backbone.stages(faces(1))] == [(192, 14, 14)] * 4


def test_gradients_reach_the_image_through_every_stage() -> None:
    backbone, image = finished(SMALL).requires_grad_(False), faces().requires_grad_()
    for stage in backbone.stages(image):
        (gradient,) = torch.autograd.grad(stage.square().mean(), image, retain_graph=True)
        assert gradient.abs().max() > 0


def test_a_copy_has_weights_of_its_own() -> None:
    """Averaged weights are kept in a copy."""
    for name in (SMALL, "squeezenet1_1"):
        backbone = finished(name)
        copy, before = deepcopy(backbone), backbone(faces())
        for tensor in copy.parameters():
            tensor.data.zero_()
        assert torch.equal(backbone(faces()), before)
        assert not torch.equal(copy(faces()), before)
        assert list(backbone.state_dict()) == [
            key for key in backbone.state_dict() if key.startswith("network.")
        ]


def test_at_rest_leaves_networks_as_they_were() -> None:
    training, waiting = build_backbone(SMALL).train(), build_backbone(SMALL).eval()
    with at_rest(training, waiting):
        assert not training.training
        assert not training.network.training
    assert training.network.training
    assert not waiting.training


@pytest.mark.parametrize(
    ("name", "normalised"),
    [
        ("resnet18", (MEAN, STD)),
        ("resnet50", (MEAN, STD)),
        # torchvision's Inception brings images to [-1, 1] itself, which is 0.5 and 0.5.
        ("inception_v3", ((0.5,) * 3, (0.5,) * 3)),
        pytest.param("vgg16", (MEAN, STD), marks=pytest.mark.long),
        pytest.param("vgg19", (MEAN, STD), marks=pytest.mark.long),
    ],
)
@torch.no_grad()
def test_torchvisions_files_give_torchvisions_features(
    tmp_path: Path, name: str, normalised: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    torch.manual_seed(5)
    theirs = models.get_model(name, weights=None, **({"init_weights": False} if name[0] in "vi" else {}))
    torch.save(theirs.state_dict(), tmp_path / "published.pth")
    backbone = finished(name)
    load_backbone(backbone, tmp_path / "published.pth")
    images = faces(2, 96)
    mean, std = (torch.tensor(values)[:, None, None] for values in normalised)
    theirs.fc = torch.nn.Identity()
    trunk = theirs.features if name.startswith("vgg") else theirs
    expected = trunk.eval()(((images + 1) / 2 - mean) / std)
    expected = expected.mean(dim=(2, 3)) if expected.ndim == 4 else expected
    torch.testing.assert_close(backbone(images), expected, rtol=1e-4, atol=1e-5)


def test_the_published_files_are_those_of_torchvision() -> None:
    table = {
        "vgg16": models.VGG16_Weights.IMAGENET1K_V1,
        "vgg19": models.VGG19_Weights.IMAGENET1K_V1,
        "inception_v3": models.Inception_V3_Weights.IMAGENET1K_V1,
        "resnet18": models.ResNet18_Weights.IMAGENET1K_V1,
        "resnet50": models.ResNet50_Weights.IMAGENET1K_V2,
    }
    assert table.keys() == IMAGENET.keys()
    for name, theirs in table.items():
        ours = weights.FETCHED[IMAGENET[name]]
        assert ours.url == theirs.url
        assert ours.stated is not None
        assert theirs.url.endswith(f"-{ours.stated}.pth")


def test_a_tagger_s_own_file_is_read_too(tmp_path: Path) -> None:
    trained, other = finished(SMALL), build_backbone(SMALL).eval()
    safetensors.torch.save_file(trained.state_dict(), tmp_path / "backbone.safetensors")
    load_backbone(other, tmp_path / "backbone.safetensors")
    assert torch.equal(other(faces()), trained(faces()))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file(finished(SMALL).state_dict(), tmp_path / "backbone.safetensors")
    with pytest.raises(UserError, match="give the path of a file with the weights of resnet10t"):
        load_backbone(build_backbone("resnet10t"), tmp_path / "backbone.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read"):
        load_backbone(build_backbone(SMALL), tmp_path / "damaged.safetensors")
    with pytest.raises(UserError, match=r"gone\.pth is missing"):
        load_backbone(build_backbone(SMALL), tmp_path / "gone.pth")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vgg91", "'vgg91' is no network of timm or torchvision; did you mean vgg19"),
        ("magic", "`timm.list_models\\(\\)` names those there are"),
        ("vit_b_16", "vit_b_16 of torchvision shows no stages; name timm's"),
    ],
)
def test_an_unknown_name_is_said_with_what_was_meant(name: str, said: str) -> None:
    with pytest.raises(UserError, match=f"backbone: .*{said}"):
        build_backbone(name)
