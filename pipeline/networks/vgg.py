"""The convolutions of VGG16 and VGG19, whose features say how images look (Simonyan and Zisserman 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.networks.initialise import Pretrained
from pipeline.networks.weight_files import load_weight_file

_POOL = 0
_VGG16 = (64, 64, _POOL, 128, 128, _POOL, *[256] * 3, _POOL, *[512] * 3, _POOL, *[512] * 3, _POOL)
_VGG19 = (64, 64, _POOL, 128, 128, _POOL, *[256] * 4, _POOL, *[512] * 4, _POOL, *[512] * 4, _POOL)
# What torchvision's networks take off an image's channels in 0..1, and divide them by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class VggFeatures(Pretrained, nn.Module):
    """Bx3xHxW in [-1, 1] to what the first n layers give, for each n of `slices`, BxCxhxw each, frozen.

    Layers and names of tensors are those of torchvision's `features`, and no more than are needed. The weights are
    random until a file is read.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layout: Sequence[int], slices: tuple[int, ...]) -> None:
        super().__init__()
        self.slices = slices
        self.features = nn.Sequential(*_layers(layout)[: max(slices)])
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features; H and W are at least 2 to the power of how often the slices halve them."""
        features = ((images + 1) / 2 - self.mean) / self.std
        read: list[Tensor] = []
        for count, layer in enumerate(self.features, 1):
            features = layer(features)
            if count in self.slices:
                read.append(features)
        return read


class Vgg16Features(VggFeatures):
    """VGG16; see `load_vgg16`.

    The default slices end at relu1_2, relu2_2, relu3_3 and relu4_3, with 64, 128, 256 and 512 channels at the full
    size, 1/2, 1/4 and 1/8: document 003's layers 4, 9, 16 and 23.
    """

    def __init__(self, slices: tuple[int, ...] = (4, 9, 16, 23)) -> None:
        super().__init__(_VGG16, slices)


class Vgg19Features(VggFeatures):
    """VGG19; see `load_vgg19`.

    The default slices end at relu1_1, relu2_1, relu3_1 and relu4_1, with 64, 128, 256 and 512 channels at the full
    size, 1/2, 1/4 and 1/8.
    """

    def __init__(self, slices: tuple[int, ...] = (2, 7, 12, 21)) -> None:
        super().__init__(_VGG19, slices)


def load_vgg16(path: Path, slices: tuple[int, ...] = (4, 9, 16, 23)) -> Vgg16Features:
    """Return the network with the weights of torchvision's file, or one in safetensors with the same names.

    `UserError` where the file is missing, damaged or another network's.
    """
    network = Vgg16Features(slices)
    load_weight_file(network, path, "give the path of torchvision's vgg16-397923af.pth")
    return network


def load_vgg19(path: Path, slices: tuple[int, ...] = (2, 7, 12, 21)) -> Vgg19Features:
    """Return the network with the weights of torchvision's file, or one in safetensors with the same names.

    `UserError` where the file is missing, damaged or another network's.
    """
    network = Vgg19Features(slices)
    load_weight_file(network, path, "give the path of torchvision's vgg19-dcbb9e9d.pth")
    return network


def _layers(layout: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    taken = 3
    for channels in layout:
        if channels == _POOL:
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(taken, channels, 3, padding=1), nn.ReLU()]
            taken = channels
    return layers
