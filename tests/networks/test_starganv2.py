import math

import pytest
import torch
from torch import Tensor

from pipeline.networks.starganv2 import (
    DomainEncoder,
    MappingNetwork,
    ResidualBlock,
    StarGanV2Generator,
    StyledBlock,
    StyledNorm,
    face_masks,
    high_pass,
)

NARROW = 1 / 64


def _generator(w_hpf: int) -> StarGanV2Generator:
    return StarGanV2Generator(32, style=2, w_hpf=w_hpf, width=NARROW)


def _points(x: float, y: float) -> Tensor:
    """Return the 68 points of one face, all at the same place."""
    return torch.tensor([x, y]).expand(1, 68, 2).clone()


@pytest.mark.parametrize("w_hpf", [0, 1])
@pytest.mark.parametrize("size_px", [32, 64, 128, 256, 512])
def test_images_of_every_size_are_translated_and_judged(size_px: int, w_hpf: int) -> None:
    with torch.device("meta"):
        images, styles = torch.empty(2, 3, size_px, size_px), torch.empty(2, 64)
        domains, masks = torch.zeros(2, dtype=torch.long), torch.empty(2, 2, size_px, size_px)
        made = StarGanV2Generator(size_px, w_hpf=w_hpf)(images, styles, masks if w_hpf else None)
        assert made.shape == images.shape
        assert DomainEncoder(size_px)(made, domains).shape == (2, 64)
        assert DomainEncoder(size_px, values=1)(made, domains).shape == (2, 1)


@pytest.mark.parametrize(("w_hpf", "smallest"), [(0, 16), (1, 8)])
def test_the_image_is_halved_once_more_where_edges_are_carried_over(w_hpf: int, smallest: int) -> None:
    network, features = _generator(w_hpf), torch.rand(1, 3, 32, 32)
    features = network.from_rgb(features)
    for block in network.encoder:
        features = block(features)
    assert features.shape[-2:] == (smallest, smallest)


def test_the_width_multiplies_channels() -> None:
    assert StarGanV2Generator(256, width=0.25).from_rgb.out_channels == 16
    assert MappingNetwork(width=0.25).shared[0].out_features == 128  # type: ignore[union-attr]
    assert DomainEncoder(256, width=0.25).heads.in_features == 128


def test_a_style_changes_the_image() -> None:
    network, images = _generator(0), torch.rand(1, 3, 32, 32)
    assert not torch.allclose(network(images, torch.zeros(1, 2)), network(images, torch.ones(1, 2)))


def test_empty_masks_carry_nothing_over_and_others_do() -> None:
    network, images, styles = _generator(1), torch.rand(1, 3, 32, 32), torch.rand(1, 2)
    plain = network(images, styles)
    assert torch.equal(network(images, styles, torch.zeros(1, 2, 32, 32)), plain)
    assert not torch.allclose(network(images, styles, torch.ones(1, 2, 32, 32)), plain)


@torch.no_grad()
@pytest.mark.parametrize(("size_px", "mask"), [(32, 0), (64, 1), (128, 1)])
def test_all_parts_are_carried_over_at_32_px_and_nose_and_eyes_at_more(size_px: int, mask: int) -> None:
    network = StarGanV2Generator(size_px, style=2, width=NARROW)
    images, styles = torch.rand(1, 3, size_px, size_px), torch.rand(1, 2)
    masks = torch.zeros(1, 2, size_px, size_px)
    masks[:, mask] = 1
    assert not torch.allclose(network(images, styles, masks), network(images, styles))


@torch.no_grad()
def test_an_image_of_32_px_has_no_size_at_which_the_second_mask_counts() -> None:
    network, images, styles = _generator(1), torch.rand(1, 3, 32, 32), torch.rand(1, 2)
    masks = torch.zeros(1, 2, 32, 32)
    masks[:, 1] = 1
    assert torch.equal(network(images, styles, masks), network(images, styles))


def test_a_high_pass_keeps_edges_alone() -> None:
    dot = torch.zeros(1, 1, 5, 5)
    dot[..., 2, 2] = 1
    around = torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]])
    torch.testing.assert_close(high_pass(dot)[0, 0, 1:4, 1:4], around)
    torch.testing.assert_close(high_pass(torch.ones(1, 2, 5, 5))[..., 1:4, 1:4], torch.zeros(1, 2, 3, 3))


def test_masks_are_spots_on_the_landmarks() -> None:
    masks = face_masks(_points(40, 10), 64)
    assert masks.shape == (1, 2, 64, 64)
    assert masks.min() >= 0
    assert masks.max() == 1
    assert masks[0, :, 10, 40].tolist() == [1, 1]
    assert masks[0, 0, 40, 10] == 0


def test_a_spot_grows_with_the_image() -> None:
    one = torch.full((1, 68, 2), torch.nan)
    for size_px in (64, 256):
        one[0, 30] = size_px / 2
        spot = face_masks(one, size_px)[0, 0, size_px // 2]
        deviation = size_px // 64
        assert spot[size_px // 2 + deviation].item() == pytest.approx(math.exp(-0.5))


@pytest.mark.parametrize(
    ("part", "is_fine"),
    [((0, 17), False), ((17, 27), False), ((27, 36), True), ((36, 48), True), ((48, 68), False)],
    ids=["jaw", "brows", "nose", "eyes", "mouth"],
)
def test_the_second_mask_is_of_nose_and_eyes_alone(part: tuple[int, int], is_fine: bool) -> None:
    points = torch.full((1, 68, 2), torch.nan)
    points[:, slice(*part)] = 16
    coarse, fine = face_masks(points, 32)[0]
    assert coarse[16, 16] == 1
    assert fine[16, 16] == float(is_fine)


def test_faces_without_landmarks_have_empty_masks() -> None:
    assert not face_masks(torch.full((2, 68, 2), torch.nan), 32).any()


@torch.no_grad()
def test_a_block_adds_to_its_shortcut_and_keeps_the_variance() -> None:
    block, features = ResidualBlock(2, 2, halves=True), torch.rand(1, 2, 4, 4)
    last = block.second[-1]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    last.weight.zero_()
    last.bias.zero_()
    halved = torch.nn.functional.avg_pool2d(features, 2)
    torch.testing.assert_close(block(features), halved / math.sqrt(2))


@torch.no_grad()
@pytest.mark.parametrize("has_shortcut", [True, False])
def test_a_styled_block_has_a_shortcut_where_no_edges_are_carried_over(has_shortcut: bool) -> None:
    block = StyledBlock(2, 2, style=3, has_shortcut=has_shortcut, doubles=True)
    block.second.weight.zero_()
    block.second.bias.zero_()  # type: ignore[union-attr]
    features = torch.rand(1, 2, 4, 4)
    doubled = features.repeat_interleave(2, 2).repeat_interleave(2, 3) / math.sqrt(2)
    expected = doubled if has_shortcut else torch.zeros_like(doubled)
    torch.testing.assert_close(block(features, torch.rand(1, 3)), expected)


def test_the_shortcuts_that_are_not_used_are_not_learnt() -> None:
    network = _generator(1)
    (network(torch.rand(2, 3, 32, 32), torch.rand(2, 2)) ** 2).sum().backward()
    for name, weights in network.named_parameters():
        assert (weights.grad is not None) == weights.requires_grad, name
    wide = StyledBlock(4, 2, style=3, has_shortcut=False)
    assert [name for name, weights in wide.named_parameters() if not weights.requires_grad] == [
        "shortcut.weight"
    ]


@torch.no_grad()
def test_a_style_sets_mean_and_deviation_of_each_channel() -> None:
    norm = StyledNorm(style=1, channels=2)
    norm.values.weight.copy_(torch.tensor([[1.0], [2.0], [-1.0], [4.0]]))
    norm.values.bias.zero_()
    styled = norm(torch.rand(1, 2, 20, 20), torch.ones(1, 1))
    torch.testing.assert_close(
        styled.std(dim=(2, 3), correction=0), torch.tensor([[2.0, 3.0]]), rtol=1e-3, atol=0
    )
    torch.testing.assert_close(styled.mean(dim=(2, 3)), torch.tensor([[-1.0, 4.0]]))


@torch.no_grad()
@pytest.mark.parametrize(
    ("network", "given"),
    [
        (MappingNetwork(latent=4, style=3, width=NARROW), torch.rand(2, 4)),
        (DomainEncoder(32, values=3, width=NARROW), torch.rand(2, 3, 32, 32)),
    ],
    ids=["mapping network", "encoder"],
)
def test_each_domain_has_a_head_of_its_own(network: MappingNetwork | DomainEncoder, given: Tensor) -> None:
    mixed = network(given, torch.tensor([0, 1]))
    assert mixed.shape == (2, 3)
    first, second = (network(given, torch.full((2,), domain)) for domain in range(2))
    torch.testing.assert_close(mixed, torch.stack([first[0], second[1]]))
    assert not torch.allclose(first, second)
