"""What holds for every method, whatever its paper says."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.datasets.arrays import Dataset
from pipeline.datasets.loading import Loader
from pipeline.errors import UserError
from pipeline.methods import TRANSLATORS
from pipeline.methods.base import Arithmetic, Method, Phase, Turn, train_step
from tests.methods.stepping import build, changed, first_batch, holding_gradients, learn
from tests.methods.tiny_dataset import experiment, open_dataset


def _loader(method: Method, dataset: Dataset, name: str, **options: Any) -> Loader:
    return Loader(dataset, experiment(name, **options), 0, method.draws, method.conditions)


def _states(method: Method) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, network in method.networks.items()
        for key, value in network.state_dict().items()
    }


@pytest.mark.parametrize("name", TRANSLATORS)
def test_steps_move_every_network_and_only_report_numbers(tmp_path: Path, name: str) -> None:
    dataset, method = open_dataset(tmp_path, name), build(name)
    before = {key: next(iter(network.parameters())).clone() for key, network in method.networks.items()}
    loader = _loader(method, dataset, name)
    for step in range(2):
        losses = train_step(method, [Turn(loader.batch(step), step)])
        assert losses
        assert all(loss.shape == () and not loss.requires_grad for loss in losses.values())
    for key, network in method.networks.items():
        assert not torch.equal(before[key], next(iter(network.parameters()))), key


@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_weights_that_training_starts_from_depend_on_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    first = _states(build(name))
    torch.manual_seed(2)
    again = _states(build(name))
    other = _states(build(name, seed=1))
    assert not changed(first, again)
    assert changed(first, other)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_every_optimised_weight_belongs_to_one_optimiser(name: str) -> None:
    method = build(name)
    optimised = [
        id(weights)
        for optimizer in method.optimizers.values()
        for group in optimizer.param_groups
        for weights in group["params"]
    ]
    learnt = {id(weights) for key in method.networks for weights in method.parameters(key)}
    assert len(optimised) == len(set(optimised))
    assert set(optimised) == learnt


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translation_depends_on_its_own_input_alone(tmp_path: Path, name: str) -> None:
    dataset, method = open_dataset(tmp_path, name), build(name)
    for way in method.ways():
        inputs = method.inputs(dataset.domains[way.of], np.array([1, 2, 3]))
        together = method.translate(inputs, way.to)
        size = experiment(name).size_px
        assert together.shape == (3, 3, size, size)
        assert not together.requires_grad
        assert together.abs().max() <= 1
        torch.testing.assert_close(together[1:2], method.translate(inputs[1:2], way.to), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_samples_are_of_validation_faces_and_leave_no_trace(tmp_path: Path, name: str) -> None:
    dataset, method = open_dataset(tmp_path, name), build(name)
    before = _states(method)
    columns = method.sample_columns(method.sample_inputs(dataset, 4))
    assert all(
        len(column) == 1 and column.shape[1] in (1, 3) and not column.requires_grad for column in columns
    )
    assert not changed(before, _states(method))
    assert not holding_gradients(method)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_state_of_a_method_survives_being_saved(tmp_path: Path, name: str) -> None:
    """Together with networks, optimisers and torch's randomness, which the trainer keeps."""
    dataset = open_dataset(tmp_path, name)
    first, second = build(name), build(name)
    loader = _loader(first, dataset, name)
    for step in range(3):
        train_step(first, [Turn(loader.batch(step), step)])
    for key, network in second.networks.items():
        network.load_state_dict(first.networks[key].state_dict())
    for key, optimizer in second.optimizers.items():
        optimizer.load_state_dict(deepcopy(first.optimizers[key].state_dict()))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True), torch.device("cpu"))
    losses = []
    for method in (first, second):
        torch.manual_seed(0)
        losses.append(train_step(method, [Turn(loader.batch(3), 3)]))
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", ["cyclegan", "pix2pix"])
def test_two_batches_make_one_step_whose_gradients_are_their_mean(tmp_path: Path, name: str) -> None:
    """Without batch norm and dropout a step on 2 x 1 images is the step on 1 x 2."""
    norm = (
        {"pool_size": 0}
        if name == "cyclegan"
        else {"discriminator": {"width": 8, "layers": 2, "norm": "instance"}}
    )
    if name == "pix2pix":
        norm["generator"] = {"width": 8, "norm": "instance"}
    dataset = open_dataset(tmp_path, name, **norm)
    one, two = build(name, **norm), build(name, batch_size=2, **norm)
    batch = _loader(two, dataset, name, batch_size=2, **norm).batch(0)
    halves = [{key: value[part : part + 1] for key, value in batch.items()} for part in range(2)]
    for method in (one, two):
        for network in method.networks.values():
            network.eval()
    train_step(one, [Turn(half, 0) for half in halves])
    train_step(two, [Turn(batch, 0)])
    for key in one.networks:
        for first, second in zip(one.parameters(key), two.parameters(key), strict=True):
            torch.testing.assert_close(first.grad, second.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "watched", "steps"),
    [
        (
            "discogan",
            {"width": 8, "learning_rate": 1e-2, "starting_steps": 0, "rate": 0.9},
            "reconstruction",
            24,
        ),
        ("munit", {"learning_rate": 4e-3}, "image", 12),
        ("ugatit", {"learning_rate": 4e-3}, "cycle", 10),
    ],
    ids=["discogan", "munit", "ugatit"],
)
def test_one_batch_is_learnt_by_heart(
    tmp_path: Path, name: str, options: dict[str, Any], watched: str, steps: int
) -> None:
    torch.manual_seed(0)
    method, batch = build(name, **options), first_batch(tmp_path, name, **options)
    history = learn(method, batch, steps, f"{watched}_source", f"{watched}_target")
    assert history[-1] < history[0] / 5, history


def test_a_frozen_network_passes_gradients_on_and_keeps_none() -> None:
    network, weights = torch.nn.Linear(1, 1), torch.nn.Parameter(torch.ones(1))

    class OneWeight(Method):
        def __init__(self) -> None:
            self.networks = {"judge": network}
            self.optimizers = {"weights": torch.optim.SGD([weights], lr=0.1)}

        def phases(self) -> tuple[Phase, ...]:
            return (
                Phase("only", ("weights",), lambda _: {"loss": network(weights).sum()}, frozen=("judge",)),
            )

    OneWeight.__abstractmethods__ = frozenset()
    train_step(OneWeight(), [Turn({}, 0)], Arithmetic())
    assert weights.item() == pytest.approx(1 - 0.1 * network.weight.item())
    assert network.weight.grad is None
    assert network.weight.requires_grad


def test_bf16_keeps_the_losses_in_fp32(tmp_path: Path) -> None:
    dataset, method = open_dataset(tmp_path, "cyclegan"), build("cyclegan")
    arithmetic = Arithmetic(autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    losses = train_step(method, [Turn(_loader(method, dataset, "cyclegan").batch(0), 0)], arithmetic)
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())


def test_a_dataset_without_faces_to_train_on_is_named(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path, "cyclegan", count=2)
    with pytest.raises(UserError, match="photo: the dataset has no face to train on"):
        _loader(build("cyclegan"), dataset, "cyclegan")
