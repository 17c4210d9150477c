"""Discriminators that judge patches or pixels of an image."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.networks.attention import SelfAttention
from pipeline.networks.blur import BlurDown
from pipeline.networks.norms import NormKind, needs_bias, norm_layer

_ATTENDED_BLOCK = 2


class PatchDiscriminator(nn.Module):
    """Bx`in_channels`xHxW to Bx1xhxw logits, one per overlapping patch; 3 `layers` see 70x70 pixels.

    Isola et al. 2017 (pix2pix), section 6.1.2. `attention` puts SAGAN's self-attention after the third block, and
    changes nothing at first. `antialiased` blurs instead of leaving out pixels, as CUT does (Park et al. 2020).
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        layers: int = 3,
        norm: NormKind = "instance",
        *,
        attention: bool = False,
        antialiased: bool = False,
    ) -> None:
        super().__init__()
        if attention and layers < _ATTENDED_BLOCK:
            raise ValueError(
                f"attention comes after the third block, and layers: {layers} has fewer; give 2 or more"
            )
        channels = [width * min(2**layer, 8) for layer in range(layers + 1)]
        blocks = [_block(in_channels, width, antialiased)]
        for layer in range(1, layers):
            blocks.append(_block(channels[layer - 1], channels[layer], antialiased, norm))
        last = nn.Conv2d(channels[-2], channels[-1], 4, padding=1, bias=needs_bias(norm))
        blocks.append(nn.Sequential(last, norm_layer(norm, channels[-1]), nn.LeakyReLU(0.2)))
        self.blocks = nn.ModuleList(blocks)
        self.judge = nn.Conv2d(channels[-1], 1, 4, padding=1)
        # Last, so that all other weights start as they do without.
        self.attention = SelfAttention(channels[_ATTENDED_BLOCK]) if attention else None

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits: large where a patch looks real."""
        features = images
        for index, block in enumerate(self.blocks):
            features = block(features)
            if self.attention is not None and index == _ATTENDED_BLOCK:
                features = self.attention(features)
        return self.judge(features)


def _block(
    in_channels: int, out_channels: int, antialiased: bool, norm: NormKind | None = None
) -> nn.Sequential:
    """Return a block that halves."""
    stride = 1 if antialiased else 2
    bias = norm is None or needs_bias(norm)
    block = nn.Sequential(nn.Conv2d(in_channels, out_channels, 4, stride, padding=1, bias=bias))
    if norm is not None:
        block.append(norm_layer(norm, out_channels))
    block.append(nn.LeakyReLU(0.2))
    if antialiased:
        block.append(BlurDown())
    return block


class PixelDiscriminator(nn.Module):
    """Bx`in_channels`xHxW to Bx1xHxW logits, one per pixel, which sees no other (Isola et al. 2017, section 6.1.2)."""

    def __init__(self, in_channels: int = 3, width: int = 64, norm: NormKind = "instance") -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 1, bias=needs_bias(norm)),
            norm_layer(norm, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1, bias=needs_bias(norm)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits: large where a pixel looks real."""
        return self.layers(images)
