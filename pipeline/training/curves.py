"""The losses of a training: averaged, checked for divergence, and written as curves that DVC plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline.parts import atomic_path

# No loss of a training that goes well comes near it, whatever its weight.
EXPLODED = 1e6


class Divergence(NamedTuple):
    """The first loss that was no number or exploded, what it was, and in which step, counted from 1."""

    loss: str
    value: float
    step: int


class Curves:
    """Means of every loss over windows of steps; losses stay on the device until their window is closed.

    A loss that is not part of every step is averaged over the steps that have it.
    """

    def __init__(self) -> None:
        self._steps: dict[str, list[int]] = {}
        self._means: dict[str, list[float]] = {}
        self._window: list[dict[str, Tensor]] = []

    def add(self, losses: dict[str, Tensor]) -> None:
        """Take one step's losses."""
        self._window.append(losses)

    def find_divergence(self, step: int) -> Divergence | None:
        """Return the first loss of the open window that is beyond all bounds; `step` is the last one added."""
        found = [
            (row, name, loss) for row, losses in enumerate(self._window) for name, loss in losses.items()
        ]
        if not found:
            return None
        values = torch.stack([loss.float() for _, _, loss in found])
        broken = (~(values.abs() < EXPLODED)).nonzero().flatten().tolist()
        if not broken:
            return None
        row, name, _ = found[broken[0]]
        return Divergence(name, values[broken[0]].item(), step - len(self._window) + 1 + row)

    def close_window(self, step: int) -> dict[str, float]:
        """Return the means since the last closed window and keep them as the curves' next points."""
        gathered: dict[str, list[Tensor]] = {}
        for losses in self._window:
            for name, loss in losses.items():
                gathered.setdefault(name, []).append(loss.float())
        names = list(gathered)
        # One transfer from the device for all losses.
        values = torch.stack([torch.stack(gathered[name]).mean() for name in names]).tolist() if names else []
        self._window = []
        for name, mean in zip(names, values, strict=True):
            self._steps.setdefault(name, []).append(step)
            self._means.setdefault(name, []).append(mean)
        return dict(zip(names, values, strict=True))

    def write(self, folder: Path, suffix: str = "") -> None:
        """Write `<loss><suffix>.tsv` with the columns `step` and `<loss>`, which is how DVCLive lays plots out."""
        for name, means in self._means.items():
            lines = [
                f"step\t{name}",
                *(f"{step}\t{mean:.6g}" for step, mean in zip(self._steps[name], means, strict=True)),
            ]
            with atomic_path(folder / f"{name}{suffix}.tsv") as path:
                path.write_text("\n".join(lines) + "\n")

    def state_dict(self) -> dict[str, Any]:
        """Return the points so far and the open window."""
        return {"steps": self._steps, "means": self._means, "window": self._window}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a state that `state_dict` returned."""
        self._steps, self._means = state["steps"], state["means"]
        self._window = [
            {name: loss.to(device) for name, loss in losses.items()} for losses in state["window"]
        ]
