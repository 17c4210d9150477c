"""The same numbers every time: what sums depend on is held while networks run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

CPU_THREADS = 1


@contextmanager
def reproducible(device: torch.device, deterministic: bool = False) -> Iterator[None]:
    """Make the arithmetic on a device repeatable: on the CPU always, on a GPU where `deterministic` is asked for.

    Sums depend on the number of threads. With two, a training step at 64 px takes 0.7 times as long on an idle
    machine of two cores, and ten to a hundred times as long where anything else runs: they wait by spinning. On a GPU
    the fastest algorithms are chosen by trial and may differ from run to run unless they are held.
    """
    threads, held = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    benchmark, precision = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()
    # Nothing reads memory before it is written; filling it takes a tenth of a step at 64 px.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cpu":
        torch.set_num_threads(CPU_THREADS)
        torch.use_deterministic_algorithms(True)
    elif deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    else:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(held)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = benchmark
        torch.set_float32_matmul_precision(precision)
