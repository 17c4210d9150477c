"""FID's Inception v3: 2,048 features and 1,008 logits of an image (Szegedy et al. 2016; Heusel et al. 2017).

It is the graph of TensorFlow's `inception-2015-12-05`, which differs from torchvision's Inception v3: averages leave
the padding out, the last block takes maxima, and there are 1,008 classes. Names of tensors are those of the files that
torch-fidelity and pytorch-fid publish.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pipeline.networks.initialise import Pretrained
from pipeline.networks.weight_files import load_weight_file

SIDE_PX = 299
FEATURES = 2048
CLASSES = 1008
_NORM_EPS = 1e-3
_FIX = (
    "give the path of torch-fidelity's weights-inception-2015-12-05-6726825d.pth "
    "or pytorch-fid's pt_inception-2015-12-05-6726825d.pth"
)
_Size = int | tuple[int, int]
# Convolutions by name, one after the other; those of one step take the same maps and give theirs side by side.
_Branch = tuple[dict[str, "_Convolution"], ...]


class FidInception(Pretrained, nn.Module):
    """Bx3x299x299 images in [-1, 1) to Bx2048 features (TensorFlow's pool3); a byte x is (x - 128) / 128.

    Other sizes from 75 px on run, but mean something else. The weights are random: see `load_fid_inception`. Call
    `eval()` before use.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, 3, padding=1)
        self.MaxPool_1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = _Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = _Convolution(80, 192, 3)
        self.MaxPool_2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = _block_35(192, pooled=32)
        self.Mixed_5c = _block_35(256, pooled=64)
        self.Mixed_5d = _block_35(288, pooled=64)
        self.Mixed_6a = _reduction_35_to_17()
        self.Mixed_6b = _block_17(128)
        self.Mixed_6c = _block_17(160)
        self.Mixed_6d = _block_17(160)
        self.Mixed_6e = _block_17(192)
        self.Mixed_7a = _reduction_17_to_8()
        self.Mixed_7b = _block_8(1280, _AveragePooled)
        self.Mixed_7c = _block_8(2048, _MaximumPooled)
        self.fc = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        maps = images
        for name, layer in self.named_children():
            if name != "fc":
                maps = layer(maps)
        return maps.mean(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor:
        """Return the Bx1008 logits without their bias: the Inception Score was published so."""
        return functional.linear(features, self.fc.weight)

    def fold(self) -> FidInception:
        """Put every batch norm into its convolution, for inference alone; the sums differ in their last digits."""
        for module in self.modules():
            if isinstance(module, _Convolution) and isinstance(module.bn, nn.BatchNorm2d):
                module.conv, module.bn = fuse_conv_bn_eval(module.conv, module.bn), nn.Identity()
        return self


def load_fid_inception(path: Path) -> FidInception:
    """Return the network with a published file's weights, or those of one in safetensors with the same names, frozen.

    `UserError` where the file is missing, damaged or another network's.
    """
    with torch.random.fork_rng(devices=[]):
        network = FidInception()
    load_weight_file(network, path, _FIX)
    network.requires_grad_(False).eval()
    return network


class _Convolution(nn.Module):
    """A convolution with batch norm and ReLU."""

    bn: nn.Module

    def __init__(
        self, in_channels: int, out_channels: int, kernel: _Size, stride: int = 1, padding: _Size = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=_NORM_EPS)

    def forward(self, maps: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(maps)), inplace=True)


class _AveragePooled(_Convolution):
    """What a 1x1 convolution makes of 3x3 averages that leave the padding out.

    Both are linear, so the averages are taken of the fewer channels that come out.
    """

    def forward(self, maps: Tensor) -> Tensor:
        averages = functional.avg_pool2d(self.conv(maps), 3, stride=1, padding=1, count_include_pad=False)
        return functional.relu(self.bn(averages), inplace=True)


class _MaximumPooled(_Convolution):
    """What a 1x1 convolution makes of 3x3 maxima."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(functional.max_pool2d(maps, 3, stride=1, padding=1))


class _Block(nn.Module):
    """Several ways for the same maps, side by side: BxCxhxw to BxDxh'xw'; with `reduce`, 3x3 maxima as a last one."""

    def __init__(self, *branches: _Branch, reduce: bool = False) -> None:
        super().__init__()
        self.branches = [[tuple(step) for step in branch] for branch in branches]
        self.reduce = reduce
        for branch in branches:
            for step in branch:
                for name, convolution in step.items():
                    self.add_module(name, convolution)

    def forward(self, maps: Tensor) -> Tensor:
        made = []
        for branch in self.branches:
            ends = [maps]
            for names in branch:
                ends = [self.get_submodule(name)(ends[0]) for name in names]
            made += ends
        if self.reduce:
            made.append(functional.max_pool2d(maps, 3, stride=2))
        return torch.cat(made, dim=1)


def _block_35(channels: int, pooled: int) -> _Block:
    return _Block(
        ({"branch1x1": _Convolution(channels, 64, 1)},),
        (
            {"branch5x5_1": _Convolution(channels, 48, 1)},
            {"branch5x5_2": _Convolution(48, 64, 5, padding=2)},
        ),
        (
            {"branch3x3dbl_1": _Convolution(channels, 64, 1)},
            {"branch3x3dbl_2": _Convolution(64, 96, 3, padding=1)},
            {"branch3x3dbl_3": _Convolution(96, 96, 3, padding=1)},
        ),
        ({"branch_pool": _AveragePooled(channels, pooled, 1)},),
    )


def _reduction_35_to_17() -> _Block:
    return _Block(
        ({"branch3x3": _Convolution(288, 384, 3, stride=2)},),
        (
            {"branch3x3dbl_1": _Convolution(288, 64, 1)},
            {"branch3x3dbl_2": _Convolution(64, 96, 3, padding=1)},
            {"branch3x3dbl_3": _Convolution(96, 96, 3, stride=2)},
        ),
        reduce=True,
    )


def _block_17(inner: int) -> _Block:
    def row(channels: int, made: int) -> _Convolution:
        return _Convolution(channels, made, (1, 7), padding=(0, 3))

    def column(channels: int, made: int) -> _Convolution:
        return _Convolution(channels, made, (7, 1), padding=(3, 0))

    return _Block(
        ({"branch1x1": _Convolution(768, 192, 1)},),
        (
            {"branch7x7_1": _Convolution(768, inner, 1)},
            {"branch7x7_2": row(inner, inner)},
            {"branch7x7_3": column(inner, 192)},
        ),
        (
            {"branch7x7dbl_1": _Convolution(768, inner, 1)},
            {"branch7x7dbl_2": column(inner, inner)},
            {"branch7x7dbl_3": row(inner, inner)},
            {"branch7x7dbl_4": column(inner, inner)},
            {"branch7x7dbl_5": row(inner, 192)},
        ),
        ({"branch_pool": _AveragePooled(768, 192, 1)},),
    )


def _reduction_17_to_8() -> _Block:
    return _Block(
        (
            {"branch3x3_1": _Convolution(768, 192, 1)},
            {"branch3x3_2": _Convolution(192, 320, 3, stride=2)},
        ),
        (
            {"branch7x7x3_1": _Convolution(768, 192, 1)},
            {"branch7x7x3_2": _Convolution(192, 192, (1, 7), padding=(0, 3))},
            {"branch7x7x3_3": _Convolution(192, 192, (7, 1), padding=(3, 0))},
            {"branch7x7x3_4": _Convolution(192, 192, 3, stride=2)},
        ),
        reduce=True,
    )


def _block_8(channels: int, pooled: type[_AveragePooled] | type[_MaximumPooled]) -> _Block:
    return _Block(
        ({"branch1x1": _Convolution(channels, 320, 1)},),
        (
            {"branch3x3_1": _Convolution(channels, 384, 1)},
            {
                "branch3x3_2a": _Convolution(384, 384, (1, 3), padding=(0, 1)),
                "branch3x3_2b": _Convolution(384, 384, (3, 1), padding=(1, 0)),
            },
        ),
        (
            {"branch3x3dbl_1": _Convolution(channels, 448, 1)},
            {"branch3x3dbl_2": _Convolution(448, 384, 3, padding=1)},
            {
                "branch3x3dbl_3a": _Convolution(384, 384, (1, 3), padding=(0, 1)),
                "branch3x3dbl_3b": _Convolution(384, 384, (3, 1), padding=(1, 0)),
            },
        ),
        ({"branch_pool": pooled(channels, 192, 1)},),
    )
