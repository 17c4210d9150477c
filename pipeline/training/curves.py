"""The losses of a training: averaged, checked for divergence, and written as curves that DVC plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline.parts import atomic_path


class Divergence(NamedTuple):
    """The first loss that was no number, and in which step, counted from 1."""

    loss: str
    step: int


class Curves:
    """Means of every loss over windows of steps; losses stay on the device until their window is closed."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._means: dict[str, list[float]] = {}
        self._window: list[dict[str, Tensor]] = []

    def add(self, losses: dict[str, Tensor]) -> None:
        """Take one step's losses."""
        self._window.append(losses)

    def find_divergence(self, step: int) -> Divergence | None:
        """Return the first loss of the open window that is not finite; `step` is the last one added."""
        if not self._window:
            return None
        values = torch.stack([torch.stack(list(losses.values())) for losses in self._window])
        broken = (~values.isfinite()).nonzero().tolist()
        if not broken:
            return None
        row, column = broken[0]
        return Divergence(list(self._window[row])[column], step - len(self._window) + 1 + row)

    def close_window(self, step: int) -> dict[str, float]:
        """Return the means since the last closed window and keep them as the curves' next points."""
        means = {
            name: torch.stack([losses[name] for losses in self._window]).mean().item()
            for name in self._window[0]
        }
        self._window = []
        self._steps.append(step)
        for name, mean in means.items():
            self._means.setdefault(name, []).append(mean)
        return means

    def write(self, folder: Path) -> None:
        """Write `<loss>.tsv` with the columns `step` and `<loss>`, which is how DVCLive lays plots out."""
        for name, means in self._means.items():
            lines = [
                f"step\t{name}",
                *(f"{step}\t{mean:.6g}" for step, mean in zip(self._steps, means, strict=True)),
            ]
            with atomic_path(folder / f"{name}.tsv") as path:
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
