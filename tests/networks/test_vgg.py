from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from pipeline.errors import UserError
from pipeline.networks.vgg import Vgg16Features, load_vgg16

_TORCHVISION_D = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def _published_vgg16() -> nn.Sequential:
    """Return all convolutional layers as torchvision builds them from its configuration D."""
    layers: list[nn.Module] = []
    channels = 3
    for entry in _TORCHVISION_D:
        if entry == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        else:
            layers += [nn.Conv2d(channels, entry, kernel_size=3, padding=1), nn.ReLU()]
            channels = entry
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def published() -> nn.Sequential:
    torch.manual_seed(1)
    return _published_vgg16()


@pytest.fixture(scope="module")
def tensors(published: nn.Sequential) -> dict[str, torch.Tensor]:
    named = {f"features.{name}": tensor for name, tensor in published.state_dict().items()}
    return {**named, "classifier.6.bias": torch.zeros(1000)}


@pytest.mark.parametrize("file", ["vgg16.pth", "old_vgg16.pth", "vgg16.safetensors"])
def test_features_are_slices_of_the_published_network(
    file: str, published: nn.Sequential, tensors: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / file
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=not file.startswith("old"))
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    standardised = ((images + 1) / 2 - mean[:, None, None]) / std[:, None, None]

    features = load_vgg16(path)(images)
    for ours, end in zip(features, (4, 9, 16, 23), strict=True):
        assert isinstance(published[end - 1], nn.ReLU)
        torch.testing.assert_close(ours, published[:end](standardised))
    assert [maps.shape[1] for maps in features] == [64, 128, 256, 512]


def test_the_weights_are_frozen_and_gradients_reach_the_image() -> None:
    network, images = Vgg16Features((4,)), torch.zeros(1, 3, 8, 8, requires_grad=True)
    network(images)[0].sum().backward()
    assert images.grad is not None
    assert images.grad.any()
    assert not any(weights.requires_grad for weights in network.parameters())


def test_a_missing_file_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.pth is missing; give the path of torchvision's vgg16"):
        load_vgg16(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("name", ["vgg16.pth", "vgg16.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_file_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{name} cannot be read: it is damaged"):
        load_vgg16(path)


@pytest.mark.parametrize("kept", [100, 20_000, 40_000])
def test_a_file_cut_short_is_damaged(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "vgg16.pth"
    torch.save({"features.0.bias": torch.zeros(10_000)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="damaged"):
        load_vgg16(path)


def test_another_network_s_file_is_refused(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "vgg16.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(UserError, match=r"no tensor features\.0\.bias"):
        load_vgg16(path)
    torch.save({**tensors, "features.2.weight": torch.zeros(64, 64, 5, 5)}, path)
    with pytest.raises(UserError, match=r"features\.2\.weight has the shape \(64, 64, 5, 5\) instead of"):
        load_vgg16(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(UserError, match="no named tensors"):
        load_vgg16(path)
