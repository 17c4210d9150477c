"""What torchvision's networks see of an image: their convolutions, read at several depths, for ImageNet's colours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.networks.initialise import Pretrained

# What torchvision's networks take off an image's channels in 0..1, and divide them by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImagenetFeatures(Pretrained, nn.Module):
    """Bx3xHxW in [-1, 1] to what the first n layers give, for each n of `slices`, BxCxhxw each, frozen.

    Layers and names of tensors are those of torchvision's `features`, and no more than are needed. The weights are
    random until a file is read.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: Sequence[nn.Module], slices: tuple[int, ...]) -> None:
        super().__init__()
        self.slices = slices
        self.features = nn.Sequential(*layers[: max(slices)])
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features; H and W are at least what the layers halve away."""
        features = ((images + 1) / 2 - self.mean) / self.std
        read: list[Tensor] = []
        for count, layer in enumerate(self.features, 1):
            features = layer(features)
            if count in self.slices:
                read.append(features)
        return read
