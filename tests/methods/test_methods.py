from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.datasets.arrays import Dataset, load_dataset
from pipeline.errors import UserError
from pipeline.methods import Method, build_method
from tests.methods.tiny_dataset import experiment, write_dataset

METHODS = ["cyclegan", "pix2pix"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _build(method: str, **options: Any) -> Method:
    return build_method(experiment(method, **options), torch.Generator().manual_seed(0))


def _backward(loss: Tensor) -> None:
    loss.backward()


def _weights(method: Method, name: str) -> Tensor:
    return torch.nn.utils.parameters_to_vector(method.networks[name].parameters()).detach().clone()


def _open(folder: Path, method: str, **options: Any) -> Dataset:
    return load_dataset(write_dataset(folder, method, **options))


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_depends_on_seed_and_step_alone(tmp_path: Path, name: str) -> None:
    dataset = _open(tmp_path, name, batch_size=4)
    method = _build(name, batch_size=4)
    batches = [method.batch(dataset, "train", step) for step in (7, 3, 7)]
    assert all(torch.equal(batches[0][key], batches[2][key]) for key in batches[0])
    assert not all(torch.equal(batches[0][key], batches[1][key]) for key in batches[0])
    other = _build(name, batch_size=4, seed=1).batch(dataset, "train", 7)
    assert not all(torch.equal(batches[0][key], other[key]) for key in other)
    assert all(len(value) == 4 for value in other.values())


def test_pix2pix_mirrors_landmarks_and_image_together(tmp_path: Path) -> None:
    dataset = _open(tmp_path, "pix2pix", batch_size=16)
    batch = _build("pix2pix", batch_size=16).batch(dataset, "train", 0)
    bright = batch["image"][:, 2] > 0
    assert bright.any()
    assert (batch["condition"][:, 0][bright] == 1).all()


def test_pix2pix_learns_from_no_face_without_landmarks(tmp_path: Path) -> None:
    dataset = _open(tmp_path, "pix2pix", batch_size=64)
    batch = _build("pix2pix", batch_size=64).batch(dataset, "train", 0)
    assert batch["condition"].flatten(1).any(dim=1).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_split_without_faces_is_named(tmp_path: Path, name: str) -> None:
    dataset = _open(tmp_path, name)
    with pytest.raises(UserError, match="no such faces"):
        _build(name).batch(dataset, "nowhere", 0)


@pytest.mark.parametrize("name", METHODS)
def test_a_step_moves_every_network_and_only_reports_losses(tmp_path: Path, name: str) -> None:
    method = _build(name)
    before = {network: _weights(method, network) for network in method.networks}
    losses = method.training_step(method.batch(_open(tmp_path, name), "train", 0), 0, _backward)
    assert all(not torch.equal(before[network], _weights(method, network)) for network in before)
    assert all(loss.shape == () and not loss.requires_grad for loss in losses.values())


@pytest.mark.parametrize(
    ("name", "role", "names"),
    [
        ("cyclegan", "generator", {"generator_to_target", "generator_to_source"}),
        ("cyclegan", "discriminator", {"discriminator_target", "discriminator_source"}),
        ("pix2pix", "generator", {"generator"}),
        ("pix2pix", "discriminator", {"discriminator"}),
    ],
)
def test_an_update_puts_gradients_on_no_other_network(
    tmp_path: Path, name: str, role: str, names: set[str]
) -> None:
    method = _build(name)
    batch = method.batch(_open(tmp_path, name), "train", 0)
    touched: list[set[str]] = []

    def backward(loss: Tensor) -> None:
        for network in method.networks.values():
            network.zero_grad(set_to_none=True)
        loss.backward()
        touched.append(
            {
                name
                for name, network in method.networks.items()
                if any(weights.grad is not None for weights in network.parameters())
            }
        )

    method.training_step(batch, 0, backward)
    order = ["generator", "discriminator"] if name == "cyclegan" else ["discriminator", "generator"]
    assert touched[order.index(role)] == names


def test_cyclegan_losses_are_weighted_as_in_the_paper(tmp_path: Path) -> None:
    dataset = _open(tmp_path, "cyclegan")
    plain = _build("cyclegan")
    batch = plain.batch(dataset, "train", 0)
    with torch.no_grad():
        source, target = batch["source"], batch["target"]
        to_target, to_source = plain.networks["generator_to_target"], plain.networks["generator_to_source"]
        cycle = (to_source(to_target(source)) - source).abs().mean()
        identity = (to_target(target) - target).abs().mean()
        judged = plain.networks["discriminator_target"](to_target(source))
        judged_real = plain.networks["discriminator_target"](target)
        adversarial = ((judged - 1) ** 2).mean()
        critic = 0.5 * (((judged_real - 1) ** 2).mean() + (judged**2).mean())
    losses = plain.training_step(batch, 0, _backward)
    torch.testing.assert_close(losses["cycle_source"], 10 * cycle)
    torch.testing.assert_close(losses["identity_target"], 5 * identity)
    torch.testing.assert_close(losses["gan_target"], adversarial)
    torch.testing.assert_close(losses["discriminator_target"], critic)


def test_cyclegan_without_identity_does_not_compute_it(tmp_path: Path) -> None:
    method = _build("cyclegan", lambda_identity=0)
    losses = method.training_step(method.batch(_open(tmp_path, "cyclegan"), "train", 0), 0, _backward)
    assert not any(name.startswith("identity") for name in losses)


@pytest.mark.parametrize(
    ("name", "loss", "steps", "factor"), [("cyclegan", "cycle", 60, 3), ("pix2pix", "l1", 60, 3)]
)
def test_one_batch_is_learnt_by_heart(
    tmp_path: Path, name: str, loss: str, steps: int, factor: float
) -> None:
    method = _build(name, learning_rate=2e-3)
    batch = method.batch(_open(tmp_path, name), "train", 0)
    history = [
        sum(
            value.item() for key, value in method.training_step(batch, step, _backward).items() if loss in key
        )
        for step in range(steps)
    ]
    assert history[-1] < history[0] / factor, (history[0], history[-1])


@pytest.mark.parametrize("name", METHODS)
def test_a_translation_depends_on_its_own_input_alone(tmp_path: Path, name: str) -> None:
    dataset, method = _open(tmp_path, name), _build(name)
    photos = dataset.domains["photo"]
    inputs = method.inputs(photos, np.array([1, 2, 3]))
    together = method.translate(inputs, "anime")
    assert together.shape == (3, 3, 32, 32)
    assert not together.requires_grad
    torch.testing.assert_close(together[1:2], method.translate(inputs[1:2], "anime"))


def test_cyclegan_translates_both_ways(tmp_path: Path) -> None:
    dataset, method = _open(tmp_path, "cyclegan"), _build("cyclegan")
    inputs = method.inputs(dataset.domains["photo"], np.array([1]))
    there, back = (method.translate(inputs, domain) for domain in ("anime", "photo"))
    assert not torch.equal(there, back)


def test_pix2pix_makes_the_target_domain_only() -> None:
    with pytest.raises(ValueError, match="images of anime only"):
        _build("pix2pix").translate(torch.zeros(1, 1, 32, 32), "photo")


@pytest.mark.parametrize("test_dropout", [False, True])
def test_dropout_is_noise_at_test_time_only_if_asked(test_dropout: bool) -> None:
    method = _build("pix2pix", size_px=64, test_dropout=test_dropout)
    plane = torch.rand(1, 1, 64, 64)
    first, second = method.translate(plane, "anime"), method.translate(plane, "anime")
    assert torch.equal(first, second) != test_dropout


@pytest.mark.parametrize("name", METHODS)
def test_samples_are_of_validation_faces(tmp_path: Path, name: str) -> None:
    dataset, method = _open(tmp_path, name), _build(name)
    columns = method.sample_columns(method.sample_inputs(dataset, 4))
    assert len(columns) == 6
    assert all(len(column) == 1 for column in columns)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UserError, match="'magic' is unknown; there are cyclegan, pix2pix"):
        build_method({"method": "magic"}, torch.Generator())


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(UserError, match="generator: depth unknown; there are blocks, upsample, width"):
        _build("cyclegan", generator={"depth": 3})
