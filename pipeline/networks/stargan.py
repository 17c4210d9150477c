"""StarGAN's networks: one generator that is told labels, one discriminator that reads them (Choi et al. 2018)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.networks.attention import SelfAttention

_ATTENDED_BLOCK = 2


class StarGanGenerator(nn.Module):
    """Bx3xHxW and BxL labels to Bx3xHxW in [-1, 1]; H and W are multiples of 4 and at least 8.

    Labels are planes beside the image. All convolutions are padded with zeros: padded by reflection, a constant plane
    would shift a whole feature map alike, and the instance norm after it would take the shift away again. The
    reference also gathers running statistics of its norms, which it never uses; here there are none. `attention` puts
    SAGAN's self-attention of `heads` heads after the last residual block, which changes nothing at first.
    """

    def __init__(
        self, labels: int, width: int = 64, blocks: int = 6, *, attention: bool = False, heads: int = 1
    ) -> None:
        super().__init__()
        self.shrinking = nn.Sequential(
            *_normalised(nn.Conv2d(3 + labels, width, 7, padding=3, bias=False)),
            *_normalised(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False)),
            *_normalised(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1, bias=False)),
        )
        self.blocks = nn.Sequential(*[_ResidualBlock(4 * width) for _ in range(blocks)])
        self.growing = nn.Sequential(
            *_normalised(nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1, bias=False)),
            *_normalised(nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False)),
            nn.Conv2d(width, 3, 7, padding=3, bias=False),
            nn.Tanh(),
        )
        # Last, so that all other weights start as they do without.
        self.attention = SelfAttention(4 * width, heads) if attention else None

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the images as the labels (0 or 1) ask for."""
        planes = labels[:, :, None, None].expand(-1, -1, *images.shape[2:])
        features = self.blocks(self.shrinking(torch.cat([images, planes], dim=1)))
        if self.attention is not None:
            features = self.attention(features)
        return self.growing(features)


class StarGanDiscriminator(nn.Module):
    """Bx3xSxS to Bx1xhxh, the higher the more real, and to BxL logits of the labels; h is S / 2^`layers`.

    `attention` puts SAGAN's self-attention of `heads` heads after the third layer, which changes nothing at first.
    """

    def __init__(
        self,
        labels: int,
        size_px: int,
        width: int = 64,
        layers: int = 6,
        *,
        attention: bool = False,
        heads: int = 1,
    ) -> None:
        super().__init__()
        if size_px % 2**layers:
            raise ValueError(f"{layers} layers cannot halve {size_px} px; give fewer")
        if attention and layers <= _ATTENDED_BLOCK:
            raise ValueError(f"attention comes after the third layer, and layers: {layers} has fewer")
        channels = [3, *[width * 2**layer for layer in range(layers)]]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(taken, given, 4, stride=2, padding=1), nn.LeakyReLU(0.01))
            for taken, given in pairwise(channels)
        )
        self.judge = nn.Conv2d(channels[-1], 1, 3, padding=1, bias=False)
        self.classify = nn.Conv2d(channels[-1], labels, size_px // 2**layers, bias=False)
        # Last, so that all other weights start as they do without.
        self.attention = SelfAttention(channels[_ATTENDED_BLOCK + 1], heads) if attention else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return how real each patch is, and the logits of the labels."""
        features = images
        for index, block in enumerate(self.blocks):
            features = block(features)
            if self.attention is not None and index == _ATTENDED_BLOCK:
                features = self.attention(features)
        return self.judge(features), self.classify(features).flatten(1)


class _ResidualBlock(nn.Module):
    """BxCxHxW plus two 3x3 convolutions of it, padded with zeros."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_normalised(nn.Conv2d(channels, channels, 3, padding=1, bias=False)),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        return features + self.layers(features)


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    """Return the convolution, instance norm with learnt scale and shift, and ReLU."""
    return [convolution, nn.InstanceNorm2d(convolution.out_channels, affine=True), nn.ReLU(inplace=True)]
