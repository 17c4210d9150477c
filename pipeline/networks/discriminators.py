"""Discriminators that judge patches of an image."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.networks.norms import NormKind, needs_bias, norm_layer


class PatchDiscriminator(nn.Module):
    """Bx`in_channels`xHxW to Bx1xhxw logits, one per overlapping patch; 3 `layers` see 70x70 pixels.

    Isola et al. 2017 (pix2pix), section 6.1.2.
    """

    def __init__(
        self, in_channels: int = 3, width: int = 64, layers: int = 3, norm: NormKind = "instance"
    ) -> None:
        super().__init__()
        channels = [width * min(2**layer, 8) for layer in range(layers + 1)]
        blocks: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for layer in range(1, layers + 1):
            stride = 2 if layer < layers else 1
            convolution = nn.Conv2d(
                channels[layer - 1], channels[layer], 4, stride, padding=1, bias=needs_bias(norm)
            )
            blocks += [convolution, norm_layer(norm, channels[layer]), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*blocks, nn.Conv2d(channels[-1], 1, 4, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits: large where a patch looks real."""
        return self.layers(images)
