"""Two processes that each compute half of every step and average their gradients."""

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from benchmarks.real_pictures import REPOSITORY
from pipeline.methods import build_method
from pipeline.training.loop import train
from tests.methods.tiny_dataset import experiment, write_dataset

_ON_TWO = """
import sys
from pathlib import Path
from pipeline.training.loop import train

folders = [Path(folder) for folder in sys.argv[1:4]]
train(*folders, accelerator="cpu", devices=2)
"""


@pytest.mark.long
def test_two_processes_take_the_steps_of_one_with_two_batches(tmp_path: Path) -> None:
    options = {"steps": 4, "learning_rate": 1e-3, "pool_size": 0}
    dataset = write_dataset(tmp_path / "dataset", "cyclegan", **options)
    script = tmp_path / "on_two.py"
    script.write_text(_ON_TWO)
    folders = [dataset, tmp_path / "two/checkpoints", tmp_path / "two/out"]
    for _ in range(2):  # the second run finds everything done
        subprocess.run(
            [sys.executable, script, *folders], check=True, env={"PYTHONPATH": str(REPOSITORY)}, timeout=200
        )
    write_dataset(tmp_path / "dataset", "cyclegan", accumulate=2, **options)
    train(dataset, tmp_path / "one/checkpoints", tmp_path / "one/out", accelerator="cpu")
    one, two = (_weights(tmp_path / run / "out") for run in ("one", "two"))
    start = build_method(experiment("cyclegan", **options), torch.Generator().manual_seed(0))
    for network, weights in one.items():
        moved = weights - nn.utils.parameters_to_vector(start.networks[network].parameters())
        assert (two[network] - weights).norm() < 0.1 * moved.norm()


def _weights(out: Path) -> dict[str, torch.Tensor]:
    networks = {
        path.stem: safetensors.torch.load_file(path) for path in sorted((out / "weights/seed-0").iterdir())
    }
    return {
        name: torch.cat([weights[key].flatten() for key in _keys(name, weights)])
        for name, weights in networks.items()
    }


def _keys(name: str, weights: dict[str, torch.Tensor]) -> list[str]:
    """Return the weights' names in the order of the network's parameters."""
    network = build_method(experiment("cyclegan"), torch.Generator()).networks[name]
    return [key for key, _ in network.named_parameters() if key in weights]
