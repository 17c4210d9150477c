from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.datasets.loading import ROLES
from pipeline.errors import UserError
from pipeline.methods.base import Turn
from pipeline.methods.cyclegan import CycleGan
from pipeline.methods.getgan import GetGan, gradient_weight, guide_loss, mixed, reconstruction_gradient
from tests.methods.stepping import (
    builder,
    changed,
    flat,
    holding_gradients,
    in_blocks,
    l1,
    learn,
    random_batch,
    step,
    update,
    weights_of,
)
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(GetGan)
DISCRIMINATORS = {"discriminator_target", "discriminator_source"}


# The update table of the specification. S, F, E, K, B are shared, fake, error, gate, generator_to_source.


@pytest.mark.parametrize("gate", ["none", "full", "map"])
def test_each_step_moves_the_networks_of_the_update_table_and_no_others(gate: str) -> None:
    method, turn = build(gate=gate), Turn(random_batch(), 0)
    selecting = {"shared"} if gate == "none" else {"shared", "gate"}
    everything = selecting | {"fake", "error", "generator_to_source"}
    table = {
        "fake": selecting | {"fake"},
        "cycle_source": everything,
        "cycle_target": everything,
        "discriminators": DISCRIMINATORS,
        "identity": everything,
    }
    moved = {phase.name: update(method, phase, turn) for phase in method.phases()}
    assert list(moved) == list(table)
    assert moved == table


@pytest.mark.parametrize("options", [{}, {"error": False}], ids=str)
def test_discriminators_gather_no_gradient_while_generators_learn(options: dict) -> None:
    method, turn = build(**options), Turn(random_batch(), 0)
    for phase in method.phases():
        if phase.name != "discriminators":
            update(method, phase, turn)
    assert holding_gradients(method) == set(method.networks) - DISCRIMINATORS


def test_adam_has_not_begun_for_networks_that_the_first_step_leaves_alone() -> None:
    method = build()
    update(method, method.phases()[0], Turn(random_batch(), 0))
    known = method.optimizers["generator"].state
    for name, has_begun in (
        ("shared", True),
        ("fake", True),
        ("error", False),
        ("generator_to_source", False),
    ):
        assert all((weights in known) == has_begun for weights in method.networks[name].parameters())


def test_the_second_step_leaves_no_gradient_on_the_way_back() -> None:
    method, batch = build(), random_batch()
    way_back = method.networks["generator_to_source"]
    gradient = reconstruction_gradient(way_back, batch["source"], batch["target"])
    assert gradient.shape == (1, 3, 32, 32)
    assert all(weights.grad is None for weights in way_back.parameters())
    assert all(weights.requires_grad for weights in way_back.parameters())


# The weights.


def test_the_gradient_is_that_of_the_summed_difference() -> None:
    doubling = torch.nn.Conv2d(3, 3, 1, bias=False)
    torch.nn.init.dirac_(doubling.weight)
    doubling.weight.data *= 2
    source, fake = random_batch().values()
    expected = 2 * torch.sign(2 * fake - source)
    torch.testing.assert_close(reconstruction_gradient(doubling, source, fake), expected)


def test_the_gradient_has_full_precision_while_training_has_not() -> None:
    method, batch = build(), random_batch()
    way_back, fake = method.networks["generator_to_source"], batch["target"].clone().requires_grad_()
    (expected,) = torch.autograd.grad((way_back(fake) - batch["source"]).abs().sum(), fake)
    with torch.autocast("cpu", torch.bfloat16):
        gradient = reconstruction_gradient(way_back, batch["source"], fake)
    assert gradient.dtype == torch.float32
    torch.testing.assert_close(gradient, expected)


def test_the_weight_is_the_sigmoid_of_the_distance_to_the_mean_in_deviations() -> None:
    gradient = torch.tensor([1.0, 2.0, 3.0, 6.0]).reshape(1, 1, 2, 2)
    deviation = (14 / 4) ** 0.5  # of 1, 2, 3, 6 around 3, divided by 4 and not by 3
    distance = torch.tensor([2.0, 1.0, 0.0, 3.0]).reshape(1, 1, 2, 2) / deviation
    torch.testing.assert_close(gradient_weight(gradient), torch.sigmoid(distance))
    torch.testing.assert_close(gradient_weight(gradient, is_full=True), 2 * torch.sigmoid(distance) - 1)


def test_the_weight_does_not_depend_on_the_scale_of_the_loss() -> None:
    class Scaled(torch.nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, images: Tensor) -> Tensor:
            return self.factor * images.square()

    source, fake = random_batch().values()
    once, often = (reconstruction_gradient(Scaled(factor), factor * source, fake) for factor in (1.0, 1000.0))
    torch.testing.assert_close(often, 1000 * once)
    torch.testing.assert_close(gradient_weight(often), gradient_weight(once))


def test_the_weight_is_of_each_image_and_channel_alone() -> None:
    gradient = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    gradient[1] *= 100
    together = gradient_weight(gradient)
    torch.testing.assert_close(together[:1], gradient_weight(gradient[:1]))
    torch.testing.assert_close(together[1:, 2:], gradient_weight(gradient[1:, 2:]))


def test_the_weight_is_about_two_thirds_on_average_and_never_below_a_half() -> None:
    weight = gradient_weight(torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)))
    assert weight.mean().item() == pytest.approx(0.675, abs=0.005)
    assert weight.min().item() >= 0.5
    full = gradient_weight(torch.randn(1, 3, 128, 128), is_full=True)
    assert 0 <= full.min().item() < 0.01


def test_a_gradient_that_is_the_same_everywhere_says_nothing() -> None:
    assert torch.equal(gradient_weight(torch.ones(1, 3, 4, 4)), torch.full((1, 3, 4, 4), 0.5))


def test_the_weight_has_no_gradient_of_its_own() -> None:
    gradient = torch.randn(1, 3, 4, 4, requires_grad=True)
    assert not gradient_weight(gradient).requires_grad


def test_the_mix_is_the_error_image_where_the_weight_is_1() -> None:
    fake, error = random_batch().values()
    assert torch.equal(mixed(fake, error, torch.zeros_like(fake)), fake)
    assert torch.equal(mixed(fake, error, torch.ones_like(fake)), error)
    torch.testing.assert_close(mixed(fake, error, torch.full_like(fake, 0.5)), (fake + error) / 2)


def test_the_guide_compares_the_gate_with_the_weight_averaged_down() -> None:
    gate = torch.tensor([[0.9, 0.2], [0.5, 1.0]]).expand(1, 6, 2, 2)
    weight = torch.zeros(1, 3, 4, 4)
    weight[..., :2, 2:] = 0.6  # upper right
    assert guide_loss(gate, weight).item() == pytest.approx((0.1 + 0.2 + 0.5 + 0.0) / 4)


# The losses.


def test_losses_of_every_step_are_weighted_as_in_the_document() -> None:
    weights = {"lambda_gan": 2, "lambda_rec": 3, "lambda_identity": 4, "lambda_error": 5}
    # A learning rate that moves nothing, so that all steps see the same networks.
    method, batch = build(**weights, gate="full", lambda_guide=6, learning_rate=1e-12), random_batch()
    source, target = batch["source"], batch["target"]
    shared, fake, error, gate, back = (
        method.networks[name] for name in ("shared", "fake", "error", "gate", "generator_to_source")
    )
    with torch.no_grad():
        features = shared(source)
        selected = gate(features)
        translated, wrong = fake(selected * features), error((1 - selected) * features)
        weight = gradient_weight(reconstruction_gradient(back, source, translated))
        mix = (1 - weight) * translated + weight * wrong
        returned = shared(back(target))
        own = shared(target)
        judged = {role: method.networks[f"discriminator_{role}"] for role in ROLES}
        expected = {
            "gan_target": 2 * ((judged["target"](translated) - 1) ** 2).mean().item(),
            "rec_source": 3 * l1(back(mix), source),
            "guide": 6 * guide_loss(selected, 2 * weight - 1).item(),
            "rec_target": 3 * l1(fake(gate(returned) * returned), target),
            "error_target": 5 * error((1 - gate(returned)) * returned).abs().mean().item(),
            "gan_source": 2 * ((judged["source"](back(target)) - 1) ** 2).mean().item(),
            "identity_target": 4 * l1(fake(gate(own) * own), target),
            "identity_source": 4 * l1(back(source), source),
            "error_identity": 5 * error((1 - gate(own)) * own).abs().mean().item(),
            "mean_weight": weight.mean().item(),
            "mean_gate": selected.mean().item(),
            "error_on_source": wrong.abs().mean().item(),
            "error_on_target": error((1 - gate(returned)) * returned).abs().mean().item(),
        }
        for role, fakes in (("target", translated), ("source", back(target))):
            real = ((judged[role](batch[role]) - 1) ** 2).mean()
            expected[f"discriminator_{role}"] = 0.5 * (real + (judged[role](fakes) ** 2).mean()).item()
    assert step(method, batch) == pytest.approx(expected, rel=1e-4)


def test_without_identity_the_last_step_makes_no_image_for_it() -> None:
    losses = step(build(lambda_identity=0), random_batch())
    assert not {"identity_target", "identity_source"} & losses.keys()
    assert losses["error_identity"] > 0


def test_the_gate_starts_almost_open_and_the_full_weights_at_a_third() -> None:
    losses = step(build(gate="map", weight_range="full"), random_batch())
    assert losses["mean_gate"] == pytest.approx(0.88, abs=0.01)
    assert 0.25 < losses["mean_weight"] < 0.4


@pytest.mark.parametrize("options", [{}, {"gate": "full", "weight_range": "full"}, {"error": False}], ids=str)
def test_the_way_back_of_one_batch_is_learnt_to_half_its_loss(options: dict) -> None:
    method = build(**options, learning_rate=4e-3)
    rec = learn(method, in_blocks(random_batch()), 24, "rec_source", "rec_target")
    assert rec[-1] < rec[0] / 2


# What it is without its error branch.


def test_without_error_branch_and_weights_it_is_cyclegan_bit_for_bit() -> None:
    same = {"pool_size": 1, "learning_rate": 2e-3}
    getgan = build(error=False, lambda_rec=10, lambda_identity=5, **same)
    cyclegan = builder(CycleGan)(lambda_cycle=10, lambda_identity=0.5, **same)
    for number in range(3):
        losses = step(getgan, random_batch(seed=number), number)
        named = {name.replace("rec", "cycle"): loss for name, loss in losses.items()}
        assert named == step(cyclegan, random_batch(seed=number), number)
    to_target = torch.cat([flat(getgan.networks[name]) for name in ("shared", "fake")])
    assert torch.equal(to_target, flat(cyclegan.networks["generator_to_target"]))
    for name in ("generator_to_source", *DISCRIMINATORS):
        assert torch.equal(flat(getgan.networks[name]), flat(cyclegan.networks[name]))
    for role in ROLES:
        pools = [method.state_dict()[role] for method in (getgan, cyclegan)]
        assert torch.equal(pools[0]["images"][0], pools[1]["images"][0])
        assert torch.equal(pools[0]["generator"], pools[1]["generator"])
    assert torch.equal(
        getgan.translate(random_batch()["source"], "anime"),
        cyclegan.translate(random_batch()["source"], "anime"),
    )


def test_error_branch_and_gate_do_not_change_how_the_others_start() -> None:
    plain, whole = build(error=False), build(gate="full")
    assert set(whole.networks) - set(plain.networks) == {"error", "gate"}
    assert not changed(weights_of(plain), weights_of(whole))


# Translation and samples.


def test_a_translation_is_the_image_without_the_error() -> None:
    method, images = build(gate="full"), random_batch(count=3)["source"]
    with torch.no_grad():
        features = method.networks["shared"](images)
        expected = method.networks["fake"](method.networks["gate"](features) * features)
    translated = method.translate(images, "anime")
    assert torch.equal(translated, expected)
    assert not translated.requires_grad
    torch.testing.assert_close(method.translate(images[1:2], "anime"), translated[1:2])
    assert torch.equal(method.translate(images, "photo"), method.networks["generator_to_source"](images))
    assert method.shipped == ("shared", "fake", "generator_to_source", "gate", "error")
    assert build(error=False).shipped == ("shared", "fake", "generator_to_source")


def test_samples_show_image_error_weight_and_mix_and_leave_no_gradient(tmp_path: Path) -> None:
    method = build()
    inputs = method.sample_inputs(open_dataset(tmp_path, "getgan"), 4)
    columns = method.sample_columns(inputs)
    assert [column.shape for column in columns] == [(1, 3, 32, 32)] * 10
    source, fake, error, weight, mix, back, target, fake_source, _, back_target = columns
    assert torch.equal(source, inputs["source"])
    assert torch.equal(target, inputs["target"])
    assert torch.equal(fake, method.translate(source, "anime"))
    torch.testing.assert_close(mix, mixed(fake, error, (weight + 1) / 2))
    torch.testing.assert_close(back, method.translate(mix, "photo"))
    torch.testing.assert_close(back_target, method.translate(fake_source, "anime"))
    assert not any(column.requires_grad for column in columns)
    assert not holding_gradients(method)


def test_samples_without_error_branch_are_three_images_each_way(tmp_path: Path) -> None:
    method = build(error=False)
    columns = method.sample_columns(method.sample_inputs(open_dataset(tmp_path, "getgan"), 4))
    assert len(columns) == 6


def test_pools_go_on_from_their_state() -> None:
    method, other = build(pool_size=2), build(pool_size=2)
    for _ in range(3):
        step(method, random_batch())
    other.load_state_dict(method.state_dict(), torch.device("cpu"))
    fakes = torch.zeros(20, 3, 32, 32)
    for role in ROLES:
        assert torch.equal(method.pools[role].exchange(fakes), other.pools[role].exchange(fakes))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"error": False, "gate": "full"}, "gate needs the error branch"),
        ({"lambda_guide": 1}, "lambda_guide needs a gate"),
        ({"lambda_error": -1}, "lambda_error must be at least 0"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_named(options: dict, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        experiment("getgan", **options)
