"""How alike two images look to a network: VGG16, as in document 003, or document 004's tagger, which knows cartoons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from pipeline.methods.dataset_tagger import dataset_tagger
from pipeline.methods.losses import feature_distance
from pipeline.methods.published_weights import weight_file
from pipeline.networks.backbones import build_backbone, load_backbone
from pipeline.networks.vgg import load_vgg16

Look = Callable[[Tensor], list[Tensor]]


class PerceptualLoss:
    """The mean square difference of a network's features at several depths.

    `weights` are `vgg16`, which stands for torchvision's published file, or the path of one: relu1_2, relu2_2, relu3_3
    and relu4_3, Johnson et al. 2016 in the form of document 003, whose layers these are. Or `tagger:NAME`: the stages
    of its backbone, which lies in the folder of the dataset. The file is read at the first use, so that a finished
    model translates without it; there are never random weights in its place.
    """

    def __init__(self, weights: str, dataset: Path | None = None) -> None:
        self._weights = weights
        self._dataset = dataset
        self._look: Look | None = None

    def __call__(self, images: Tensor, reconstructed: Tensor) -> Tensor:
        """Return one number for two Bx3xHxW in [-1, 1]; gradients reach the second.

        `UserError` at the first use where the weights are missing or another network's.
        """
        if self._look is None:
            self._look = self._load(images.device)
        with torch.no_grad():
            wanted = self._look(images)
        return feature_distance(self._look(reconstructed), wanted)

    def _load(self, device: torch.device) -> Look:
        """Read the network; the training's randomness stays as it is, so that one that is resumed is no different."""
        with torch.random.fork_rng(devices=[]):
            if self._weights.startswith("tagger:"):
                return self._load_tagger(device)
            return load_vgg16(weight_file(self._weights, "perceptual_weights")).to(device)

    def _load_tagger(self, device: torch.device) -> Look:
        folder, name = dataset_tagger(self._dataset, self._weights)
        backbone = build_backbone(name)
        load_backbone(backbone, folder / "backbone.safetensors")
        backbone.requires_grad_(False).eval().to(device)
        return backbone.stages
