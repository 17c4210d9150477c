"""AlexNet's convolutions, in their form with one tower (Krizhevsky 2014, "One weird trick")."""

from __future__ import annotations

from torch import nn

from pipeline.networks.imagenet_features import ImagenetFeatures


class AlexNetFeatures(ImagenetFeatures):
    """Bx3xHxW in [-1, 1], H and W at least 31, to what the five convolutions give after their ReLUs, frozen.

    64, 192, 384, 256 and 256 channels at about 1/4, 1/8 and three times 1/16 of the size. The weights are random: see
    `pipeline.networks.weight_files`.
    """

    def __init__(self) -> None:
        layers = [
            *[nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)],
            *[nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)],
            *[nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()],
            *[nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()],
            *[nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()],
        ]
        super().__init__(layers, slices=(2, 5, 8, 10, 12))
