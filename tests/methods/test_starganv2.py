from functools import partial
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.datasets.loading import Batch
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.experiments.styles import StarGanV2 as Options
from pipeline.methods.base import Arithmetic, Turn, train_step
from pipeline.methods.starganv2 import SHIPPED, StarGanV2, r1
from tests.methods.stepping import (
    builder,
    changed,
    first_batch,
    holding_gradients,
    in_blocks,
    learn,
    random_batch,
    update,
    weights_of,
)
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(StarGanV2)


def _with_points(batch: Batch) -> Batch:
    """Return a batch whose faces have landmarks, each face its own."""
    count = len(batch["source"])
    places = torch.linspace(4, 28, count * 68 * 2).view(count, 68, 2)
    return batch | {"source_points": places, "target_points": places.flip(0)}


def _batch(count: int = 2) -> Batch:
    return _with_points(random_batch(count=count))


# What each phase of a step moves, in the paper's order.
MOVED = ({"discriminator"}, {"discriminator"}, set(SHIPPED), {"generator"})


@pytest.mark.parametrize("number", range(4))
def test_each_phase_moves_its_own_networks(tmp_path: Path, number: int) -> None:
    method = build()
    moved = update(method, method.phases()[number], Turn(first_batch(tmp_path, "starganv2"), 0))
    assert moved == MOVED[number]
    assert holding_gradients(method) == MOVED[number]


class Shift(nn.Module):
    """Makes an image brighter by its style."""

    def forward(self, images: Tensor, styles: Tensor, masks: Tensor | None = None) -> Tensor:
        return images + styles[:, :, None, None]


class Mapping(nn.Module):
    """Takes the latent for the style, and .1 more in the second domain."""

    def forward(self, latents: Tensor, domains: Tensor) -> Tensor:
        return latents + 0.1 * domains[:, None]


class Brightness(nn.Module):
    """Takes the brightness of an image for its style or logit, and so much more in the second domain."""

    def __init__(self, more: float) -> None:
        super().__init__()
        self.more = more

    def forward(self, images: Tensor, domains: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3))[:, None] + self.more * domains[:, None]


def _with_stubs(step: int = 0, **options: Any) -> tuple[StarGanV2, Turn]:
    """Return a method to be computed by hand: images of 0 and .5, each asked for in the other's domain."""
    weights = {"lambda_reg": 2.0, "lambda_style": 3.0, "lambda_cycle": 5.0, "lambda_ds": 4.0}
    method = build(w_hpf=0, latent=1, style=1, **weights, **options)
    method.networks = {
        "generator": Shift(),
        "mapping_network": Mapping(),
        "style_encoder": Brightness(0.05),
        "discriminator": Brightness(1.0),
    }
    dark, light = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    turn = Turn({"source": dark, "target": light}, step)
    turn.keep(
        images=torch.cat([dark, light]),
        domains=torch.tensor([0, 1]),
        wanted=torch.tensor([1, 0]),
        latent=torch.tensor([[0.2], [0.4]]),
        other_latent=torch.tensor([[0.5], [0.1]]),
        example=torch.cat([light, dark]),
        other_example=torch.cat([light / 2, dark]),
    )
    return method, turn


def _taken_for_real(*logits: float) -> float:
    return sum(log(1 + exp(-logit)) for logit in logits) / len(logits)


def _values(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: loss.item() for name, loss in losses.items()}


def test_the_losses_by_latents_are_those_of_the_paper() -> None:
    method, turn = _with_stubs(step=25_000)
    # Styles: latents .2 + .1 and .4. Read back of the fakes: .3 + .05 and .9. Own styles: 0 and .55.
    assert _values(method._generator_losses(turn, "latent")) == pytest.approx(
        {
            "gan_latent": _taken_for_real(0.3 + 1, 0.9),
            "style_latent": 3 * (0.05 + 0.5) / 2,
            "cycle_latent": 5 * (0.3 + 0.95) / 2,
            "diversity_latent": -4 * 0.75 * 0.3,
        },
        rel=1e-5,
    )


def test_the_losses_by_examples_take_styles_of_the_encoder() -> None:
    method, turn = _with_stubs()
    # Styles: .5 + .05 and 0. Read back of the fakes .55 and .5: .6 and .5. Of the second examples: .3 and 0.
    assert _values(method._generator_losses(turn, "reference")) == pytest.approx(
        {
            "gan_reference": _taken_for_real(0.55 + 1, 0.5),
            "style_reference": 3 * (0.05 + 0.5) / 2,
            "cycle_reference": 5 * (0.55 + 0.55) / 2,
            "diversity_reference": -4 * (0.25 + 0) / 2,
        },
        rel=1e-5,
    )


def test_the_discriminator_judges_each_image_in_its_own_domain() -> None:
    method, turn = _with_stubs()
    # The gradient of a mean over 48 values is 1 / 48 at each of them.
    assert _values(method._discriminator_losses(turn, "latent")) == pytest.approx(
        {
            "real_latent": _taken_for_real(0, 1.5),
            "fake_latent": _taken_for_real(-1.3, -0.9),
            "r1_latent": 2 * 0.5 / 48,
        },
        rel=1e-5,
    )


def test_r1_is_half_the_squared_norm_of_the_gradient_and_is_learnt_from() -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.Parameter(torch.tensor([1.0, 2.0]))

        def forward(self, images: Tensor, domains: Tensor) -> Tensor:
            return images.flatten(1) @ self.weights[:, None]

    judge = Weighted()
    images = torch.rand(3, 1, 1, 2)
    logits, steepness = r1(judge, images, torch.zeros(3, dtype=torch.long))
    assert logits.shape == (3, 1)
    assert steepness.item() == pytest.approx((1 + 4) / 2)
    steepness.backward()
    assert judge.weights.grad is not None
    assert judge.weights.grad.tolist() == pytest.approx([1, 2])
    assert not images.requires_grad


def test_r1_is_computed_in_fp32_where_all_else_is_not() -> None:
    method, batch = build(), _batch()
    arithmetic = Arithmetic(autocast=partial(torch.autocast, "cpu", torch.bfloat16))
    with arithmetic.autocast():
        logits, steepness = r1(method.networks["discriminator"], batch["source"], torch.tensor([0, 0]))
        judged = method.networks["discriminator"](batch["source"], torch.tensor([0, 0]))
    assert (logits.dtype, steepness.dtype, judged.dtype) == (torch.float32, torch.float32, torch.bfloat16)
    losses = train_step(method, [Turn(batch, 0)], arithmetic)
    assert all(loss.isfinite() for loss in losses.values())


def test_the_weight_of_diversity_falls_on_a_line_and_depends_on_the_step_alone() -> None:
    method = build(lambda_ds=2.0, ds_steps=100)
    assert [method.diversity_weight(step) for step in (0, 25, 99, 100, 500)] == pytest.approx(
        [2, 1.5, 0.02, 0, 0]
    )
    fresh = build(lambda_ds=2.0, ds_steps=100)
    assert fresh.diversity_weight(60) == method.diversity_weight(60) == pytest.approx(0.8)


def test_no_second_image_is_made_once_diversity_counts_nothing() -> None:
    method, turn = _with_stubs(step=100, ds_steps=100)
    assert "diversity_latent" not in method._generator_losses(turn, "latent")


def test_every_face_is_asked_for_the_domain_of_another() -> None:
    method, batch = build(batch_size=3), _batch(count=3)
    faces = torch.cat([batch["source"], batch["target"]])
    for seed in range(20):
        torch.manual_seed(seed)
        turn = Turn(batch, 0)
        method._set_task(turn)
        example, other = ([_place(image, faces) for image in turn[f"{of}example"]] for of in ("", "other_"))
        assert torch.equal(turn["images"], faces)
        assert turn["domains"].tolist() == [0, 0, 0, 1, 1, 1]
        assert sorted(example) == list(range(6))
        assert all(of != place for place, of in enumerate(example))
        assert turn["wanted"].tolist() == [place // 3 for place in example]
        assert [place // 3 for place in other] == [place // 3 for place in example]
        assert all(one != two for one, two in zip(example, other, strict=True))
        assert not torch.equal(turn["latent"], turn["other_latent"])


def _place(image: Tensor, among: Tensor) -> int:
    return next(place for place, other in enumerate(among) if torch.equal(image, other))


def test_all_phases_of_a_step_are_asked_the_same() -> None:
    method, turn = build(), Turn(_batch(), 0)
    method._discriminator_losses(turn, "latent")
    first = dict(turn.kept)
    method._generator_losses(turn, "reference")
    assert all(torch.equal(first[name], turn[name]) for name in first)


def test_optimisers_are_those_of_the_paper() -> None:
    method = build(weight_decay=1e-4)
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in method.optimizers.items()}
    assert rates == {"generator": 1e-4, "mapping_network": 1e-6, "style_encoder": 1e-4, "discriminator": 1e-4}
    for optimizer in method.optimizers.values():
        assert optimizer.param_groups[0]["betas"] == (0, 0.99)
        assert optimizer.param_groups[0]["weight_decay"] == 1e-4
    assert {method.learning_rate_factor(step, 100) for step in (0, 50, 99)} == {1}


def test_what_is_not_said_is_as_in_the_reference() -> None:
    plain = read_experiment({"method": "starganv2", "domains": ["a", "b"], "size_px": 256, "steps": 100_000})
    assert isinstance(plain, Options)
    assert (plain.ema, plain.width, plain.latent, plain.style, plain.w_hpf) == (0.999, 1, 16, 64, 1)
    assert (plain.lambda_reg, plain.lambda_style, plain.lambda_cycle, plain.lambda_ds) == (1, 1, 1, 1)
    assert (plain.ds_steps, 2 * plain.batch_size) == (100_000, 8)


def test_networks_start_as_he_proposed() -> None:
    method = build(width=1 / 16)
    for name in ("generator", "style_encoder", "discriminator"):
        first = next(method.networks[name].parameters())
        assert first.std().item() == pytest.approx((2 / (3 * 3 * 3)) ** 0.5, rel=0.1)


def test_weights_depend_on_the_seed_alone() -> None:
    first, again, other = weights_of(build(0)), weights_of(build(0)), weights_of(build(1))
    assert not changed(first, again)
    assert changed(first, other) == set(first)


def test_edges_are_carried_over_around_the_landmarks_of_the_batch() -> None:
    """Other landmarks give other losses; without `w_hpf` they count nothing."""
    for w_hpf in (0, 1):
        losses = []
        for shift in (0, 9):
            torch.manual_seed(0)
            batch = _batch()
            moved = {f"{role}_points": batch[f"{role}_points"] + shift for role in ("source", "target")}
            found = build(w_hpf=w_hpf)._generator_losses(Turn(batch | moved, 0), "latent")
            losses.append(found["cycle_latent"].item())
        assert (losses[0] != losses[1]) == bool(w_hpf)


def test_landmarks_are_asked_for_where_edges_are_carried_over() -> None:
    assert experiment("starganv2").needs_landmarks
    assert not experiment("starganv2", w_hpf=0).needs_landmarks


@pytest.mark.parametrize(("w_hpf", "planes"), [(0, 3), (1, 5)])
def test_inputs_are_images_with_their_masks(tmp_path: Path, w_hpf: int, planes: int) -> None:
    dataset, method = open_dataset(tmp_path, "starganv2", w_hpf=w_hpf), build(w_hpf=w_hpf)
    inputs = method.inputs(dataset.domains["photo"], np.array([0, 1]))
    assert inputs.shape == (2, planes, 32, 32)
    if w_hpf:
        # The first face's landmarks are unknown.
        assert [bool(masks.any()) for masks in inputs[:, 3:]] == [False, True]
        assert 0 <= inputs[:, 3:].min() < inputs[:, 3:].max() <= 1


def _inputs(count: int, seed: int = 1) -> Tensor:
    """Return images and masks."""
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, 32, 32, generator=random) * 2 - 1
    return torch.cat([images, torch.rand(count, 2, 32, 32, generator=random)], dim=1)


def test_a_translation_is_repeatable_and_draws_nothing_from_the_global_generator() -> None:
    method, inputs = build(), _inputs(3)
    before = torch.get_rng_state()
    made = method.translate(inputs, "anime")
    assert torch.equal(before, torch.get_rng_state())
    assert made.shape == (3, 3, 32, 32)
    assert made.abs().max() <= 1
    torch.manual_seed(1)
    assert torch.equal(made, method.translate(inputs, "anime"))
    assert not torch.equal(made, method.translate(inputs, "photo"))


def test_other_latents_give_other_images() -> None:
    method, inputs = build(), _inputs(1)
    first, second = (method.translate_in_style(inputs, "anime", seed) for seed in (1, 2))
    assert torch.equal(first, method.translate(inputs, "anime"))
    assert not torch.allclose(first, second)


def test_an_example_gives_its_style_in_the_domain_that_is_asked_for() -> None:
    method, inputs, examples = build(), _inputs(2), _inputs(2, seed=2)
    guided = method.translate_with(inputs, "anime", like=examples)
    one_for_all = method.translate_with(inputs, "anime", like=examples[1:, :3])
    torch.testing.assert_close(guided[1], one_for_all[1])
    assert not torch.allclose(guided[0], one_for_all[0])
    assert not torch.allclose(guided, method.translate_with(inputs, "photo", like=examples))


def test_the_way_back_is_in_the_images_own_style_and_around_its_own_landmarks() -> None:
    method, inputs = build(), _inputs(2)
    there = torch.cat([method.translate(inputs, "anime"), inputs[:, 3:]], dim=1)
    back = method.translate_back(inputs, "anime", "photo")
    torch.testing.assert_close(back, method.translate_with(there, "photo", like=inputs))
    assert not torch.allclose(back, method.translate(there, "photo"))


def test_samples_show_two_latents_an_example_and_the_way_back(tmp_path: Path) -> None:
    method = build()
    inputs = method.sample_inputs(open_dataset(tmp_path, "starganv2"), 4)
    columns = method.sample_columns(inputs)
    assert [tuple(column.shape) for column in columns] == 10 * [(1, 3, 32, 32)]
    assert torch.equal(columns[0], inputs["source"][:, :3])
    assert torch.equal(columns[1], method.translate(inputs["source"], "anime"))
    assert torch.equal(columns[3], method.translate_with(inputs["source"], "anime", like=inputs["target"]))
    assert torch.equal(columns[5], inputs["target"][:, :3])


def test_examples_are_shown_again_where_there_are_fewer_of_them() -> None:
    columns = build().sample_columns({"source": _inputs(3), "target": _inputs(2)})
    assert [len(column) for column in columns] == 5 * [3] + 5 * [2]


def test_both_ways_are_compared_with_partners_where_they_are_known() -> None:
    assert [(way.of, way.to, way.truth) for way in build().ways()] == [
        ("photo", "anime", "way_back"),
        ("anime", "photo", "way_back"),
    ]
    assert {way.truth for way in build(pairing="pair_id").ways()} == {"pair"}


@pytest.mark.parametrize("size_px", [32, 64])
@pytest.mark.parametrize("w_hpf", [0, 1])
def test_a_step_is_made_at_other_sizes(tmp_path: Path, size_px: int, w_hpf: int) -> None:
    method = build(size_px=size_px, w_hpf=w_hpf)
    batch = first_batch(tmp_path, "starganv2", size_px=size_px, w_hpf=w_hpf)
    assert all(loss.isfinite() for loss in train_step(method, [Turn(batch, 0)]).values())


@pytest.mark.long
def test_one_batch_is_learnt_by_heart() -> None:
    weights = {"lambda_ds": 0.0, "lambda_cycle": 100.0, "weight_decay": 0.0}
    method = build(learning_rate=4e-3, w_hpf=0, width=1 / 32, **weights)
    batch = in_blocks(random_batch(count=2))
    history = learn(method, batch, 120, "cycle_latent", "cycle_reference")
    assert min(history[-5:]) < history[0] / 5, history


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 1}, "batch_size must be at least 2, got 1: .* set it to 2 or more"),
        ({"ds_steps": 0}, "ds_steps must be at least 1"),
        ({"lambda_ds": -1}, "lambda_ds must be at least 0"),
        ({"width": 0}, "width must be above 0"),
        ({"mapping_learning_rate": 0}, "mapping_learning_rate must be above 0"),
        ({"style": 0}, "style must be at least 1"),
        ({"ema": 1.0}, "ema must be between 0 and 1"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment("starganv2", **options)
