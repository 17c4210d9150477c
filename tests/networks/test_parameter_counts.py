"""Every network has exactly as many parameters as the specification says (section 1a and 1c)."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pipeline.networks.adain import AdaInDecoder
from pipeline.networks.attention import SelfAttention
from pipeline.networks.autoencoder import ConvDecoder, ConvEncoder
from pipeline.networks.cut import CutGenerator, PatchSampler
from pipeline.networks.discogan import DiscoDiscriminator, DiscoGenerator
from pipeline.networks.discriminators import PatchDiscriminator, PixelDiscriminator
from pipeline.networks.gan import DcganDiscriminator, DcganGenerator, SaganDiscriminator, SaganGenerator
from pipeline.networks.generators import ResnetGenerator, UNetGenerator
from pipeline.networks.getgan import Branch, FeatureGate, SharedEncoder
from pipeline.networks.inception_resnet_v1 import InceptionResnetV1
from pipeline.networks.munit import MultiScaleDiscriminator, MunitGenerator
from pipeline.networks.stargan import StarGanDiscriminator, StarGanGenerator
from pipeline.networks.starganv2 import DomainEncoder, MappingNetwork, StarGanV2Generator
from pipeline.networks.ugatit import UgatitDiscriminator, UgatitGenerator
from pipeline.networks.vgg import Vgg16Features, Vgg19Features


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
        (lambda: Vgg19Features(slices=(37,)), 20_024_384),
        (lambda: Vgg19Features(), 3_505_728),
        (lambda: AdaInDecoder(), 3_505_219),
        (lambda: InceptionResnetV1(), 23_482_624),
        (lambda: StarGanGenerator(labels=5), 8_430_528),
        (lambda: StarGanGenerator(labels=3), 8_424_256),
        (lambda: StarGanGenerator(labels=2), 8_421_120),
        (lambda: StarGanGenerator(labels=5, attention=True, heads=8), 8_430_528 + 82_241),
        (lambda: StarGanDiscriminator(labels=5, size_px=128), 44_762_048),
        (lambda: StarGanDiscriminator(labels=5, size_px=256), 44_884_928),
        (lambda: StarGanDiscriminator(labels=5, size_px=128, attention=True), 44_762_048 + 82_241),
        (lambda: StarGanV2Generator(size_px=256), 43_467_395),
        (lambda: StarGanV2Generator(size_px=256, w_hpf=0), 33_892_995),
        (lambda: StarGanV2Generator(size_px=128, w_hpf=0), 33_632_003),
        (lambda: MappingNetwork(), 2_438_272),
        (lambda: MappingNetwork(domains=3), 3_259_072),
        (lambda: DomainEncoder(size_px=256), 20_916_928),
        (lambda: DomainEncoder(size_px=256, domains=3), 20_949_760),
        (lambda: DomainEncoder(size_px=256, values=1), 20_852_290),
        (lambda: DomainEncoder(size_px=256, values=1, domains=3), 20_852_803),
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


def test_dcgan_has_the_counts_of_pytorch_s_example_and_sagan_its_attention_more() -> None:
    assert (_count(DcganGenerator), _count(DcganDiscriminator)) == (3_576_704, 2_765_568)

    attention = _count(lambda: SelfAttention(64))
    first = (100 * 512 * 16 + 512 * 16) + 2 * 512
    convolutions = sum(
        (taken * given * 9 + given) + 2 * given for taken, given in ((512, 256), (256, 128), (128, 64))
    )
    assert _count(SaganGenerator) == first + convolutions + attention + (64 * 3 * 9 + 3)

    biases, norms = 64 + 128 + 256 + 512 + 1, 2 * (128 + 256 + 512)
    assert _count(SaganDiscriminator) == 2_765_568 - norms + biases + attention


def test_the_autoencoder_squeezes_128_px_into_256_numbers() -> None:
    steps = ((32, 64), (64, 128), (128, 256), (256, 512))
    places = sum(taken * given for taken, given in steps)
    norms = 2 * (32 + 64 + 128 + 256 + 512)
    linear = 512 * 16 * 256
    assert _count(ConvEncoder) == 3 * 32 * 16 + places * 16 + norms + linear + 256
    assert _count(ConvDecoder) == linear + 512 * 16 + norms + places * 9 + (32 * 3 * 9 + 3)


def _count(make: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):
        return sum(weights.numel() for weights in make().parameters())
