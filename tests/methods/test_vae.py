import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.datasets.loading import Batch
from pipeline.errors import UserError
from pipeline.methods.autoencoder import NETWORKS
from pipeline.methods.base import Turn
from pipeline.methods.vae import WINDOW, Vae, active_units
from tests.methods.stepping import (
    builder,
    first_batch,
    holding_gradients,
    in_blocks,
    learn,
    random_batch,
    step,
    update,
)
from tests.methods.tiny_dataset import experiment

build = builder(Vae)
SIDE = 4


class Coder(nn.Module):
    """Gives the mean (brightness, 0) and the log variances (0, log 4), times a weight that is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        brightness = images.mean(dim=(1, 2, 3))
        nothing = torch.zeros_like(brightness)
        return self.weight * torch.stack([brightness, nothing, nothing, nothing + math.log(4)], dim=1)


class Painter(nn.Module):
    """Paints an image as bright as the first number says, times a weight that is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, numbers: Tensor) -> Tensor:
        return self.weight * numbers[:, :1, None, None].expand(-1, 3, SIDE, SIDE)


def _with_stubs(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Vae:
    """Return a method to be computed by hand, whose draws are one deviation above the mean."""
    method = build(latent=2, beta=2.0, kl_warmup_steps=0, **{"free_bits": 0.0, **options})
    method.networks = {"encoder": Coder(), "decoder": Painter()}
    monkeypatch.setattr(torch, "randn_like", torch.ones_like)
    return method


def _flat_batch() -> Batch:
    """Return two source images as bright as 0 and 1, and partners as bright as -1."""
    source = torch.stack([torch.zeros(3, SIDE, SIDE), torch.ones(3, SIDE, SIDE)])
    return {"source": source, "target": torch.full_like(source, -1.0)}


# In nats: of the first number's mean 0 or 1 and variance 1; of the second's mean 0 and variance 4.
FIRST, SECOND = (0.0 + 0.5) / 2, 0.5 * (4 - math.log(4) - 1)


def test_losses_are_the_variational_bound_for_each_value_of_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = _with_stubs(monkeypatch), Turn(_flat_batch(), 0)
    losses = method._losses(turn)
    assert losses.keys() == {"reconstruction", "kl"}
    assert losses["reconstruction"].item() == pytest.approx((2 + 3) / 2)
    assert losses["kl"].item() == pytest.approx(2 * (FIRST + SECOND) / (3 * SIDE * SIDE))
    assert turn.logged["kl_nats"].item() == pytest.approx(FIRST + SECOND)
    assert turn.logged["active_units"].item() == 1


def test_what_is_free_costs_nothing_and_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    method, turn = _with_stubs(monkeypatch, free_bits=0.5), Turn(_flat_batch(), 0)
    losses = method._losses(turn)
    assert losses["kl"].item() == pytest.approx(2 * (0.5 + SECOND) / (3 * SIDE * SIDE))
    assert turn.logged["kl_nats"].item() == pytest.approx(FIRST + SECOND)


def test_the_divergence_warms_up_by_the_step_alone() -> None:
    method = build(kl_warmup_steps=4)
    assert [method.warmth(step) for step in (0, 1, 4, 400)] == [0, 0.25, 1, 1]
    assert build(kl_warmup_steps=0).warmth(0) == 1


def test_the_perceptual_loss_compares_the_means_of_output_and_partner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = _with_stubs(monkeypatch, lambda_perceptual=3.0)._losses(Turn(_flat_batch(), 0))
    # Outputs are as bright as 1 and 2, partners as -1; the second mean is 0 for all.
    assert losses["perceptual"].item() == pytest.approx(3 * (2**2 + 3**2) / 4)


def test_the_encoder_judges_in_the_perceptual_loss_and_does_not_learn_to_see_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = _with_stubs(monkeypatch, lambda_perceptual=1.0)
    output = method._decode(torch.ones(1, 2))
    method._perceptual(output, torch.zeros_like(output)).backward()
    assert holding_gradients(method) == {"decoder"}
    assert all(weights.requires_grad for weights in method.networks["encoder"].parameters())


def test_one_phase_moves_both_halves(tmp_path: Path) -> None:
    method = build(lambda_perceptual=1.0)
    [phase] = method.phases()
    assert update(method, phase, Turn(first_batch(tmp_path, "vae"), 0)) == set(NETWORKS)


def test_training_draws_and_translation_does_not() -> None:
    images = torch.rand(2, 3, 32, 32)
    method = build()
    before = torch.get_rng_state()
    assert torch.equal(method.translate(images, "anime"), method.translate(images, "anime"))
    assert torch.equal(before, torch.get_rng_state())
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(step(build(), random_batch(count=2))["reconstruction"])
    assert losses[0] == losses[1] != losses[2]


def test_a_unit_is_active_where_its_mean_differs_from_image_to_image() -> None:
    means = torch.tensor([[0.0, 1.0, 0.0], [0.3, 1.0, 0.19]])
    assert active_units(means).item() == 1
    assert active_units(means[:1]).item() == 0


def test_active_units_are_counted_over_many_steps_of_one_image_and_after_a_resume(tmp_path: Path) -> None:
    method, latent = build(batch_size=1), experiment("vae").latent  # type: ignore[attr-defined]
    batches = [random_batch(seed=seed) for seed in range(3)]
    assert step(method, batches[0])["active_units"] == 0
    for batch in batches[1:]:
        step(method, batch)
    torch.save(method.state_dict(), tmp_path / "state.pt")
    again = build(seed=1)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True), torch.device("cpu"))
    assert again.state_dict()["means"].shape == (3, latent)
    assert torch.equal(again.state_dict()["means"], method.state_dict()["means"])


def test_only_the_latest_images_are_remembered() -> None:
    method = build()
    for number in range(WINDOW + 10):
        method._remember(torch.full((1, 8), float(number)))
    means = method.state_dict()["means"]
    assert (len(means), means[0, 0], means[-1, 0]) == (WINDOW, 10, WINDOW + 9)


def test_units_collapse_under_a_heavy_beta_and_live_under_free_bits() -> None:
    """What document 002 saw, and what helps."""

    def active(**options: Any) -> float:
        torch.manual_seed(0)
        method = build(learning_rate=1e-2, kl_warmup_steps=0, **options)
        batch = in_blocks(random_batch(count=8))
        for number in range(60):
            step(method, batch, number)
        with torch.no_grad():
            return active_units(method._code(batch["source"])).item()

    assert active(beta=1000.0, free_bits=0.0) == 0
    assert active(beta=1000.0, free_bits=0.5) >= 4


def test_one_batch_is_learnt_by_heart() -> None:
    method = build(learning_rate=1e-2, width=16, beta=0.01)
    history = learn(method, in_blocks(random_batch(count=2)), 80, "reconstruction")
    assert history[-1] < history[0] / 5, history


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pairing": "none"}, "vae learns from pairs"),
        ({"beta": -1.0}, "beta must be at least 0, got -1"),
        ({"free_bits": -0.5}, "free_bits must be at least 0"),
        ({"kl_warmup_steps": -1}, "kl_warmup_steps must be at least 0"),
        ({"lambda_perceptual": -1.0}, "lambda_perceptual must be at least 0"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        experiment("vae", **options)
