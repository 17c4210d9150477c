"""How long a training step takes, plain and tuned, in the same run: `python -m benchmarks.train_step [METHOD …]`.

Plain is eager fp32 in the layout NCHW with an unfused Adam and PyTorch's own settings, as public training code runs.
Each further row adds one option of an experiment to the row before it, as far as this machine can use it. The rows
take turns over several rounds, so that whatever else the machine does hits them alike; what compiling takes is not
counted. On a GPU the peak of the memory is printed too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.datasets.arrays import load_dataset, write_domain
from pipeline.experiments import as_dict, read_experiment
from pipeline.methods import METHODS
from pipeline.training.machine import Machine
from pipeline.training.reproducible import CPU_THREADS, reproducible
from pipeline.training.session import Session

Settings = Callable[[torch.device], AbstractContextManager[None]]
FACES = 64
PLAIN: dict[str, Any] = {"channels_last": False, "fused": False, "precision": "fp32", "compile": "none"}
SETTINGS = (
    "+ the trainer's settings"  # on the CPU the same bits every time; on a GPU fastest algorithms and TF32
)
ON_CPU = (
    ("plain", PLAIN),
    (SETTINGS, {}),
    ("+ fused Adam", {"fused": True}),
    ("+ torch.compile", {"compile": "default"}),
    ("+ channels_last", {"channels_last": True}),
)
ON_GPU = (
    ("plain", PLAIN),
    (SETTINGS, {}),
    ("+ fused Adam", {"fused": True}),
    ("+ channels_last", {"channels_last": True}),
    ("+ bf16", {"precision": "bf16"}),
    ("+ torch.compile", {"compile": "default"}),
    ("+ CUDA graphs", {"compile": "reduce-overhead"}),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("methods", nargs="*", default=["cyclegan"], metavar="METHOD", help=", ".join(METHODS))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5, help="steps of each row in each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--options", type=json.loads, default={}, help="more options of the experiment, as JSON"
    )
    given = parser.parse_args()
    for method in given.methods:
        compare(method, given)


def compare(method: str, given: argparse.Namespace) -> None:
    """Print a table of one method's rows."""
    on_gpu = torch.cuda.is_available()
    rows = ON_GPU if on_gpu else ON_CPU
    if not on_gpu:
        print("no GPU here: bf16 and CUDA graphs are not measured")
    where = torch.cuda.get_device_name() if on_gpu else "one thread of the CPU"
    print(f"{method}, {given.size} px, batch {given.batch}, torch {torch.__version__}, {where}")
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {}
        steppers = {}
        settings: Settings = pytorchs_own
        for name, added in rows:
            options = options | added
            settings = reproducible if name == SETTINGS else settings
            steppers[name] = stepper(Path(folder) / name, method, given, options, settings)
        seconds: dict[str, list[float]] = {name: [] for name in steppers}
        peaks = {}
        for _ in range(given.rounds):
            for name, do_steps in steppers.items():
                elapsed, peaks[name] = do_steps(given.steps)
                seconds[name].append(elapsed / given.steps)
    show(seconds, peaks, given.batch)


def stepper(
    folder: Path, method: str, given: argparse.Namespace, options: dict[str, Any], settings: Settings
) -> Callable[[int], tuple[float, float]]:
    """Return a function that does so many steps and gives the seconds and the peak of the GPU's memory in MiB."""
    experiment = read_experiment(
        {
            "method": method,
            "domains": ["photo", "anime"],
            "size_px": given.size,
            "steps": 1000,
            "batch_size": given.batch,
            **given.options,
            **options,
        }
    )
    write_faces(folder, experiment.size_px, experiment.load_px, as_dict(experiment))
    machine = Machine(experiment, "auto")
    session = Session(load_dataset(folder), experiment, 0, machine, folder / "checkpoints")
    turns = session.turns()

    def do_steps(count: int) -> tuple[float, float]:
        with settings(machine.device):
            session.advance(turns())  # warm: compiled, captured, in the caches
            synchronise(machine.device, reset=True)
            start = time.perf_counter()
            for _ in range(count):
                session.advance(turns())
            synchronise(machine.device)
            elapsed = time.perf_counter() - start
        peak = torch.cuda.max_memory_allocated() / 2**20 if machine.device.type == "cuda" else 0.0
        return elapsed, peak

    return do_steps


@contextmanager
def pytorchs_own(_: torch.device) -> Iterator[None]:
    """Leave PyTorch as it is, but for the one thread that it computes with."""
    threads = torch.get_num_threads()
    torch.set_num_threads(CPU_THREADS)
    yield
    torch.set_num_threads(threads)


def write_faces(folder: Path, size_px: int, load_px: int, experiment: dict[str, Any]) -> None:
    """Write a dataset of noise; what a picture shows does not change how long a step takes."""
    rng = np.random.default_rng(0)
    for domain in experiment["domains"]:
        images = rng.integers(0, 256, (FACES, size_px, size_px, 3), np.uint8)
        points = rng.uniform(0.2 * size_px, 0.8 * size_px, (FACES, 68, 2)).astype(np.float32)
        rows = [{"face_id": f"{n:04}", "split": "train"} for n in range(FACES)]
        write_domain(folder, domain, images, FACES, size_px, points, rows)
        np.save(folder / f"{domain}.large.npy", rng.integers(0, 256, (FACES, load_px, load_px, 3), np.uint8))
    (folder / "experiment.json").write_text(json.dumps({"name": "bench", **experiment}))


def synchronise(device: torch.device, reset: bool = False) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
        if reset:
            torch.cuda.reset_peak_memory_stats()


def show(seconds: dict[str, list[float]], peaks: dict[str, float], batch: int) -> None:
    """Print each row's seconds per step, images per second, and how it compares with plain in the same rounds."""
    plain = seconds["plain"]
    for name, measured in seconds.items():
        ratio = statistics.median(own / other for own, other in zip(measured, plain, strict=True))
        median = statistics.median(measured)
        memory = f"  {peaks[name]:8.0f} MiB" if peaks[name] else ""
        print(
            f"{name:28} {median * 1000:9.1f} ms/step  {batch / median:8.2f} images/s  "
            f"{ratio:5.2f} of plain's time, {1 / ratio:5.2f} times its speed{memory}"
        )


if __name__ == "__main__":
    main()
