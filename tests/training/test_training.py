"""One trainer for every method: interruptions, kills, damage, divergence, averages, seeds, warm starts."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image

from pipeline.datasets.arrays import load_dataset
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.methods import build_method
from pipeline.methods.base import Translator, Turn
from pipeline.training import session
from pipeline.training.checkpoints import list_checkpoints, load_weights, step_of
from pipeline.training.curves import Curves
from pipeline.training.loop import train
from pipeline.training.session import Diverged
from tests.methods.tiny_dataset import METHODS, write_dataset

TWO = ("cyclegan", "pix2pix")
AVERAGED = {"ema": 0.9, "accumulate": 2, "batch_size": 2}


def _train(folder: Path, run: str, **options: Any) -> None:
    train(
        folder / "dataset", folder / run / "checkpoints", folder / run / "out", accelerator="cpu", **options
    )


def _outputs(folder: Path, run: str) -> dict[str, bytes]:
    out = folder / run / "out"
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.*"))}


def _checkpoints(folder: Path, run: str, seed: int = 0) -> list[Path]:
    return list_checkpoints(folder / run / "checkpoints" / f"seed-{seed}")


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes something happen in one step of a training, once its losses are known."""

    def install(step: int, happen: Callable[[dict], None]) -> None:
        original = session.train_step

        def train_step(method: Any, turns: list[Turn], arithmetic: Any) -> dict:
            losses = original(method, turns, arithmetic)
            if turns[0].step == step:
                happen(losses)
            return losses

        monkeypatch.setattr(session, "train_step", train_step)

    return install


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, AVERAGED) for name in METHODS), *((name, {}) for name in TWO)],
    ids=[*METHODS, *(f"{name}-plain" for name in TWO)],
)
def test_2_steps_and_2_more_are_4_steps_bit_for_bit(
    tmp_path: Path, name: str, options: dict[str, Any], at_step: Callable[..., None]
) -> None:
    write_dataset(tmp_path / "dataset", name, steps=4, **options)
    _train(tmp_path, "whole")
    torch.rand(3)
    at_step(1, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit):
        _train(tmp_path, "halves")
    assert step_of(_checkpoints(tmp_path, "halves")[0]) == 2
    _train(tmp_path, "halves")
    assert _outputs(tmp_path, "halves") == _outputs(tmp_path, "whole")


def test_ctrl_c_leaves_at_the_end_of_the_step(tmp_path: Path, at_step: Callable[..., None]) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix")
    at_step(2, lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path, "run")
    assert step_of(_checkpoints(tmp_path, "run")[0]) == 3


_KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.training import session
from pipeline.training.loop import train

original = session.train_step

def train_step(method, turns, arithmetic):
    if turns[0].step == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(method, turns, arithmetic)

session.train_step = train_step
train(*map(Path, sys.argv[1:4]), accelerator="cpu")
"""


def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", "cyclegan")
    folders = [dataset, tmp_path / "killed/checkpoints", tmp_path / "killed/out"]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *map(str, folders), "7"], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert step_of(_checkpoints(tmp_path, "killed")[0]) == 6
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
def test_a_finished_training_is_done_and_its_weights_can_be_used(tmp_path: Path, name: str) -> None:
    dataset = load_dataset(write_dataset(tmp_path / "dataset", name))
    _train(tmp_path, "run")
    outputs = _outputs(tmp_path, "run")
    assert [path for path in outputs if "samples" in path] == [
        f"samples/seed-0/step-{step:06d}.png" for step in (2, 4, 6, 8, 10)
    ]
    size = read_experiment(dataset.experiment).size_px
    with Image.open(tmp_path / "run/out/samples/seed-0/step-000010.png") as grid:
        assert grid.width % size == 0
        assert grid.height == size
    _train(tmp_path, "run")
    assert _outputs(tmp_path, "run") == outputs
    method = load_weights(tmp_path / "run/out/weights/seed-0", read_experiment(dataset.experiment))
    if isinstance(method, Translator):
        inputs = method.inputs(dataset.domains["photo"], dataset.domains["photo"].indices("test"))
        assert method.translate(inputs, "anime").shape == (1, 3, size, size)


def test_max_steps_ends_early_and_a_later_run_goes_on(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "cyclegan")
    _train(tmp_path, "whole")
    _train(tmp_path, "early", max_steps=3)
    assert step_of(_checkpoints(tmp_path, "early")[0]) == 3
    assert _outputs(tmp_path, "early").keys() >= {"weights/seed-0/generator_to_target.safetensors"}
    _train(tmp_path, "early")
    (tmp_path / "early/out/samples/seed-0/step-000003.png").unlink()
    assert _weights_of(_outputs(tmp_path, "early")) == _weights_of(_outputs(tmp_path, "whole"))


def _weights_of(outputs: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in outputs.items() if name.startswith("weights")}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e7])
def test_divergence_stops_with_the_step_the_loss_and_the_checkpoint(
    tmp_path: Path, value: float, at_step: Callable[..., None]
) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=20)
    at_step(6, lambda losses: losses["l1"].fill_(value))
    with pytest.raises(Diverged, match=r"loss l1 is \S+ in step 7; the last good state is .*step-000000004"):
        _train(tmp_path, "run")
    assert step_of(_checkpoints(tmp_path, "run")[0]) == 4


def test_too_little_memory_says_what_to_lower(tmp_path: Path, at_step: Callable[..., None]) -> None:
    def run_out(_: dict) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has …")

    write_dataset(tmp_path / "dataset", "pix2pix", batch_size=3)
    at_step(0, run_out)
    with pytest.raises(UserError, match=r"lower batch_size \(3; .*size_px \(32\)"):
        _train(tmp_path, "run")


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(tmp_path / "owned"),))

    write_dataset(tmp_path / "dataset", "pix2pix", steps=1)
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))):
        _train(tmp_path, "run")
        checkpoint = _checkpoints(tmp_path, "run")[0]
        write({"step": Evil()}, checkpoint / "state.pt")
        (checkpoint / "manifest.json").write_text(json.dumps({"step": 1, "sha256": {}}))
        with pytest.raises(UserError, match="every checkpoint is damaged"):
            _train(tmp_path, "run")
        shutil.rmtree(tmp_path / "run")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("file", ["state.pt", "rank-0.pt", "networks.safetensors", "manifest.json"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix")
    _train(tmp_path, "whole")
    _train(tmp_path, "run", max_steps=6)
    newest = _checkpoints(tmp_path, "run")[0] / file
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    _train(tmp_path, "run")
    assert "trying the checkpoint before it" in capfd.readouterr().err
    assert _outputs(tmp_path, "run") == _outputs(tmp_path, "whole")


def test_only_the_last_checkpoints_are_kept_and_they_are_as_many_as_asked(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", checkpoint_every=3, keep_checkpoints=3)
    _train(tmp_path, "run")
    assert [step_of(path) for path in _checkpoints(tmp_path, "run")] == [10, 9, 8]


def test_a_checkpoint_of_another_experiment_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=2)
    _train(tmp_path, "run")
    write_dataset(tmp_path / "dataset", "pix2pix", steps=2, lambda_l1=1)
    with pytest.raises(UserError, match="other options"):
        _train(tmp_path, "run")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path / "dataset", "pix2pix"))
    with pytest.raises(UserError, match=r"generator\.safetensors is missing"):
        load_weights(tmp_path, read_experiment(dataset.experiment))


@pytest.mark.parametrize("name", TWO)
def test_each_seed_is_a_training_of_its_own(tmp_path: Path, name: str) -> None:
    write_dataset(tmp_path / "dataset", name, steps=2, seeds=[0, 3])
    _train(tmp_path, "both")
    write_dataset(tmp_path / "dataset", name, steps=2, seeds=[3])
    _train(tmp_path, "one")
    both, one = _outputs(tmp_path, "both"), _outputs(tmp_path, "one")
    networks = [path.removeprefix("weights/seed-3/") for path in one if path.startswith("weights/seed-3/")]
    for network in networks:
        assert both[f"weights/seed-3/{network}"] == one[f"weights/seed-3/{network}"]
        assert both[f"weights/seed-3/{network}"] != both[f"weights/seed-0/{network}"]
    loss = "gan_target" if name == "cyclegan" else "gan"
    assert both[f"curves/{loss}.seed-3.tsv"] == one[f"curves/{loss}.tsv"]


def test_averaged_weights_are_the_ones_that_translate(tmp_path: Path) -> None:
    for run, ema in (("plain", None), ("averaged", 0.9)):
        write_dataset(tmp_path / "dataset", "pix2pix", steps=2, ema=ema)
        _train(tmp_path, run)
    path = "weights/seed-0/generator.safetensors"
    plain, averaged = (safetensors.torch.load(_outputs(tmp_path, run)[path]) for run in ("plain", "averaged"))
    write_dataset(tmp_path / "dataset", "pix2pix", steps=2)
    _train(tmp_path, "first", max_steps=1)
    # The trained networks are the same in all three runs: the average takes the first step whole, then a tenth.
    first = safetensors.torch.load(_outputs(tmp_path, "first")[path])
    for name, value in averaged.items():
        torch.testing.assert_close(value, 0.9 * first[name] + 0.1 * plain[name])


def test_a_warm_start_begins_with_the_weights_in_the_dataset(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", "cyclegan", steps=1, learning_rate=1e-9)
    _train(tmp_path, "cold")
    shutil.copytree(tmp_path / "cold/out/weights/seed-0", dataset / "initial")
    write_dataset(dataset, "cyclegan", steps=1, learning_rate=1e-9, seeds=[7])
    _train(tmp_path, "warm")
    path = "generator_to_target.safetensors"
    cold = safetensors.torch.load(_outputs(tmp_path, "cold")[f"weights/seed-0/{path}"])
    warm = safetensors.torch.load(_outputs(tmp_path, "warm")[f"weights/seed-7/{path}"])
    for name, value in cold.items():
        torch.testing.assert_close(warm[name], value, atol=1e-6, rtol=0)


def test_a_warm_start_from_other_networks_is_refused(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", "pix2pix", steps=1)
    _train(tmp_path, "cold")
    shutil.copytree(tmp_path / "cold/out/weights/seed-0", dataset / "initial")
    write_dataset(dataset, "pix2pix", steps=1, generator={"width": 4})
    with pytest.raises(UserError, match="does not fit the experiment's networks"):
        _train(tmp_path, "warm")


def test_the_best_weights_are_those_with_the_lowest_score(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "cyclegan", select="best_val_kid")
    scores = iter([5.0, 3.0, 1.0, 2.0, 4.0])
    _train(tmp_path, "best", score=lambda *_: next(scores))
    selected = json.loads((tmp_path / "best/out/weights/seed-0/selected.json").read_text())
    assert selected == {"step": 6, "val_kid": 1.0}
    write_dataset(tmp_path / "dataset", "cyclegan")
    _train(tmp_path, "early", max_steps=6)
    path = "weights/seed-0/generator_to_target.safetensors"
    assert _outputs(tmp_path, "best")[path] == _outputs(tmp_path, "early")[path]


def test_selecting_without_a_score_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "cyclegan", select="best_val_kid")
    with pytest.raises(UserError, match="use select: last"):
        _train(tmp_path, "run")


def test_the_learning_rate_is_constant_then_falls_in_a_line(tmp_path: Path) -> None:
    method = build_method(read_experiment_of(tmp_path, "pix2pix"), torch.Generator())
    assert [method.learning_rate_factor(step, 8) for step in range(8)] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert method.learning_rate_factor(0, 1) == 1


def read_experiment_of(folder: Path, name: str) -> Any:
    return read_experiment(load_dataset(write_dataset(folder, name)).experiment)


def test_the_learning_rate_reaches_the_optimisers(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=8)
    _train(tmp_path, "run")
    state = torch.load(_checkpoints(tmp_path, "run")[0] / "state.pt", weights_only=True)
    for optimizer in state["optimizers"].values():
        assert optimizer["param_groups"][0]["lr"] == pytest.approx(2e-4 / 4)


def test_how_far_a_training_is_can_be_read_from_outside(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", "pix2pix", steps=10)
    _train(tmp_path, "run", status=tmp_path / "logs/run.json")
    status = json.loads((tmp_path / "logs/run.json").read_text())
    assert (status["step"], status["steps"], status["seed"]) == (10, 10, 0)
    assert status["losses"].keys() == {"discriminator", "gan", "l1"}


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
    assert (tmp_path / "run/out/weights/seed-0/generator.safetensors").exists()
