import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.methods.base import Turn
from pipeline.methods.ugatit import DISCRIMINATORS, GENERATORS, Ugatit, cam_loss, heat_map
from pipeline.networks.ugatit import AdaLin, Lin, most_layers
from tests.methods.stepping import builder, changed, first_batch, holding_gradients, learn, update, weights_of
from tests.methods.tiny_dataset import experiment, open_dataset

build = builder(Ugatit)
JUDGES = {"global_layers": 3, "local_layers": 3}


def _rhos(method: Ugatit) -> list[Tensor]:
    return [
        module.rho
        for name in GENERATORS
        for module in method.networks[name].modules()
        if isinstance(module, AdaLin | Lin)
    ]


class Painter(nn.Module):
    """Adds a shade; takes dark images for those of the other domain, with a logit of 1, bright ones for its own."""

    def __init__(self, shade: float) -> None:
        super().__init__()
        self.shade = shade

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = torch.where(images.mean(dim=(1, 2, 3)) < 0.1, 1.0, -3.0)
        return images + self.shade, logits[:, None].expand(-1, 2), images.mean(dim=1, keepdim=True)


class Critic(nn.Module):
    """Finds an image as real as it is bright, and says a number by its activation map."""

    def __init__(self, activation: float) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        patches = images.mean(dim=1, keepdim=True)
        return patches, torch.full((len(images), 2), self.activation), patches


def _with_stubs() -> tuple[Ugatit, Turn]:
    """Return a method whose networks can be computed by hand: source images are 0, target images 0.5."""
    method = build(lambda_gan=2.0)
    method.networks = {
        "generator_to_target": Painter(0.25),
        "generator_to_source": Painter(-0.125),
        **{f"global_{role}": Critic(0.5) for role in ("target", "source")},
        **{f"local_{role}": Critic(-1.0) for role in ("target", "source")},
    }
    source, target = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    return method, Turn({"source": source, "target": target}, 0)


def test_generator_losses_are_weighted_as_in_the_paper() -> None:
    method, turn = _with_stubs()
    losses = method._generator_losses(turn)
    # The fakes are 0.25 (target) and 0.375 (source); both ways back are off by 0.125.
    activations = (0.5 - 1) ** 2 + (-1 - 1) ** 2
    expected = {
        "gan_target": 2 * (2 * (0.25 - 1) ** 2 + activations),
        "gan_source": 2 * (2 * (0.375 - 1) ** 2 + activations),
        "cycle_target": 10 * 0.125,
        "cycle_source": 10 * 0.125,
        "identity_target": 10 * 0.25,
        "identity_source": 10 * 0.125,
        # Of the dark source it says 1, where the other domain is right; of the bright target -3, its own.
        "cam_target": 1000 * (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))),
        "cam_source": 1000 * (math.log(1 + math.exp(3)) + math.log(1 + math.exp(1))),
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_discriminator_losses_are_of_both_views_and_what_their_maps_say() -> None:
    method, turn = _with_stubs()
    losses = method._discriminator_losses(turn)
    activations = (0.5 - 1) ** 2 + (-1 - 1) ** 2 + 0.5**2 + (-1) ** 2
    expected = {
        "discriminator_target": 2 * (2 * (0.5 - 1) ** 2 + 2 * 0.25**2 + activations),
        "discriminator_source": 2 * (2 * (0 - 1) ** 2 + 2 * 0.375**2 + activations),
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_the_activation_map_is_to_find_the_other_domain_and_to_refuse_its_own() -> None:
    zeros = torch.zeros(1, 2)
    assert cam_loss(zeros, zeros).item() == pytest.approx(2 * math.log(2))
    assert cam_loss(zeros + 20, zeros - 20).item() == pytest.approx(0, abs=1e-6)
    assert cam_loss(zeros - 20, zeros + 20).item() == pytest.approx(40)


def test_discriminators_learn_first_and_leave_the_generators_alone(tmp_path: Path) -> None:
    method = build()
    turn = Turn(first_batch(tmp_path, "ugatit"), 0)
    discriminators, generators = method.phases()
    assert (discriminators.name, generators.name) == ("discriminators", "generators")

    torch.stack(list(discriminators.losses(turn).values())).sum().backward()
    assert holding_gradients(method) == set(DISCRIMINATORS)


@pytest.mark.parametrize(("moving", "names"), [(0, DISCRIMINATORS), (1, GENERATORS)])
def test_each_phase_moves_its_own_networks(tmp_path: Path, moving: int, names: tuple[str, ...]) -> None:
    method = build()
    moved = update(method, method.phases()[moving], Turn(first_batch(tmp_path, "ugatit"), 0))
    assert moved == set(names)


def test_every_rho_stays_between_0_and_1(tmp_path: Path) -> None:
    method = build(learning_rate=0.5)
    batch = first_batch(tmp_path, "ugatit")
    learn(method, batch, 3)
    assert all(rho.min() >= 0 and rho.max() <= 1 for rho in _rhos(method))
    assert any((rho == 0).any() or (rho == 1).any() for rho in _rhos(method)), "no rho came to a limit"


def test_the_decay_of_weights_draws_rho_too() -> None:
    method = build(learning_rate=0.01)
    for weights in method.parameters(*GENERATORS):
        weights.grad = torch.zeros_like(weights)
    method.optimizers["generator"].step()
    adaptive = [rho for rho in _rhos(method) if rho.max() > 0.5]
    assert adaptive
    assert all((rho < 0.9).all() for rho in adaptive)


def test_weights_depend_on_the_seed_alone() -> None:
    first, again, other = weights_of(build(0)), weights_of(build(0)), weights_of(build(1))
    assert not changed(first, again)
    assert changed(first, other) == set(first)


@pytest.mark.parametrize("light", [True, False])
def test_a_translation_is_of_its_own_input_and_without_gradients(light: bool) -> None:
    method = build(generator={"width": 4, "blocks": 1, "light": light})
    inputs = torch.rand(3, 3, 32, 32) * 2 - 1
    together = method.translate(inputs, "anime")
    assert together.shape == (3, 3, 32, 32)
    assert not together.requires_grad
    torch.testing.assert_close(together[1:2], method.translate(inputs[1:2], "anime"))
    assert not torch.equal(together, method.translate(inputs, "photo"))


def test_the_full_generator_looks_at_every_place() -> None:
    light, full = (
        build(generator={"width": 4, "blocks": 1, "light": light}).networks[GENERATORS[0]].state_dict()
        for light in (True, False)
    )
    places = (32 // 4) ** 2
    assert light["style.0.weight"].shape == (16, 16)
    assert full["style.0.weight"].shape == (16, 16 * places)


def test_samples_show_where_the_generator_looks(tmp_path: Path) -> None:
    method = build()
    inputs = method.sample_inputs(open_dataset(tmp_path, "ugatit"), 4)
    columns = method.sample_columns(inputs)
    assert [tuple(column.shape[1:]) for column in columns] == 2 * [
        (3, 32, 32),
        (1, 32, 32),
        (3, 32, 32),
        (3, 32, 32),
    ]
    assert torch.equal(columns[0], inputs["source"])
    assert all(column.min() >= -1 and column.max() <= 1 for column in columns)


def test_a_heat_map_goes_from_black_to_white_and_is_black_where_all_is_alike() -> None:
    attention = torch.tensor([[3.0, 5.0], [4.0, 7.0]])[None, None]
    shown = heat_map(torch.cat([attention, torch.full_like(attention, 6.0)]), 2)
    assert shown[0, 0].tolist() == [[-1, 0], [-0.5, 1]]
    assert (shown[1] == -1).all()
    assert heat_map(attention, 8).shape == (1, 1, 8, 8)


@pytest.mark.parametrize("size_px", [32, 64, 128, 256, 512])
@pytest.mark.parametrize("name", ["global_layers", "local_layers"])
def test_layers_that_the_image_is_too_small_for_are_refused_with_the_fix(size_px: int, name: str) -> None:
    most = most_layers(size_px)
    experiment("ugatit", size_px=size_px, discriminator={**JUDGES, name: most})
    with pytest.raises(UserError, match=rf"discriminator\.{name}.*{size_px} px; set it to {most} or fewer"):
        experiment("ugatit", size_px=size_px, discriminator={**JUDGES, name: most + 1})


def test_the_papers_layers_do_not_fit_on_64_px() -> None:
    with pytest.raises(UserError, match=r"discriminator\.global_layers: 7 layers .* set it to 6 or fewer"):
        experiment("ugatit", size_px=64, discriminator={})
    assert experiment("ugatit", size_px=128, discriminator={}).size_px == 128
