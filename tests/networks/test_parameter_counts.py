"""Every network has exactly as many parameters as the specification says (section 1a and 1c)."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pipeline.networks.attention import SelfAttention
from pipeline.networks.cut import CutGenerator, PatchSampler
from pipeline.networks.discogan import DiscoDiscriminator, DiscoGenerator
from pipeline.networks.discriminators import PatchDiscriminator, PixelDiscriminator
from pipeline.networks.generators import ResnetGenerator, UNetGenerator
from pipeline.networks.getgan import Branch, FeatureGate, SharedEncoder
from pipeline.networks.inception_resnet_v1 import InceptionResnetV1
from pipeline.networks.munit import MultiScaleDiscriminator, MunitGenerator
from pipeline.networks.ugatit import UgatitDiscriminator, UgatitGenerator
from pipeline.networks.vgg import Vgg16Features


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: ResnetGenerator(), 11_378_179),
        (lambda: ResnetGenerator(in_channels=4, out_channels=4), 11_384_452),
        (lambda: ResnetGenerator(blocks=6), 7_837_699),
        (lambda: ResnetGenerator(attention=True), 11_378_179 + 82_241),
        (lambda: ResnetGenerator(landmark_attention=True), 11_378_179 + 9 + 1 + 1),
        (lambda: UNetGenerator(size_px=256), 54_413_955),
        (lambda: UNetGenerator(size_px=256, norm="instance"), 54_409_603),
        (lambda: UNetGenerator(size_px=128), 41_828_995),
        (lambda: PatchDiscriminator(), 2_764_737),
        (lambda: PatchDiscriminator(in_channels=4), 2_765_761),
        (lambda: PatchDiscriminator(in_channels=6, norm="batch"), 2_768_705),
        (lambda: PatchDiscriminator(in_channels=7, norm="batch"), 2_769_729),
        (lambda: PatchDiscriminator(attention=True), 2_764_737 + 82_241),
        (lambda: PatchDiscriminator(antialiased=True), 2_764_737),
        (lambda: PixelDiscriminator(), 8_705),
        (lambda: SelfAttention(64), 5_201),
        (lambda: SelfAttention(128), 20_641),
        (lambda: SelfAttention(256), 82_241),
        (lambda: SelfAttention(256, heads=8), 82_241),
        (lambda: SelfAttention(512), 328_321),
        (lambda: UgatitGenerator(size_px=256), 278_959_808),
        (lambda: UgatitGenerator(size_px=128), 77_633_216),
        (lambda: UgatitGenerator(), 10_589_888),
        (lambda: UgatitDiscriminator(layers=7), 53_130_176),
        (lambda: UgatitDiscriminator(layers=5), 3_290_560),
        (lambda: DiscoGenerator(), 5_513_856),
        (lambda: DiscoGenerator(extra_layers=True), 7_153_480),
        (lambda: DiscoDiscriminator(), 2_765_568),
        (lambda: CutGenerator(), 11_378_179),
        (lambda: SharedEncoder(), 5_099_136),
        (lambda: Branch(), 6_279_043),
        (lambda: FeatureGate(), 655_872),
        (lambda: Vgg16Features(slices=(31,)), 14_714_688),
        (lambda: Vgg16Features(), 7_635_264),
        (lambda: InceptionResnetV1(), 23_482_624),
    ],
)
def test_networks_are_those_of_the_specification(make: Callable[[], nn.Module], parameters: int) -> None:
    assert _count(make) == parameters


def test_getgan_generates_with_the_specification_s_sum() -> None:
    whole = _count(SharedEncoder) + 2 * _count(Branch)
    assert (whole, whole + _count(FeatureGate)) == (17_657_222, 18_313_094)


def test_the_networks_of_munit_and_cut_without_a_figure_in_the_specification_follow_their_papers() -> None:
    block = 2 * (256 * 256 * 9 + 256)
    content = (3 * 64 * 49 + 64) + (64 * 128 * 16 + 128) + (128 * 256 * 16 + 256) + 4 * block
    style = content - 4 * block + 2 * (256 * 256 * 16 + 256) + (256 * 8 + 8)
    doubled = (256 * 128 * 25 + 3 * 128) + (128 * 64 * 25 + 3 * 64)
    mlp = (8 * 256 + 256) + (256 * 256 + 256) + (256 * 4096 + 4096)
    assert _count(MunitGenerator) == content + style + 4 * block + doubled + (64 * 3 * 49 + 3) + mlp

    convolutions = sum(
        taken * given * 16 + given for taken, given in ((3, 64), (64, 128), (128, 256), (256, 512))
    )
    assert _count(MultiScaleDiscriminator) == 3 * (convolutions + 512 + 1)

    read = (3, 128, 256, 256, 256)
    assert _count(lambda: PatchSampler(read)) == sum(256 * taken + 256 + 256 * 256 + 256 for taken in read)


def _count(make: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):
        return sum(weights.numel() for weights in make().parameters())
