"""LPIPS: how different two images look (Zhang et al. 2018), from the features of a network that has learnt to see."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline import weights
from pipeline.errors import UserError
from pipeline.metrics.measurable import NotMeasurable
from pipeline.metrics.pairs import check_pairs
from pipeline.networks.alexnet import AlexNetFeatures
from pipeline.networks.initialise import Pretrained
from pipeline.networks.vgg import Vgg16Features
from pipeline.networks.weight_files import load_weight_file

AUTO = "auto"
Trunk = Literal["alex", "vgg"]
_BATCH = 16
# Features shorter than this are nothing seen; they are not brought to length 1.
_LEAST_LENGTH = 1e-10


@dataclass(frozen=True)
class _Known:
    """A network that LPIPS was fitted to: its layers' channels, the smallest image, its weights and its heads'."""

    build: Callable[[], nn.Module]
    channels: tuple[int, ...]
    min_side_px: int
    weights: str
    heads: str


_KNOWN: dict[Trunk, _Known] = {
    "alex": _Known(AlexNetFeatures, (64, 192, 384, 256, 256), 31, "alexnet", "lpips-alex"),
    "vgg": _Known(
        lambda: Vgg16Features((4, 9, 16, 23, 30)), (64, 128, 256, 512, 512), 16, "vgg16", "lpips-vgg"
    ),
}


class Lpips(Pretrained, nn.Module):
    """Two Bx3xHxW in [-1, 1] to B distances, 0 for equal images; frozen, and gradients reach both.

    At every layer of the trunk each pixel's features are brought to length 1, the squared differences weighted by a
    1x1 convolution and averaged over the image; the sum over the layers is the distance. `alex` is for evaluation,
    `vgg` for a loss. H and W are at least `min_side_px`. The weights are random: see `load_lpips`.
    """

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        known = _KNOWN[trunk]
        self.min_side_px = known.min_side_px
        self.trunk = known.build()
        self.heads = nn.ModuleDict(
            {f"lin{layer}": _head(count) for layer, count in enumerate(known.channels)}
        )
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Return the distances."""
        layers = zip(self.heads.values(), self.trunk(images), self.trunk(others), strict=True)
        return torch.stack([_difference(*layer) for layer in layers]).sum(dim=0)


def load_lpips(trunk: Trunk, file: str = AUTO) -> Lpips:
    """Return the metric with the published weights.

    `file` is the path of the trunk's, or `auto` for torchvision's where they have been fetched; the heads' are in the
    package `lpips`. `UserError` with the command that fetches them where they are missing, and where a file is damaged
    or another one; there are never random weights in their place.
    """
    known = _KNOWN[trunk]
    path = _published(known.weights) if file == AUTO else Path(file)
    with torch.random.fork_rng(devices=[]):
        network = Lpips(trunk)
    load_weight_file(
        network.trunk, path, f"give the path of torchvision's {weights.FETCHED[known.weights].file}"
    )
    load_weight_file(network.heads, weights.path(known.heads), "install the package lpips anew")
    return network


@torch.no_grad()
def lpips_per_image(outputs: np.ndarray, targets: np.ndarray, network: Lpips) -> np.ndarray:
    """Return the LPIPS of each pair of N×H×W×3 uint8 images: N float64 from 0, for equal images, on.

    The images are compared at their own size: the number depends on it. Raises `ValueError` for what are no pairs,
    and `NotMeasurable` for images that are too small for the trunk.
    """
    check_pairs(outputs, targets)
    height, width = outputs.shape[1:3]
    if min(height, width) < network.min_side_px:
        raise NotMeasurable(f"images of {width}x{height} px: the network needs {network.min_side_px}")
    batches = [slice(start, start + _BATCH) for start in range(0, len(outputs), _BATCH)]
    distances = [network(_as_tensor(outputs[batch]), _as_tensor(targets[batch])) for batch in batches]
    return torch.cat(distances).double().numpy()


def _as_tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _published(name: str) -> Path:
    """Return where a published file lies, its hash held against the one in its name."""
    if not weights.FETCHED[name].place().is_file():
        raise UserError(f"weights missing: run {weights.FETCH} {name}")
    weights.sha256(name)
    return weights.path(name)


def _head(channels: int) -> nn.Module:
    """Return a weight for each channel, under the name that it has in the published file."""
    layers = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))
    return nn.Sequential(OrderedDict(model=layers))


def _difference(head: nn.Module, features: Tensor, others: Tensor) -> Tensor:
    one, other = (functional.normalize(each, dim=1, eps=_LEAST_LENGTH) for each in (features, others))
    return head((one - other).square()).mean(dim=(1, 2, 3))
