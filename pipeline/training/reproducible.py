"""The same numbers every time: one thread and deterministic algorithms on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

CPU_THREADS = 1


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Hold what sums depend on while networks run on the CPU; leave other devices alone.

    Sums depend on the number of threads. With two, a training step at 64 px takes 0.7 times as long on an idle
    machine of two cores, and ten to a hundred times as long where anything else runs: they wait by spinning.
    """
    if device.type != "cpu":
        yield
        return
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(CPU_THREADS)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
