"""What holds for all networks: repeatable results, any memory layout, gradients everywhere."""

import os
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from pipeline.networks.adain import AdaInDecoder
from pipeline.networks.alexnet import AlexNetFeatures
from pipeline.networks.autoencoder import ConvDecoder, ConvEncoder
from pipeline.networks.cut import CutGenerator
from pipeline.networks.discogan import DiscoDiscriminator, DiscoGenerator
from pipeline.networks.discriminators import PatchDiscriminator, PixelDiscriminator
from pipeline.networks.face_features import FaceFeatureGenerator
from pipeline.networks.gan import DcganDiscriminator, DcganGenerator, SaganDiscriminator, SaganGenerator
from pipeline.networks.generators import ResnetGenerator, UNetGenerator
from pipeline.networks.getgan import Branch, FeatureGate, SharedEncoder
from pipeline.networks.inception_resnet_v1 import InceptionResnetV1
from pipeline.networks.initialise import initialise
from pipeline.networks.munit import MultiScaleDiscriminator, MunitGenerator
from pipeline.networks.stargan import StarGanDiscriminator, StarGanGenerator
from pipeline.networks.starganv2 import DomainEncoder, StarGanV2Generator
from pipeline.networks.ugatit import UgatitDiscriminator, UgatitGenerator
from pipeline.networks.vgg import Vgg16Features, Vgg19Features


class _AskedForAll(nn.Module):
    """A generator that is told labels, asked for both of two."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, images: Tensor) -> Tensor:
        return self.generator(images, torch.ones(len(images), 2, device=images.device))


class _OfTwoDomains(nn.Module):
    """A network that is told which domain each of two images is of."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images, torch.arange(2, device=images.device))


_NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: ResnetGenerator(width=4, blocks=2),
    "resnet, resized": lambda: ResnetGenerator(width=4, blocks=2, upsample="resize"),
    "resnet, attention": lambda: ResnetGenerator(width=8, blocks=2, attention=True),
    "unet": lambda: UNetGenerator(width=4, size_px=64, norm="instance"),
    "patches": lambda: PatchDiscriminator(width=4),
    "patches, attention": lambda: PatchDiscriminator(width=8, attention=True),
    "patches, antialiased": lambda: PatchDiscriminator(width=4, antialiased=True),
    "pixels": lambda: PixelDiscriminator(width=4),
    "ugatit, light": lambda: UgatitGenerator(width=4, blocks=1),
    "ugatit, full": lambda: UgatitGenerator(width=4, blocks=1, size_px=64),
    "ugatit, discriminator": lambda: UgatitDiscriminator(width=4, layers=5),
    "discogan": lambda: DiscoGenerator(width=4),
    "discogan, discriminator": lambda: DiscoDiscriminator(width=4),
    "munit": lambda: MunitGenerator(width=4, blocks=1, mlp=8),
    "munit, discriminator": lambda: MultiScaleDiscriminator(width=4),
    "cut": lambda: CutGenerator(width=4, blocks=2),
    "getgan": lambda: nn.Sequential(
        SharedEncoder(width=4, blocks=2), FeatureGate(16), Branch(width=4, blocks=2)
    ),
    "stargan": lambda: _AskedForAll(StarGanGenerator(labels=2, width=4, blocks=1)),
    "stargan, discriminator": lambda: StarGanDiscriminator(labels=2, size_px=64, width=4, layers=3),
    "starganv2": lambda: _AskedForAll(StarGanV2Generator(64, style=2, w_hpf=0, width=1 / 64)),
    "starganv2, edges": lambda: _AskedForAll(StarGanV2Generator(64, style=2, w_hpf=1, width=1 / 64)),
    "starganv2, discriminator": lambda: _OfTwoDomains(DomainEncoder(64, values=1, width=1 / 64)),
    "autoencoder": lambda: nn.Sequential(ConvEncoder(64, 4, 8), ConvDecoder(64, 4, 8)),
    "dcgan": lambda: nn.Sequential(ConvEncoder(64, 4, 8), DcganGenerator(64, 4, 8)),
    "dcgan, discriminator": lambda: DcganDiscriminator(64, 4),
    "sagan": lambda: nn.Sequential(ConvEncoder(64, 4, 8), SaganGenerator(64, 4, 8)),
    "sagan, discriminator": lambda: SaganDiscriminator(64, 4),
    "alexnet": AlexNetFeatures,
    "vgg": lambda: Vgg16Features((4, 9)),
    "vgg19": lambda: Vgg19Features((2, 7)),
    "adain": lambda: AdaInDecoder(3, doublings=1, width=4),
    "face features": lambda: FaceFeatureGenerator(InceptionResnetV1(), width=4, blocks=1, train_encoder=True),
}


@pytest.fixture
def deterministic() -> Iterator[None]:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("name", _NETWORKS)
@pytest.mark.usefixtures("deterministic")
def test_results_and_gradients_are_repeatable_and_reach_every_weight(name: str) -> None:
    _check_repeatable(name, "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", _NETWORKS)
@pytest.mark.usefixtures("deterministic")
def test_results_and_gradients_are_repeatable_on_a_gpu(name: str) -> None:
    _check_repeatable(name, "cuda")


@pytest.mark.parametrize("name", _NETWORKS)
def test_the_order_of_the_bytes_in_memory_does_not_matter(name: str) -> None:
    network = _started(name).eval()
    planes = _tensors(network(_images()))
    network = network.to(memory_format=torch.channels_last)
    pixels = _tensors(network(_images().to(memory_format=torch.channels_last)))
    for first, second in zip(planes, pixels, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)


def _check_repeatable(name: str, device: str) -> None:
    runs = []
    for _ in range(2):
        network = _started(name).to(device)
        torch.manual_seed(2)
        images = _images().to(device).requires_grad_()
        results = _tensors(network(images))
        torch.stack([(result * result).sum() for result in results]).sum().backward()
        trained = [weights for weights in network.parameters() if weights.requires_grad]
        assert all(weights.grad is not None for weights in trained)
        runs.append([*results, images.grad, *[weights.grad for weights in trained]])
    assert all(torch.equal(first, second) for first, second in zip(*runs, strict=True))


def _started(name: str) -> nn.Module:
    torch.manual_seed(1)
    network = _NETWORKS[name]()
    initialise(network, torch.Generator().manual_seed(1), "torch")
    for key, weights in network.named_parameters():
        if key.endswith("gamma"):
            nn.init.constant_(weights, 0.5)
    return network


def _images() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))


def _tensors(results: Tensor | tuple | list) -> list[Tensor]:
    if isinstance(results, Tensor):
        return [results]
    return [tensor for part in results for tensor in _tensors(part)]
