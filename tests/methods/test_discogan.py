import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.methods.base import Turn, train_step
from pipeline.methods.discogan import (
    DISCRIMINATORS,
    GENERATORS,
    DiscoGan,
    cross_entropy,
    feature_matching,
)
from tests.methods.stepping import builder, changed, first_batch, weights_of
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(DiscoGan)


def _gather_statistics(method: DiscoGan) -> None:
    """Let batch norm see images, as it does during the first hundred steps; before, all images come out grey."""
    for name in GENERATORS:
        for module in method.networks[name].modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        method.networks[name](torch.rand(8, 3, 64, 64))


class Painter(nn.Module):
    """Adds a shade."""

    def __init__(self, shade: float) -> None:
        super().__init__()
        self.shade = shade

    def forward(self, images: Tensor) -> Tensor:
        return images + self.shade


class Critic(nn.Module):
    """Finds an image as real as it is bright; its features are the image and three times the image."""

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        return images.mean(dim=(1, 2, 3), keepdim=True), [images, 3 * images]


def _with_stubs(step: int, **options: Any) -> tuple[DiscoGan, Turn]:
    """Return a method whose networks can be computed by hand: in [0, 1] source images are .25, target images .5."""
    method = build(**options)
    method.networks = {
        "generator_to_target": Painter(0.125),
        "generator_to_source": Painter(0.25),
        **{name: Critic() for name in DISCRIMINATORS},
    }
    source, target = torch.full((2, 3, 64, 64), -0.5), torch.zeros(2, 3, 64, 64)
    return method, Turn({"source": source, "target": target}, step)


@pytest.mark.parametrize(("step", "rate"), [(1, 0.01), (9_999, 0.01), (10_000, 0.5), (10_001, 0.5)])
def test_generator_losses_are_weighted_as_in_the_reference(step: int, rate: float) -> None:
    method, turn = _with_stubs(step)
    losses = method._generator_losses(turn)
    # The fakes are .375 (target) and .75 (source); both ways back are brighter by .375.
    expected = {
        "gan_target": (1 - rate) * 0.1 * -math.log(0.375),
        "gan_source": (1 - rate) * 0.1 * -math.log(0.75),
        "features_target": (1 - rate) * 0.9 * (0.125**2 + 0.375**2),
        "features_source": (1 - rate) * 0.9 * (0.5**2 + 1.5**2),
        "reconstruction_target": rate * 0.375**2,
        "reconstruction_source": rate * 0.375**2,
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_discriminator_losses_are_the_mean_of_real_and_fake() -> None:
    method, turn = _with_stubs(0)
    losses = method._discriminator_losses(turn)
    expected = {
        "discriminator_target": 0.5 * -(math.log(0.5) + math.log(1 - 0.375)),
        "discriminator_source": 0.5 * -(math.log(0.25) + math.log(1 - 0.75)),
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_is_of_probabilities() -> None:
    probabilities = torch.tensor([0.5, 0.25])
    assert cross_entropy(probabilities, is_real=True).item() == pytest.approx(math.log(8) / 2)
    assert cross_entropy(probabilities, is_real=False).item() == pytest.approx(
        (math.log(2) + math.log(4 / 3)) / 2
    )


def test_feature_matching_is_the_hinge_embedding_of_the_squared_difference_of_means() -> None:
    generator = torch.Generator().manual_seed(0)
    reals, fakes = (
        [torch.randn(5, channels, 2, 2, generator=generator) for channels in (4, 8)] for _ in range(2)
    )
    expected = torch.zeros(())
    for real, fake in zip(reals, fakes, strict=True):
        distance = (real.mean(0) - fake.mean(0)) ** 2
        expected += F.hinge_embedding_loss(distance, torch.ones_like(distance))
    torch.testing.assert_close(feature_matching(reals, fakes), expected)


def test_features_match_where_only_the_means_do() -> None:
    real, fake = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])
    assert feature_matching([real], [fake]).item() == 0


def test_every_third_step_moves_the_discriminators_and_the_others_the_generators(tmp_path: Path) -> None:
    method, batch = build(), first_batch(tmp_path, "discogan")
    moved = []
    for step in range(5):
        before = weights_of(method)
        train_step(method, [Turn(batch, step)])
        moved.append(changed(before, weights_of(method)))
    judges, makers = set(DISCRIMINATORS), set(GENERATORS)
    assert moved == [judges, makers, makers, judges, makers]


def test_the_learning_rate_stays() -> None:
    method = build()
    assert {method.learning_rate_factor(step, 10) for step in range(10)} == {1.0}


def test_weights_start_small_and_depend_on_the_seed_alone() -> None:
    first, again, other = weights_of(build(0)), weights_of(build(0)), weights_of(build(1))
    assert not changed(first, again)
    assert changed(first, other) == set(first)
    convolution = next(build(width=32).networks["generator_to_target"].parameters())
    assert convolution.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("extra_layers", [False, True])
def test_a_translation_is_of_its_own_input_and_without_gradients(extra_layers: bool) -> None:
    method = build(extra_layers=extra_layers)
    _gather_statistics(method)
    inputs = torch.rand(3, 3, 64, 64) * 2 - 1
    together = method.translate(inputs, "anime")
    assert together.shape == (3, 3, 64, 64)
    assert not together.requires_grad
    assert not torch.allclose(together[0], together[1])
    torch.testing.assert_close(together[1:2], method.translate(inputs[1:2], "anime"))
    assert not torch.allclose(together, method.translate(inputs, "photo"))
    assert all(module.training for network in method.networks.values() for module in network.modules())


def test_a_translation_leaves_the_statistics_of_batch_norm_alone() -> None:
    method = build()
    before = {name: buffer.clone() for name, buffer in method.networks["generator_to_target"].named_buffers()}
    method.translate(torch.rand(2, 3, 64, 64), "anime")
    after = dict(method.networks["generator_to_target"].named_buffers())
    assert before
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_images_go_in_and_come_out_between_minus_1_and_1() -> None:
    method, turn = _with_stubs(0)
    # -0.5 is .25 to the network, which makes it .375, which is -0.25.
    assert (method.translate(turn["source"], "anime") == -0.25).all()


def test_discriminators_judge_in_full_precision(tmp_path: Path) -> None:
    method, turn = build(), Turn(first_batch(tmp_path, "discogan"), 0)
    with torch.autocast("cpu", torch.bfloat16):
        losses = method._discriminator_losses(turn) | method._generator_losses(turn)
        judged, features = method._judge("target", turn["target"].bfloat16())
    assert all(loss.isfinite() for loss in losses.values())
    assert {judged.dtype, *(layer.dtype for layer in features)} == {torch.float32}


def test_cross_entropy_is_never_computed_under_autocast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed, under_autocast = F.binary_cross_entropy, []

    def noted(probabilities: Tensor, truth: Tensor) -> Tensor:
        under_autocast.append(torch.is_autocast_enabled("cpu"))
        return computed(probabilities, truth)

    monkeypatch.setattr(F, "binary_cross_entropy", noted)
    method, turn = build(), Turn(first_batch(tmp_path, "discogan"), 0)
    with torch.autocast("cpu", torch.bfloat16):
        method._discriminator_losses(turn)
        method._generator_losses(turn)
    assert under_autocast == 6 * [False]


def test_samples_show_both_ways_there_and_back(tmp_path: Path) -> None:
    method = build()
    inputs = method.sample_inputs(open_dataset(tmp_path, "discogan"), 4)
    columns = method.sample_columns(inputs)
    assert [tuple(column.shape) for column in columns] == 6 * [(1, 3, 64, 64)]
    assert torch.equal(columns[0], inputs["source"])
    assert torch.equal(columns[3], inputs["target"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size_px": 128}, "size_px must be 64 for discogan, got 128"),
        ({"discriminator_every": 1}, "discriminator_every must be at least 2, got 1"),
        ({"rate": 1.5}, "starting_rate and rate must be from 0 to 1"),
        ({"extra_layers": True, "batch_size": 1}, "set batch_size to 2 or more"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment("discogan", **options)
