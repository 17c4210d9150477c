"""VGG16's convolutions, whose features say how alike two images look (Simonyan and Zisserman 2015)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.networks.initialise import Pretrained
from pipeline.networks.weight_files import load_weight_file

_POOL = 0
_CHANNELS = (64, 64, _POOL, 128, 128, _POOL, *[256] * 3, _POOL, *[512] * 3, _POOL, *[512] * 3, _POOL)
# What torchvision's networks take off an image's channels in 0..1, and divide them by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Vgg16Features(Pretrained, nn.Module):
    """Bx3xHxW in [-1, 1] to what the first n layers give, for each n of `slices`, BxCxhxw each, frozen.

    The default slices end at relu1_2, relu2_2, relu3_3 and relu4_3, with 64, 128, 256 and 512 channels at the full
    size, 1/2, 1/4 and 1/8: document 003's layers 4, 9, 16 and 23. Layers and names of tensors are those of
    torchvision's `features`, and no more than are needed. The weights are random: see `load_vgg16`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, slices: tuple[int, ...] = (4, 9, 16, 23)) -> None:
        super().__init__()
        self.slices = slices
        self.features = nn.Sequential(*_layers()[: max(slices)])
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features; H and W are at least 8 for the default slices."""
        features = ((images + 1) / 2 - self.mean) / self.std
        read: list[Tensor] = []
        for count, layer in enumerate(self.features, 1):
            features = layer(features)
            if count in self.slices:
                read.append(features)
        return read


def load_vgg16(path: Path, slices: tuple[int, ...] = (4, 9, 16, 23)) -> Vgg16Features:
    """Return the network with the weights of torchvision's file, or one in safetensors with the same names.

    `UserError` where the file is missing, damaged or another network's.
    """
    network = Vgg16Features(slices)
    load_weight_file(network, path, "give the path of torchvision's vgg16-397923af.pth")
    return network


def _layers() -> list[nn.Module]:
    layers: list[nn.Module] = []
    taken = 3
    for channels in _CHANNELS:
        if channels == _POOL:
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(taken, channels, 3, padding=1), nn.ReLU()]
            taken = channels
    return layers
