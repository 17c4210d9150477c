"""MUNIT's networks: a content that both domains share, and a style of each (Huang et al. 2018, appendix B)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.padding import ReflectionPad
from pipeline.networks.residual import ResidualBlock, normalised

_ADAINS_PER_BLOCK = 2


class MunitGenerator(nn.Module):
    """One domain's encoders and decoder: Bx3xHxW to content and style, and back; H and W are multiples of 16.

    As in the paper: the content encoder is c7s1-64, d128, d256 (4x4) and four residual blocks with instance norm; the
    style encoder c7s1-64, d128, d256, d256, d256 without norm, mean over the places, and one layer to 8 values; the
    decoder four residual blocks whose AdaIN takes scale and shift from an MLP of the style, u128, u64 (5x5, layer
    norm) and c7s1-3. Styles of other domains are drawn from N(0, 1).
    """

    def __init__(self, width: int = 64, blocks: int = 4, style: int = 8, mlp: int = 256) -> None:
        super().__init__()
        self.content_encoder = nn.Sequential(
            ReflectionPad(3),
            *normalised(nn.Conv2d(3, width, 7), width),
            ReflectionPad(1),
            *normalised(nn.Conv2d(width, 2 * width, 4, stride=2), 2 * width),
            ReflectionPad(1),
            *normalised(nn.Conv2d(2 * width, 4 * width, 4, stride=2), 4 * width),
            *[ResidualBlock(4 * width) for _ in range(blocks)],
        )
        self.style_encoder = StyleEncoder(width, style)
        self.decoder = Decoder(width, blocks)
        self.mlp = nn.Sequential(
            nn.Linear(style, mlp),
            nn.ReLU(),
            nn.Linear(mlp, mlp),
            nn.ReLU(),
            nn.Linear(mlp, self.decoder.style_values),
        )

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Bx4`width`xH/4xW/4 content and the Bx`style` style of images in [-1, 1]."""
        return self.content_encoder(images), self.style_encoder(images)

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Return Bx3xHxW images in [-1, 1] with this content and this style."""
        return self.decoder(content, self.mlp(style))

    def forward(self, images: Tensor) -> Tensor:
        """Return the images, encoded and decoded again."""
        return self.decode(*self.encode(images))


class StyleEncoder(nn.Module):
    """Bx3xHxW to Bx`style` values. It has no norm, which would take away what makes a style."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [ReflectionPad(3), nn.Conv2d(3, width, 7), nn.ReLU()]
        channels = [width, 2 * width, 4 * width, 4 * width, 4 * width]
        for taken, given in pairwise(channels):
            layers += [ReflectionPad(1), nn.Conv2d(taken, given, 4, stride=2), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.values = nn.Linear(channels[-1], style)

    def forward(self, images: Tensor) -> Tensor:
        """Return the styles."""
        return self.values(self.layers(images).mean(dim=(2, 3)))


class Decoder(nn.Module):
    """Content features and the scales and shifts of its norms to images."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(AdaInBlock(4 * width) for _ in range(blocks))
        self.growing = nn.Sequential(
            *_doubling(4 * width),
            *_doubling(2 * width),
            ReflectionPad(3),
            nn.Conv2d(width, 3, 7),
            nn.Tanh(),
        )
        self.style_values = blocks * _ADAINS_PER_BLOCK * 2 * 4 * width

    def forward(self, content: Tensor, style_values: Tensor) -> Tensor:
        """Return the images; `style_values` are BxN, N as the attribute of this name says."""
        features = content
        for block, values in zip(self.blocks, style_values.chunk(len(self.blocks), dim=1), strict=True):
            features = block(features, values)
        return self.growing(features)


class AdaInBlock(nn.Module):
    """BxCxhxw plus two 3x3 convolutions of it, each with AdaIN."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(ReflectionPad(1), nn.Conv2d(channels, channels, 3))
        self.second = nn.Sequential(ReflectionPad(1), nn.Conv2d(channels, channels, 3))

    def forward(self, features: Tensor, values: Tensor) -> Tensor:
        """Return features of the same shape; `values` are Bx4C: scale and shift of the first norm, then the second."""
        scale, shift, second_scale, second_shift = values.chunk(4, dim=1)
        inner = functional.relu(adaptive_instance_norm(self.first(features), scale, shift))
        return features + adaptive_instance_norm(self.second(inner), second_scale, second_shift)


def adaptive_instance_norm(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return BxCxhxw with this deviation and this mean for each channel, both BxC (Huang and Belongie 2017)."""
    return functional.instance_norm(features) * scale[:, :, None, None] + shift[:, :, None, None]


def _doubling(channels: int) -> list[nn.Module]:
    half = channels // 2
    return [
        nn.Upsample(scale_factor=2, mode="nearest"),
        ReflectionPad(2),
        nn.Conv2d(channels, half, 5),
        nn.GroupNorm(1, half),  # layer norm with a scale and a shift for each channel
        nn.ReLU(),
    ]


class MultiScaleDiscriminator(nn.Module):
    """Bx`in_channels`xHxW to Bx1xhxw logits at each of `scales` sizes: the image, half of it, a quarter of it.

    Each is judged by `layers` halving 4x4 convolutions without norm, 64 channels doubling up to 512, and a 1x1
    convolution. H and W are at least 2^(layers + scales - 1): 64 for 4 layers and 3 scales.
    """

    def __init__(self, in_channels: int = 3, width: int = 64, layers: int = 4, scales: int = 3) -> None:
        super().__init__()
        self.smallest_px = 2 ** (layers + scales - 1)
        self.judges = nn.ModuleList(_judge(in_channels, width, layers) for _ in range(scales))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the logits, those of the largest size first; `ValueError` for images that are too small."""
        if min(images.shape[-2:]) < self.smallest_px:
            raise ValueError(
                f"{min(images.shape[-2:])} pixels are too few for this many scales and layers, which need"
                f" {self.smallest_px}; give fewer of them"
            )
        logits: list[Tensor] = []
        for judge in self.judges:
            if logits:
                images = functional.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
            logits.append(judge(images))
        return logits


def _judge(in_channels: int, width: int, layers: int) -> nn.Sequential:
    channels = [in_channels, *[width * min(2**layer, 8) for layer in range(layers)]]
    judge = nn.Sequential()
    for taken, given in pairwise(channels):
        judge.extend([ReflectionPad(1), nn.Conv2d(taken, given, 4, stride=2), nn.LeakyReLU(0.2)])
    return judge.append(nn.Conv2d(channels[-1], 1, 1))
