import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.datasets.arrays import load_dataset
from pipeline.errors import UserError
from pipeline.methods.cyclegan import CycleGan
from pipeline.methods.pix2pix import Pix2Pix
from pipeline.training.checkpoints import load_weights
from pipeline.training.curves import Curves
from pipeline.training.loop import Diverged, learning_rate_factor, train
from tests.methods.tiny_dataset import write_dataset

METHODS = {"cyclegan": CycleGan, "pix2pix": Pix2Pix}


def _train(folder: Path, run: str) -> None:
    train(folder / "dataset", folder / run / "checkpoints", folder / run / "out", accelerator="cpu")


def _outputs(folder: Path, run: str) -> dict[str, bytes]:
    out = folder / run / "out"
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.*"))}


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes something happen in one step of a method's training, from inside."""

    def install(name: str, step: int, happen: Callable[[dict], None]) -> None:
        original = METHODS[name].training_step

        def training_step(self: Any, batch: dict, now: int, backward: Any) -> dict:
            losses = original(self, batch, now, backward)
            if now == step:
                happen(losses)
            return losses

        monkeypatch.setattr(METHODS[name], "training_step", training_step)

    return install


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_5_steps_and_5_more_are_10_steps_bit_for_bit(
    tmp_path: Path, name: str, number: int, error: type[BaseException], at_step: Callable[..., None]
) -> None:
    write_dataset(tmp_path / "dataset", name, size_px=64 if name == "pix2pix" else 32)
    _train(tmp_path, "whole")
    torch.rand(3)
    at_step(name, 4, lambda _: os.kill(os.getpid(), number))
    with pytest.raises(error):
        _train(tmp_path, "halves")
    checkpoint = torch.load(tmp_path / "halves/checkpoints/checkpoint.pt", weights_only=True)
    assert checkpoint["step"] == 5
    _train(tmp_path, "halves")
    assert _outputs(tmp_path, "halves") == _outputs(tmp_path, "whole")


_KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.methods import cyclegan
from pipeline.training.loop import train

original = cyclegan.CycleGan.training_step

def training_step(self, batch, step, backward):
    if step == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, batch, step, backward)

cyclegan.CycleGan.training_step = training_step
train(*map(Path, sys.argv[1:]), accelerator="cpu")
"""


def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", "cyclegan")
    folders = [dataset, tmp_path / "killed/checkpoints", tmp_path / "killed/out"]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *map(str, folders)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    _train(tmp_path, "killed")
    _train(tmp_path, "whole")
    assert _outputs(tmp_path, "killed") == _outputs(tmp_path, "whole")


def test_the_machines_threads_change_nothing(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "cyclegan", steps=3)
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            _train(tmp_path, f"{threads}-threads")
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert _outputs(tmp_path, "1-threads") == _outputs(tmp_path, "3-threads")


@pytest.mark.parametrize("name", METHODS)
def test_a_finished_training_is_done_and_its_weights_translate(tmp_path: Path, name: str) -> None:
    dataset = load_dataset(write_dataset(tmp_path / "dataset", name))
    _train(tmp_path, "run")
    outputs = _outputs(tmp_path, "run")
    assert [path for path in outputs if "samples" in path] == [
        f"samples/step-{step:06d}.png" for step in (2, 4, 6, 8, 10)
    ]
    with Image.open(tmp_path / "run/out/samples/step-000010.png") as grid:
        assert grid.size == (6 * 32, 32)
    _train(tmp_path, "run")
    assert _outputs(tmp_path, "run") == outputs
    method = load_weights(tmp_path / "run/out/weights", dataset.experiment)
    inputs = method.inputs(dataset.domains["photo"], dataset.domains["photo"].indices("test"))
    assert method.translate(inputs, "anime").shape == (1, 3, 32, 32)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_divergence_stops_with_the_step_the_loss_and_the_checkpoint(
    tmp_path: Path, value: float, at_step: Callable[..., None]
) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=20)
    at_step("pix2pix", 6, lambda losses: losses["l1"].fill_(value))
    with pytest.raises(Diverged, match=r"loss l1 .* in step 7; the last good state is .*checkpoint\.pt"):
        _train(tmp_path, "run")
    checkpoint = torch.load(tmp_path / "run/checkpoints/checkpoint.pt", weights_only=True)
    assert checkpoint["step"] == 4


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(tmp_path / "owned"),))

    write_dataset(tmp_path / "dataset", "pix2pix")
    checkpoint = tmp_path / "run/checkpoints/checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))):
        write({"step": Evil()}, checkpoint)
        with pytest.raises(UserError, match="damaged or no checkpoint"):
            _train(tmp_path, "run")
    assert not (tmp_path / "owned").exists()


def test_a_cut_off_checkpoint_is_named(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=2)
    _train(tmp_path, "run")
    checkpoint = tmp_path / "run/checkpoints/checkpoint.pt"
    for kept in (0, 100, checkpoint.stat().st_size // 2):
        checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
        with pytest.raises(UserError, match=r"checkpoint\.pt is damaged"):
            _train(tmp_path, "run")


def test_a_checkpoint_of_another_experiment_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=2)
    _train(tmp_path, "run")
    write_dataset(tmp_path / "dataset", "pix2pix", steps=2, lambda_l1=1)
    with pytest.raises(UserError, match="other options"):
        _train(tmp_path, "run")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path / "dataset", "pix2pix"))
    with pytest.raises(UserError, match=r"generator\.safetensors is missing"):
        load_weights(tmp_path, dataset.experiment)


def test_the_learning_rate_is_constant_then_falls_in_a_line() -> None:
    assert [learning_rate_factor(step, 8) for step in range(8)] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert learning_rate_factor(0, 1) == 1


def test_the_learning_rate_reaches_the_optimisers(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=8)
    _train(tmp_path, "run")
    checkpoint = torch.load(tmp_path / "run/checkpoints/checkpoint.pt", weights_only=True)
    for optimizer in checkpoint["optimizers"].values():
        assert optimizer["param_groups"][0]["lr"] == pytest.approx(2e-4 / 4)


def test_curves_are_means_in_the_layout_of_dvc_plots(tmp_path: Path) -> None:
    curves = Curves()
    for window in ((1.0, 3.0), (5.0,)):
        for value in window:
            curves.add({"l1": torch.tensor(value)})
        curves.close_window(10 if len(window) == 2 else 11)
    curves.write(tmp_path)
    assert (tmp_path / "l1.tsv").read_text() == "step\tl1\n10\t2\n11\t5\n"


def test_the_curves_reach_from_the_first_window_to_the_last_step(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=13)
    _train(tmp_path, "run")
    lines = (tmp_path / "run/out/curves/gan.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["step", "10", "13"]


def test_training_works_outside_the_main_thread(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=2)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_train, tmp_path, "run").result()
    assert (tmp_path / "run/out/weights/generator.safetensors").exists()
