"""A training that is killed at ten moments, wherever it is then, ends in the weights of one that is left alone."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.real_pictures import REPOSITORY
from pipeline.training.checkpoints import list_checkpoints, step_of
from pipeline.training.loop import train
from tests.methods.tiny_dataset import write_dataset

_TRAIN = """
import sys
from pathlib import Path
from pipeline.training.loop import train

train(*map(Path, sys.argv[1:]), accelerator="cpu")
"""


def _outputs(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.*"))}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["cyclegan", "pix2pix"])
def test_ten_kills_change_no_byte(tmp_path: Path, name: str) -> None:
    steps = 600 if name == "cyclegan" else 1500
    dataset = write_dataset(tmp_path / "dataset", name, steps=steps, checkpoint_every=7, ema=0.99)
    train(dataset, tmp_path / "whole/checkpoints", tmp_path / "whole/out", accelerator="cpu")
    folders = [dataset, tmp_path / "killed/checkpoints", tmp_path / "killed/out"]
    randomness, reached = random.Random(0), []
    for _ in range(10):
        saved = list_checkpoints(folders[1] / "seed-0")
        process = subprocess.Popen(
            [sys.executable, "-c", _TRAIN, *map(str, folders)], cwd=REPOSITORY, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and list_checkpoints(folders[1] / "seed-0")[:1] == saved[:1]:
            time.sleep(0.01)  # it has started when it has saved again
        time.sleep(randomness.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was done before it could be killed: raise steps"
        reached.append(step_of(list_checkpoints(folders[1] / "seed-0")[0]))
    assert reached == sorted(set(reached)), "each run goes on from where the one before was"
    subprocess.run([sys.executable, "-c", _TRAIN, *map(str, folders)], cwd=REPOSITORY, check=True)
    assert _outputs(tmp_path / "killed/out") == _outputs(tmp_path / "whole/out")
