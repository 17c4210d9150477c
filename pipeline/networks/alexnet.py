"""AlexNet's convolutions, in their form with one tower (Krizhevsky 2014, "One weird trick")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.networks.initialise import Pretrained
from pipeline.networks.vgg import IMAGENET_MEAN, IMAGENET_STD


class AlexNetFeatures(Pretrained, nn.Module):
    """Bx3xHxW in [-1, 1], H and W at least 31, to what the five convolutions give after their ReLUs, frozen.

    64, 192, 384, 256 and 256 channels at about 1/4, 1/8 and three times 1/16 of the size. Layers and names of tensors
    are those of torchvision's `features`. The weights are random: see `pipeline.networks.weight_files`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *[nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)],
            *[nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)],
            *[nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()],
            *[nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()],
            *[nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()],
        )
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features of each convolution."""
        features = ((images + 1) / 2 - self.mean) / self.std
        read: list[Tensor] = []
        for layer in self.features:
            features = layer(features)
            if isinstance(layer, nn.ReLU):
                read.append(features)
        return read
