"""What holds for all networks: repeatable results, any memory layout, gradients everywhere."""

import os
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from pipeline.networks.alexnet import AlexNetFeatures
from pipeline.networks.cut import CutGenerator
from pipeline.networks.discogan import DiscoDiscriminator, DiscoGenerator
from pipeline.networks.discriminators import PatchDiscriminator, PixelDiscriminator
from pipeline.networks.face_features import FaceFeatureGenerator
from pipeline.networks.generators import ResnetGenerator, UNetGenerator
from pipeline.networks.getgan import Branch, FeatureGate, SharedEncoder
from pipeline.networks.inception_resnet_v1 import InceptionResnetV1
from pipeline.networks.initialise import initialise
from pipeline.networks.munit import MultiScaleDiscriminator, MunitGenerator
from pipeline.networks.ugatit import UgatitDiscriminator, UgatitGenerator
from pipeline.networks.vgg import Vgg16Features

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
    "alexnet": AlexNetFeatures,
    "vgg": lambda: Vgg16Features((4, 9)),
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
