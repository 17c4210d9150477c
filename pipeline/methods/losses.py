"""What the methods minimise, as pure functions of tensors that return one number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def lsgan(logits: Tensor, is_real: bool) -> Tensor:
    """Return the mean square distance of a discriminator's patches to 1 (real) or 0 (Mao et al. 2017)."""
    return F.mse_loss(logits, torch.full_like(logits, float(is_real)))


def bce_gan(logits: Tensor, is_real: bool) -> Tensor:
    """Return the mean cross entropy of a discriminator's patches (Goodfellow et al. 2014)."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


def l1(image: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of two batches of images."""
    return F.l1_loss(image, target)


def judged_lsgan(real: Tensor, fake: Tensor) -> Tensor:
    """Return what CycleGAN's discriminators minimise: half of what real and fake logits cost them together."""
    return 0.5 * (lsgan(real, is_real=True) + lsgan(fake, is_real=False))


def feature_distance(features: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Return the mean, over layers, of the mean square differences of their features BxCxhxw."""
    distances = [F.mse_loss(layer, other) for layer, other in zip(features, wanted, strict=True)]
    return torch.stack(distances).mean()
