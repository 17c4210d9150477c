"""The convolutions of VGG16 and VGG19, whose features say how images look (Simonyan and Zisserman 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from pipeline.networks.imagenet_features import ImagenetFeatures
from pipeline.networks.weight_files import load_weight_file

_POOL = 0
_VGG16 = (64, 64, _POOL, 128, 128, _POOL, *[256] * 3, _POOL, *[512] * 3, _POOL, *[512] * 3, _POOL)
_VGG19 = (64, 64, _POOL, 128, 128, _POOL, *[256] * 4, _POOL, *[512] * 4, _POOL, *[512] * 4, _POOL)


class VggFeatures(ImagenetFeatures):
    """The convolutions of a VGG with these channels; H and W are at least 2 to the power of how often they halve."""

    def __init__(self, layout: Sequence[int], slices: tuple[int, ...]) -> None:
        super().__init__(_layers(layout), slices)


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
