"""A generator that sees an image through the eyes of a face recognition network.

After "facial feature embedded CycleGAN", which document 003 compares itself with: the encoder of the ResNet generator
gives way to one that has learnt faces.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.inception_resnet_v1 import InceptionResnetV1, standardised
from pipeline.networks.initialise import Pretrained
from pipeline.networks.padding import ReflectionPad
from pipeline.networks.residual import ResidualBlock, Upsample, doubling, normalised

_TRUNK = (
    "conv2d_1a",
    "conv2d_2a",
    "conv2d_2b",
    "maxpool_3a",
    "conv2d_3b",
    "conv2d_4a",
    "conv2d_4b",
    "repeat_1",
)
_TRUNK_CHANNELS = 256
_TRUNK_STEP_PX = 8
# The trunk's unpadded convolutions eat this much: n x n features take 8n + 19 pixels.
_TRUNK_MARGIN_PX = 19


class FaceTrunk(Pretrained, nn.Module):
    """Bx3xHxW in [-1, 1] to Bx256xH/8xW/8: Inception-ResNet-v1 up to the end of its first five residual blocks.

    Later layers, of 1/16 and less, know who somebody is, and no longer where the eyes are. It takes over the layers
    of `encoder` and does not copy them. The batch norms keep the statistics of the faces that the encoder was trained
    on, also while `trained`: one image has none worth learning.
    """

    def __init__(self, encoder: InceptionResnetV1, *, trained: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(OrderedDict((name, encoder.get_submodule(name)) for name in _TRUNK))
        self.requires_grad_(trained)
        self.train(False)

    def train(self, mode: bool = True) -> FaceTrunk:
        """Leave the batch norms as they are."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of the images, enlarged by 19 pixels so that one place stands for 8 x 8 pixels."""
        height, width = images.shape[-2:]
        if height % _TRUNK_STEP_PX or width % _TRUNK_STEP_PX:
            raise ValueError(
                f"{height}x{width} pixels are no multiples of {_TRUNK_STEP_PX}; give such a size"
            )
        size = (height + _TRUNK_MARGIN_PX, width + _TRUNK_MARGIN_PX)
        enlarged = functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
        return self.layers(standardised(enlarged))


class FaceFeatureGenerator(nn.Module):
    """Bx3xHxW to Bx`out_channels`xHxW in [-1, 1]; H and W are multiples of 8, and the result has the same size.

    `FaceTrunk`, a 1x1 convolution, residual blocks, three doublings and c7s1-3. `train_encoder` lets the trunk learn
    on; otherwise it is frozen, and gradients go through it to the image alone. At 128 pixels the trunk sees faces
    nearly as large as those it was trained on (160), at 256 larger ones.
    """

    def __init__(
        self,
        encoder: InceptionResnetV1,
        out_channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        upsample: Upsample = "transposed",
        *,
        train_encoder: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = FaceTrunk(encoder, trained=train_encoder)
        self.decoder = nn.Sequential(
            *normalised(nn.Conv2d(_TRUNK_CHANNELS, 4 * width, 1), 4 * width),
            *[ResidualBlock(4 * width) for _ in range(blocks)],
            *doubling(4 * width, 2 * width, upsample),
            *doubling(2 * width, width, upsample),
            *doubling(width, width, upsample),
            ReflectionPad(3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the translated images."""
        return self.decoder(self.trunk(images))
