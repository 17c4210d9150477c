"""How the weights of image-to-image networks start."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw a network's weights from N(0, 0.02), its norms' scales from N(1, 0.02); biases are 0.

    Radford et al. 2015 (DCGAN), used by Isola et al. 2017 (pix2pix) and Zhu et al. 2017 (CycleGAN).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.normal_(0, 0.02, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.normal_(1, 0.02, generator=generator)
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            bias.zero_()
