"""The two normalisations of image-to-image networks, both without running statistics."""

from __future__ import annotations

from typing import Literal

from torch import nn

NormKind = Literal["batch", "instance"]


def norm_layer(kind: NormKind, channels: int) -> nn.Module:
    """Return batch norm with learnt scale and shift, or instance norm without.

    Batch norm keeps no running statistics: Isola et al. 2017 normalise with those of the test batch, and
    statistics gathered from batches of one image describe no other image.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels, track_running_stats=False)
    return nn.InstanceNorm2d(channels)


def needs_bias(kind: NormKind) -> bool:
    """Return whether a convolution before this norm has a bias: batch norm brings its own shift."""
    return kind == "instance"
