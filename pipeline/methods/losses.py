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


def hinge_judged(real: Tensor, fake: Tensor) -> Tensor:
    """Return the hinge loss (Lim and Ye 2017): real logits are to be at least 1, fake ones at most -1."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_fooled(fake: Tensor) -> Tensor:
    """Return what a generator minimises against the hinge loss: the mean of the fake logits, negated."""
    return -fake.mean()


def kl_from_normal(mean: Tensor, log_variance: Tensor, free: float = 0.0) -> Tensor:
    """Return the divergence of BxN normal distributions from N(0, 1), in nats: the mean over B, the sum over N.

    A number whose mean divergence is below `free` counts as if it had that much, and gets no gradient (Kingma et al.
    2016).
    """
    each = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1)
    return each.mean(dim=0).clamp(min=free).sum()


def relative_distance(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean square difference relative to the mean square of what is wanted: 1 where nothing is found.

    `wanted` may be one for all that are found; in fp32.
    """
    distance = (found.float() - wanted.float()).square().mean()
    return distance / wanted.float().square().mean().clamp_min(1e-12)


def total_variation(images: Tensor) -> Tensor:
    """Return the mean square differences of pixels BxCxHxW that are neighbours, in rows and in columns together."""
    return images.diff(dim=-1).square().mean() + images.diff(dim=-2).square().mean()
