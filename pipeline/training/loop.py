"""The training loop of every method, from a dataset folder to finished weights, curves and samples."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch.optim import Optimizer

from pipeline.datasets.arrays import load_dataset
from pipeline.errors import UserError
from pipeline.methods import Method, build_method
from pipeline.progress import counter
from pipeline.training.checkpoints import CHECKPOINT_NAME, load_checkpoint, save_checkpoint, save_weights
from pipeline.training.curves import Curves
from pipeline.training.reproducible import reproducible
from pipeline.training.samples import save_grid

try:
    from lightning_fabric import Fabric
except ModuleNotFoundError:  # the same library inside the package `lightning`
    from lightning.fabric import Fabric  # type: ignore[import-not-found, no-redef]

LOG_EVERY = 10
CHECKPOINTS = 5
SAMPLES = 4
WEIGHTS = "weights"


class Diverged(UserError):
    """A loss is no longer a number."""


def train(dataset_folder: Path, checkpoint_folder: Path, out_folder: Path, accelerator: str = "auto") -> None:
    """Train the dataset's experiment, or go on where its checkpoint stands.

    `out_folder` gets `weights/<network>.safetensors`, `curves/<loss>.tsv` and `samples/step-000050.png`;
    `checkpoint_folder` one checkpoint and its own copy of the samples. An interruption (SIGTERM, Ctrl-C) ends
    the step, saves and leaves; after a kill the training goes on from the last fifth of its steps. On the CPU
    it comes out bit for bit as if undisturbed, for all arithmetic is deterministic, batches depend on seed
    and step alone, and the number of threads, on which sums depend, is always the same.
    """
    dataset = load_dataset(dataset_folder)
    experiment, steps = dataset.experiment, int(dataset.experiment["steps"])
    save_every = max(steps // CHECKPOINTS, 1)
    fabric = Fabric(accelerator=accelerator, devices=1, precision=experiment.get("precision", "32-true"))
    with reproducible(fabric.device), _noted_signals() as signals:
        method, curves = _set_up(fabric, experiment), Curves()
        step = load_checkpoint(checkpoint_folder, experiment, method, curves, fabric.device)
        _restore_samples(checkpoint_folder, out_folder)
        inputs = fabric.to_device(method.sample_inputs(dataset, SAMPLES))
        with counter(f"training {experiment['name']}", steps, "step") as progress:
            progress.update(step)
            while step < steps:
                _set_learning_rate(method, step, steps)
                batch = fabric.to_device(method.batch(dataset, "train", step))
                curves.add(method.training_step(batch, step, fabric.backward))
                step += 1
                progress.update()
                log = step % LOG_EVERY == 0 or step == steps
                save = step % save_every == 0 or step == steps
                if log or save or signals:
                    _refuse_divergence(curves, step, checkpoint_folder)
                if log:
                    progress.set_postfix(curves.close_window(step), refresh=False)
                if save:
                    _save_samples(checkpoint_folder, out_folder, method, inputs, step)
                if save or signals:
                    save_checkpoint(checkpoint_folder, experiment, method, curves, step)
                    curves.write(out_folder / "curves")
                if signals:
                    _leave(signals[0])
    curves.write(out_folder / "curves")
    save_weights(out_folder / WEIGHTS, method)


def _set_up(fabric: Fabric, experiment: dict[str, Any]) -> Method:
    """Build the method from the experiment's seed; each network and optimiser is set up on its own."""
    torch.manual_seed(experiment["seed"])
    method = build_method(experiment, torch.Generator().manual_seed(experiment["seed"]))
    for name, network in method.networks.items():
        method.networks[name] = fabric.setup_module(network)
    for name, optimizer in method.optimizers.items():
        method.optimizers[name] = cast(Optimizer, fabric.setup_optimizers(optimizer))
    return method


def learning_rate_factor(step: int, steps: int) -> float:
    """Return 1 over the first half of the steps (counted from 0), then on a line that reaches 0 at the end."""
    return min(1.0, (steps - step) / (steps - steps // 2))


def _set_learning_rate(method: Method, step: int, steps: int) -> None:
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * learning_rate_factor(step, steps)


def _refuse_divergence(curves: Curves, step: int, checkpoint_folder: Path) -> None:
    if divergence := curves.find_divergence(step):
        checkpoint = checkpoint_folder / CHECKPOINT_NAME
        good = f"the last good state is {checkpoint}" if checkpoint.exists() else "there is no checkpoint yet"
        raise Diverged(
            f"the loss {divergence.loss} is not a finite number in step {divergence.step}; {good}; "
            "lower learning_rate or the loss's weight"
        )


def _save_samples(
    checkpoint_folder: Path, out_folder: Path, method: Method, inputs: dict[str, torch.Tensor], step: int
) -> None:
    columns = method.sample_columns(inputs)
    for folder in (checkpoint_folder, out_folder):
        save_grid(folder / "samples" / f"step-{step:06d}.png", columns)


def _restore_samples(checkpoint_folder: Path, out_folder: Path) -> None:
    """Bring back the samples of before an interruption: DVC empties a stage's outputs before it runs."""
    if (checkpoint_folder / "samples").exists():
        shutil.copytree(checkpoint_folder / "samples", out_folder / "samples", dirs_exist_ok=True)


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Yield the list of SIGTERM and SIGINT received: a step is never cut in two. The second one acts at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, previous[signal.Signals(number)])

    for number in previous:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _leave(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
