"""How alike two images look to VGG16, as document 003 compares an image with what it is after the way back."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.methods.losses import feature_distance
from pipeline.methods.published_weights import weight_file
from pipeline.networks.vgg import Vgg16Features, load_vgg16


class PerceptualLoss:
    """The mean square difference of VGG16's features at relu1_2, relu2_2, relu3_3 and relu4_3.

    Johnson et al. 2016 in the form of document 003, whose layers these are. `weights` are `vgg16`, which stands for
    torchvision's published file, or the path of one. The file is read at the first use, so that a finished model
    translates without it; there are never random weights in its place.
    """

    def __init__(self, weights: str) -> None:
        self._weights = weights
        self._network: Vgg16Features | None = None

    def __call__(self, images: Tensor, reconstructed: Tensor) -> Tensor:
        """Return one number for two Bx3xHxW in [-1, 1]; gradients reach the second.

        `UserError` at the first use where the weights are missing or another network's.
        """
        if self._network is None:
            self._network = self._load().to(images.device)
        with torch.no_grad():
            wanted = self._network(images)
        return feature_distance(self._network(reconstructed), wanted)

    def _load(self) -> Vgg16Features:
        """Read the network; the training's randomness stays as it is, so that one that is resumed is no different."""
        with torch.random.fork_rng(devices=[]):
            return load_vgg16(weight_file(self._weights, "perceptual_weights"))
