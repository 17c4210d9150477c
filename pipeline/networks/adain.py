"""AdaIN's decoder: features in any style to an image (Huang and Belongie 2017)."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.networks.padding import ReflectionPad

# How often each size that is grown to is looked at again: three times at the coarsest, where VGG19 has most layers.
_REPEATS = (3, 1)


class AdaInDecoder(nn.Module):
    """Bx`channels`xhxw, at least 2x2, to Bx3xHxW, where `doublings` say how often it grows; no norms, no tanh.

    The authors' decoder, which mirrors VGG19 from relu4_1 on: 512 channels to 256 (4 layers), 128 (2), 64 (2), which
    is `width`, and 3. Each convolution is 3x3 on reflected borders, and it grows by repeating pixels. The image is in
    [-1, 1] as far as it has learnt to be.
    """

    def __init__(self, channels: int = 512, doublings: int = 3, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place in range(doublings):
            given = width << (doublings - 1 - place)
            layers += [*_convolution(channels, given), nn.Upsample(scale_factor=2, mode="nearest")]
            for _ in range(_REPEATS[min(place, 1)]):
                layers += _convolution(given, given)
            channels = given
        self.layers = nn.Sequential(*layers, ReflectionPad(1), nn.Conv2d(channels, 3, 3))

    def forward(self, features: Tensor) -> Tensor:
        """Return the images."""
        return self.layers(features)


def _convolution(taken: int, given: int) -> list[nn.Module]:
    return [ReflectionPad(1), nn.Conv2d(taken, given, 3), nn.ReLU()]
