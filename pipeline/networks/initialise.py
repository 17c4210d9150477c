"""How the weights of image-to-image networks start."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

Scheme = Literal["normal", "xavier", "kaiming", "torch"]


class OwnStart:
    """A module, some of whose weights start in their own way, for example at 0 so that it changes nothing at first."""

    def start(self, generator: torch.Generator | None = None) -> None:
        """Set these weights; what has to be drawn is drawn from the generator."""
        raise NotImplementedError


class Pretrained:
    """A module whose weights were learnt elsewhere: `initialise` leaves them as they are."""


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator, scheme: Scheme = "normal") -> None:
    """Draw a network's weights in the order of its modules, so that they depend on the generator's seed alone.

    `normal`: N(0, 0.02), Radford et al. 2015 (DCGAN), used by Isola et al. 2017 and Zhu et al. 2017; `xavier`: Glorot
    and Bengio 2010 times 0.02, used by Park et al. 2020 (CUT); `kaiming`: He et al. 2015, used by Huang et al. 2018
    (MUNIT). In these three the norms' scales are from N(1, 0.02) and biases are 0. `torch`: what PyTorch's layers
    start with, used by Kim et al. 2020 (U-GAT-IT).
    """
    modules = list(_drawn(network))
    for module in modules:
        if scheme == "torch":
            _draw_as_torch(module, generator)
        else:
            _draw(module, generator, scheme)
    for module in modules:
        if isinstance(module, OwnStart):
            module.start(generator)


def initialise_together(
    networks: Iterable[nn.Module], generator: torch.Generator, scheme: Scheme = "normal"
) -> None:
    """Draw the weights of networks, which stand for one, by a generator of their own.

    So a network that has more weights than in another variant does not change how those after it start.
    """
    own = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))
    for network in networks:
        initialise(network, own, scheme)


def _drawn(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, Pretrained):
        return
    yield module
    for child in module.children():
        yield from _drawn(child)


def _draw(module: nn.Module, generator: torch.Generator, scheme: Scheme) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        _draw_weight(module.weight, generator, scheme)
    elif isinstance(module, nn.BatchNorm2d):
        module.weight.normal_(1, 0.02, generator=generator)
    bias = getattr(module, "bias", None)
    if isinstance(bias, nn.Parameter):
        bias.zero_()


def _draw_weight(weight: Tensor, generator: torch.Generator, scheme: Scheme) -> None:
    if scheme == "xavier":
        nn.init.xavier_normal_(weight, gain=0.02, generator=generator)
    elif scheme == "kaiming":
        nn.init.kaiming_normal_(weight, generator=generator)
    else:
        weight.normal_(0, 0.02, generator=generator)


def _draw_as_torch(module: nn.Module, generator: torch.Generator) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
        if module.bias is not None:
            bound = 1 / math.sqrt(module.weight[0].numel())
            module.bias.uniform_(-bound, bound, generator=generator)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
        module.reset_parameters()
