"""Inception-ResNet-v1, which makes 512 numbers of a face (Szegedy et al. 2017; Schroff et al. 2015, FaceNet).

Layers and names of tensors are those of the weight files that facenet-pytorch publishes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.initialise import Pretrained
from pipeline.networks.weight_files import load_weight_file

_NORM_EPS = 1e-3
_Size = int | tuple[int, int]


class InceptionResnetV1(Pretrained, nn.Module):
    """Bx3x160x160 faces in [-1, 1] to Bx512 embeddings of length 1; the same person's lie close together.

    It was trained on faces of 160 pixels, the whole head in view; other sizes from 75 on run, with less sense. The
    weights are random: see `load_inception_resnet_v1`. Call `eval()` before use, unless it is trained.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = _Convolution(3, 32, 3, stride=2)
        self.conv2d_2a = _Convolution(32, 32, 3)
        self.conv2d_2b = _Convolution(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = _Convolution(64, 80, 1)
        self.conv2d_4a = _Convolution(80, 192, 3)
        self.conv2d_4b = _Convolution(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*[_block35() for _ in range(5)])
        self.mixed_6a = _reduction_a()
        self.repeat_2 = nn.Sequential(*[_block17() for _ in range(10)])
        self.mixed_7a = _reduction_b()
        self.repeat_3 = nn.Sequential(*[_block8(0.2) for _ in range(5)])
        self.block8 = _block8(1.0, activated=False)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=_NORM_EPS)

    def forward(self, images: Tensor) -> Tensor:
        """Return the embeddings."""
        features = standardised(images)
        for name, layer in self.named_children():
            if name not in ("last_linear", "last_bn"):
                features = layer(features)
        values = self.last_bn(self.last_linear(features.mean(dim=(2, 3))))
        return functional.normalize(values, dim=1)


def load_inception_resnet_v1(path: Path) -> InceptionResnetV1:
    """Return the network with the weights of facenet-pytorch's file, frozen; its classifier `logits` is left out.

    `UserError` where the file is missing, damaged or another network's.
    """
    network = InceptionResnetV1()
    fix = "give the path of facenet-pytorch's 20180402-114759-vggface2.pt or 20180408-102900-casia-webface.pt"
    load_weight_file(network, path, fix)
    network.requires_grad_(False).eval()
    return network


def standardised(images: Tensor) -> Tensor:
    """Return images in [-1, 1] as the network was trained on them: (x - 127.5) / 128 for bytes x."""
    return images * (127.5 / 128)


class _Convolution(nn.Module):
    """A convolution with batch norm and ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: _Size, stride: int = 1, padding: _Size = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=_NORM_EPS)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(features)))


class _Branches(nn.Module):
    """Several ways for the same features, side by side: BxCxhxw to BxDxh'xw'."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self._names = [f"branch{number}" for number in range(len(branches))]
        for name, branch in zip(self._names, branches, strict=True):
            self.add_module(name, branch)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([getattr(self, name)(features) for name in self._names], dim=1)


class _ResidualBranches(_Branches):
    """Features plus `scale` times a 1x1 convolution of the branches' `mixed` channels."""

    def __init__(
        self, *branches: nn.Module, mixed: int, channels: int, scale: float, activated: bool = True
    ) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(mixed, channels, 1)
        self._scale = scale
        self._activated = activated

    def forward(self, features: Tensor) -> Tensor:
        result = self.conv2d(super().forward(features)) * self._scale + features
        return functional.relu(result) if self._activated else result


def _block35() -> nn.Module:
    return _ResidualBranches(
        _Convolution(256, 32, 1),
        nn.Sequential(_Convolution(256, 32, 1), _Convolution(32, 32, 3, padding=1)),
        nn.Sequential(
            _Convolution(256, 32, 1), _Convolution(32, 32, 3, padding=1), _Convolution(32, 32, 3, padding=1)
        ),
        mixed=96,
        channels=256,
        scale=0.17,
    )


def _block17() -> nn.Module:
    return _ResidualBranches(
        _Convolution(896, 128, 1),
        nn.Sequential(
            _Convolution(896, 128, 1),
            _Convolution(128, 128, (1, 7), padding=(0, 3)),
            _Convolution(128, 128, (7, 1), padding=(3, 0)),
        ),
        mixed=256,
        channels=896,
        scale=0.1,
    )


def _block8(scale: float, *, activated: bool = True) -> nn.Module:
    return _ResidualBranches(
        _Convolution(1792, 192, 1),
        nn.Sequential(
            _Convolution(1792, 192, 1),
            _Convolution(192, 192, (1, 3), padding=(0, 1)),
            _Convolution(192, 192, (3, 1), padding=(1, 0)),
        ),
        mixed=384,
        channels=1792,
        scale=scale,
        activated=activated,
    )


def _reduction_a() -> nn.Module:
    return _Branches(
        _Convolution(256, 384, 3, stride=2),
        nn.Sequential(
            _Convolution(256, 192, 1),
            _Convolution(192, 192, 3, padding=1),
            _Convolution(192, 256, 3, stride=2),
        ),
        nn.MaxPool2d(3, stride=2),
    )


def _reduction_b() -> nn.Module:
    return _Branches(
        nn.Sequential(_Convolution(896, 256, 1), _Convolution(256, 384, 3, stride=2)),
        nn.Sequential(_Convolution(896, 256, 1), _Convolution(256, 256, 3, stride=2)),
        nn.Sequential(
            _Convolution(896, 256, 1),
            _Convolution(256, 256, 3, padding=1),
            _Convolution(256, 256, 3, stride=2),
        ),
        nn.MaxPool2d(3, stride=2),
    )
