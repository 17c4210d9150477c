from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.methods.base import Turn, train_step
from pipeline.methods.munit import DISCRIMINATORS, GENERATORS, Munit
from tests.methods.stepping import builder, changed, first_batch, holding_gradients, update, weights_of
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(Munit)


class Halves(nn.Module):
    """Takes an image's brightness for its content and a quarter of it for its style; decodes a bit too bright."""

    def __init__(self, shade: float) -> None:
        super().__init__()
        self.shade = shade

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images.mean(dim=(2, 3))[:, :2] / 4

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        return content + style.mean(dim=1)[:, None, None, None] + self.shade


class Critic(nn.Module):
    """Finds an image as real as it is bright, and half as real at half of the size."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images, images[..., ::2, ::2] / 2]


def _with_stubs(monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Munit, Turn]:
    """Return a method to be computed by hand: source images are 0, target images .5, drawn styles (.5, .25)."""
    method = build(lambda_gan=2.0, lambda_content=3.0, lambda_style=5.0, **options)
    method.networks = {
        "generator_target": Halves(0.125),
        "generator_source": Halves(0.25),
        **{name: Critic() for name in DISCRIMINATORS},
    }
    monkeypatch.setattr(method, "_random_styles", lambda images: torch.tensor([[0.5, 0.25]]))
    source, target = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    return method, Turn({"source": source, "target": target}, 0)


# What the stubs make of the other domain's content in the drawn style.
FAKE_TARGET = 0 + 0.375 + 0.125
FAKE_SOURCE = 0.5 + 0.375 + 0.25


def test_generator_losses_are_weighted_as_in_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = _with_stubs(monkeypatch)
    losses = method._generator_losses(turn)
    expected = {
        "gan_target": 2 * ((FAKE_TARGET - 1) ** 2 + (FAKE_TARGET / 2 - 1) ** 2),
        "gan_source": 2 * ((FAKE_SOURCE - 1) ** 2 + (FAKE_SOURCE / 2 - 1) ** 2),
        "image_target": 10 * (0.5 / 4 + 0.125),
        "image_source": 10 * 0.25,
        "content_source": 3 * abs(FAKE_TARGET - 0),
        "content_target": 3 * abs(FAKE_SOURCE - 0.5),
        "style_target": 5 * (abs(FAKE_TARGET / 4 - 0.5) + abs(FAKE_TARGET / 4 - 0.25)) / 2,
        "style_source": 5 * (abs(FAKE_SOURCE / 4 - 0.5) + abs(FAKE_SOURCE / 4 - 0.25)) / 2,
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_the_cycle_goes_back_to_the_own_style_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = _with_stubs(monkeypatch, lambda_cycle=7.0)
    losses = method._generator_losses(turn)
    assert losses["cycle_source"].item() == pytest.approx(7 * (FAKE_TARGET + 0 + 0.25))
    assert losses["cycle_target"].item() == pytest.approx(7 * (FAKE_SOURCE + 0.5 / 4 + 0.125 - 0.5))


def test_discriminator_losses_are_summed_over_the_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = _with_stubs(monkeypatch)
    losses = method._discriminator_losses(turn)
    expected = {
        "discriminator_target": 2 * ((0.5 - 1) ** 2 + (0.25 - 1) ** 2 + FAKE_TARGET**2 * 1.25),
        "discriminator_source": 2 * (1 + 1 + FAKE_SOURCE**2 * 1.25),
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("moving", "names"), [(0, DISCRIMINATORS), (1, GENERATORS)])
def test_each_phase_moves_its_own_networks(tmp_path: Path, moving: int, names: tuple[str, ...]) -> None:
    method = build()
    moved = update(method, method.phases()[moving], Turn(first_batch(tmp_path, "munit"), 0))
    assert moved == set(names)
    assert holding_gradients(method) == set(names)


def test_a_step_depends_on_the_global_seed(tmp_path: Path) -> None:
    batch = first_batch(tmp_path, "munit")

    def style_loss(seed: int) -> float:
        torch.manual_seed(seed)
        return train_step(build(), [Turn(batch, 0)])["style_target"].item()

    assert style_loss(0) == style_loss(0)
    assert style_loss(0) != style_loss(1)


def test_the_learning_rate_is_halved_again_and_again() -> None:
    method = build(halve_every=100)
    assert [method.learning_rate_factor(step, 300) for step in (0, 99, 100, 199, 200, 299)] == [
        1,
        1,
        0.5,
        0.5,
        0.25,
        0.25,
    ]


def test_generators_start_as_he_proposed_and_discriminators_small() -> None:
    method = build(generator={"width": 16, "blocks": 1}, discriminator={"width": 32, "layers": 2})
    first = next(method.networks["generator_target"].parameters())
    assert first.std().item() == pytest.approx((2 / (3 * 7 * 7)) ** 0.5, rel=0.1)
    judge = next(method.networks["discriminator_target"].parameters())
    assert judge.std().item() == pytest.approx(0.02, rel=0.1)


def test_weights_depend_on_the_seed_alone() -> None:
    first, again, other = weights_of(build(0)), weights_of(build(0)), weights_of(build(1))
    assert not changed(first, again)
    assert changed(first, other) == set(first)


def test_a_translation_is_of_its_own_input_and_repeatable() -> None:
    method = build()
    inputs = torch.rand(3, 3, 32, 32) * 2 - 1
    together = method.translate(inputs, "anime")
    assert together.shape == (3, 3, 32, 32)
    assert not together.requires_grad
    torch.manual_seed(1)
    assert torch.equal(together, method.translate(inputs, "anime"))
    torch.testing.assert_close(together[1:2], method.translate(inputs[1:2], "anime"))
    assert not torch.equal(together, method.translate(inputs, "photo"))


def test_a_translation_draws_nothing_from_the_global_generator() -> None:
    method = build()
    before = torch.get_rng_state()
    method.translate(torch.zeros(1, 3, 32, 32), "anime")
    assert torch.equal(before, torch.get_rng_state())


def test_other_styles_give_other_images() -> None:
    method = build()
    inputs = torch.rand(1, 3, 32, 32) * 2 - 1
    first, second = (method.translate_in_style(inputs, "anime", seed) for seed in (1, 2))
    assert not torch.allclose(first, second)


def test_an_example_gives_its_style_and_nothing_of_its_content() -> None:
    method = build()
    inputs, examples = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    guided = method.translate_with(inputs, "anime", like=examples)
    assert guided.shape == (2, 3, 32, 32)
    assert not guided.requires_grad
    one_for_all = method.translate_with(inputs, "anime", like=examples[1:])
    torch.testing.assert_close(guided[1], one_for_all[1])
    assert not torch.allclose(guided[0], one_for_all[0])
    # A style is a mean over places, so a mirrored example would be nearly the same; its content is never decoded.
    anime = method.networks["generator_target"]
    with torch.no_grad():
        content, _ = method.networks["generator_source"].encode(inputs)  # type: ignore[operator]
        _, styles = anime.encode(examples)  # type: ignore[operator]
        torch.testing.assert_close(guided, anime.decode(content, styles))  # type: ignore[operator]


def test_the_way_back_is_in_the_images_own_style() -> None:
    method = build()
    inputs = torch.rand(2, 3, 32, 32) * 2 - 1
    back = method.translate_back(inputs, "anime", "photo")
    torch.testing.assert_close(
        back, method.translate_with(method.translate(inputs, "anime"), "photo", like=inputs)
    )
    assert not torch.allclose(back, method.translate(method.translate(inputs, "anime"), "photo"))


def test_samples_show_two_styles_an_examples_style_and_the_way_back(tmp_path: Path) -> None:
    method = build()
    inputs = method.sample_inputs(open_dataset(tmp_path, "munit"), 4)
    columns = method.sample_columns(inputs)
    assert [tuple(column.shape) for column in columns] == 10 * [(1, 3, 32, 32)]
    assert torch.equal(columns[0], inputs["source"])
    assert torch.equal(columns[1], method.translate(inputs["source"], "anime"))
    assert torch.equal(columns[5], inputs["target"])


def test_examples_are_shown_again_where_there_are_fewer_of_them() -> None:
    method = build()
    inputs = {"source": torch.rand(3, 3, 32, 32), "target": torch.rand(2, 3, 32, 32)}
    assert [len(column) for column in method.sample_columns(inputs)] == 5 * [3] + 5 * [2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"size_px": 32, "discriminator": {}},
            r"discriminator\.scales: 3 scales of 4 layers need 64 px, and size_px is 32",
        ),
        ({"halve_every": 0}, "halve_every must be at least 1"),
        ({"lambda_style": -1}, "lambda_style must be at least 0"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment("munit", **options)
