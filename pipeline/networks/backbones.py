"""Trunks of image classifiers by name, from timm or torchvision: what they see in a picture, pooled and in stages.

Document 004 trains VGG, Inception and ResNet for it. Nothing is downloaded: weights are random until `load_backbone`
reads a file, torchvision's published one or one of ours. timm and torchvision take seconds to import, so they are
imported where a trunk is built.
"""

from __future__ import annotations

import difflib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import safetensors
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.networks.imagenet_features import IMAGENET_MEAN, IMAGENET_STD
from pipeline.networks.initialise import Pretrained
from pipeline.networks.weight_files import load_weight_file

# torchvision's files that fit, by the name under which `python -m pipeline weights` knows them.
IMAGENET = {
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "inception_v3": "inception-v3",
    "resnet18": "resnet18",
    "resnet50": "resnet50",
}
# The sides that are tried for the smallest image a network takes; Inception v3 needs 75 px.
_SIDES_PX = (32, 48, 64, 75, 96, 128, 160, 192, 224, 256, 299, 384, 448, 512)
# A transformer's many blocks all look at the same size; four of them are enough.
_MOST_STAGES = 6
_TRACED_PX = 224
# What follows the trunk in torchvision's networks, and those that have no maps to trace; timm has them all.
_BEHIND = ("avgpool", "classifier", "fc", "dropout", "flatten")
_WITHOUT_MAPS = ("vit_", "swin_", "maxvit_")


class Backbone(Pretrained, nn.Module, ABC):
    """Bx3xSxS in [-1, 1] to BxD: what the trunk of a classifier makes of an image, averaged over its places.

    `features` is D, `channels` those of the stages, from fine to coarse. The network's own normalisation of its input
    is part of it. Images smaller than `least_px` are enlarged to it, and a network that knows one size alone
    (`fixed_px`) sees everything at that.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        network: nn.Module,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        fixed_px: int | None = None,
    ) -> None:
        super().__init__()
        self.name, self.network, self.fixed_px = name, network, fixed_px
        for what, values in (("mean", mean), ("std", std)):
            self.register_buffer(what, torch.tensor(values)[:, None, None], persistent=False)
        self.least_px, self.features, self.channels = self._measure()

    @abstractmethod
    def _pooled(self, images: Tensor) -> Tensor:
        """Return the pooled features of images as the network takes them."""

    @abstractmethod
    def _maps(self, images: Tensor) -> list[Tensor]:
        """Return the stages for images as the network takes them."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the pooled features, BxD."""
        return self._pooled(self._prepared(images))

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return what the trunk sees at each of its stages, BxCxhxw, from fine to coarse."""
        return self._maps(self._prepared(images))

    def shown_px(self, side_px: int) -> int:
        """Return the side at which the network sees square images of this side."""
        return max(side_px, self.least_px) if self.fixed_px is None else self.fixed_px

    def _prepared(self, images: Tensor) -> Tensor:
        side = images.shape[-1]
        if (shown := self.shown_px(side)) != side:
            images = F.interpolate(images, (shown, shown), mode="bilinear", antialias=True)
        return ((images + 1) / 2 - self.mean) / self.std

    @torch.no_grad()
    def _measure(self) -> tuple[int, int, tuple[int, ...]]:
        """Return the smallest side of an image that goes through, and how many features and channels come out."""
        with at_rest(self.network):
            for side in _SIDES_PX if self.fixed_px is None else (self.fixed_px,):
                image = torch.zeros(1, 3, side, side)
                try:
                    maps = self._maps(image)
                    return side, self._pooled(image).shape[1], tuple(each.shape[1] for each in maps)
                except (RuntimeError, ValueError, AssertionError):
                    continue
        raise UserError(f"backbone: {self.name} takes no square image of up to {_SIDES_PX[-1]} px")


class _OfTimm(Backbone):
    """A network of timm, which knows its stages."""

    def __init__(self, name: str) -> None:
        import timm

        network = timm.create_model(name, pretrained=False, num_classes=0)
        if not hasattr(network, "forward_intermediates"):
            raise UserError(f"backbone: {name} shows no stages; name another network")
        if hasattr(network, "pre_logits"):
            network.pre_logits = nn.Identity()  # VGG's layers behind the pooling, which know 224 px alone
        blocks = len(network.feature_info)
        self._indices = (
            None if blocks <= _MOST_STAGES else [round(blocks * part / 4) - 1 for part in (1, 2, 3, 4)]
        )
        settings = network.pretrained_cfg
        fixed_px = settings["input_size"][-1] if settings.get("fixed_input_size") else None
        super().__init__(name, network, settings["mean"], settings["std"], fixed_px)

    def _pooled(self, images: Tensor) -> Tensor:
        return self.network(images)

    def _maps(self, images: Tensor) -> list[Tensor]:
        look = cast(Any, self.network).forward_intermediates
        return cast(list[Tensor], look(images, self._indices, intermediates_only=True))


class _OfTorchvision(Backbone):
    """A network that timm does not have; its stages are the last maps of each size."""

    def __init__(self, name: str) -> None:
        from torchvision import models
        from torchvision.models.feature_extraction import create_feature_extractor

        if name not in models.list_models(module=models):
            raise UserError(f"backbone: {name!r} is no network of timm or torchvision{_meant(name)}")
        if name.startswith(_WITHOUT_MAPS):
            raise UserError(f"backbone: {name} of torchvision shows no stages; name timm's{_meant(name)}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on how weights are drawn, and on layers that only training has
            model = models.get_model(name, weights=None)
            network = create_feature_extractor(model, _last_of_each_size(model))
        super().__init__(name, network)

    def _pooled(self, images: Tensor) -> Tensor:
        return self._maps(images)[-1].mean(dim=(2, 3))

    def _maps(self, images: Tensor) -> list[Tensor]:
        return list(self.network(images).values())


def build_backbone(name: str) -> Backbone:
    """Return the trunk with random weights, drawn from torch's randomness; `UserError` for an unknown name."""
    import timm

    return _OfTimm(name) if timm.is_model(name) else _OfTorchvision(name)


def load_backbone(backbone: Backbone, path: Path) -> None:
    """Fill a trunk with the weights of a file: its publisher's, or `backbone.safetensors` of a tagger's training.

    `UserError` where the file is missing, damaged or another network's.
    """
    network = backbone if _is_ours(path) else backbone.network
    load_weight_file(network, path, f"give the path of a file with the weights of {backbone.name}")


@contextmanager
def at_rest(*networks: nn.Module) -> Iterator[None]:
    """Let networks work as when they are finished, and leave them as they were: no dropout, norms as they are."""
    were = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for network, was in zip(networks, were, strict=True):
            network.train(was)


def _is_ours(path: Path) -> bool:
    """Say whether the names in a file are those of `Backbone`, which holds a network."""
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    try:
        with safetensors.safe_open(path, "pt") as file:
            return all(name.startswith("network.") for name in file.keys())  # noqa: SIM118
    except safetensors.SafetensorError:
        return False  # `load_weight_file` says what is wrong with it


@torch.no_grad()
def _last_of_each_size(model: nn.Module) -> list[str]:
    """Return the nodes of a network that give its last map of each size, from fine to coarse."""
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    training, finished = get_graph_node_names(model)
    nodes = [node for node in finished if node in training and not node.startswith(_BEHIND)]
    with at_rest(model):
        given = create_feature_extractor(model, nodes)(torch.zeros(1, 3, _TRACED_PX, _TRACED_PX))
    sizes = {
        value.shape[-1]: node
        for node, value in given.items()
        if isinstance(value, Tensor) and value.ndim == 4 and 1 < value.shape[-1] < _TRACED_PX
    }
    return [sizes[side] for side in sorted(sizes, reverse=True)]


def _meant(name: str) -> str:
    import timm
    from torchvision import models

    theirs = [other for other in models.list_models(module=models) if not other.startswith(_WITHOUT_MAPS)]
    known = {*timm.list_models(), *theirs}
    near = difflib.get_close_matches(name, sorted(known), 3)
    return f"; did you mean {' or '.join(near)}?" if near else "; `timm.list_models()` names those there are"
