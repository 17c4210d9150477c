"""A training's progress as live artifacts: how far it is, its losses and speed, and its latest grid of samples."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from flows.showing import markdown_table, show_picture

STATUS = Path("logs/train")
MODELS = Path("models")


class TrainingBoard:
    """Shows in the UI what a training writes to its status file; `update` is called now and then while it runs."""

    def __init__(self, experiment: str) -> None:
        self.experiment = experiment
        self.started = time.time()
        self.shown: dict[str, Any] | None = None
        self.grid: Path | None = None
        self.bar: UUID | None = None
        self.numbers: UUID | None = None

    def update(self) -> None:
        """Show what has changed since the last time."""
        status = self._status()
        if status is not None and status != self.shown:
            self.shown = status
            self._show_bar(100 * status["step"] / max(status["steps"], 1))
            self._show_numbers(status)
        grid = self._latest_grid()
        if grid is not None and grid != self.grid:
            self.grid = grid
            title = f"{self.experiment}, {grid.parent.name}, {grid.stem}"
            show_picture(f"grid-{self.experiment}", title, grid)

    def finish(self) -> None:
        """Show the last state of a training that came to its end."""
        self.update()
        if self.bar is not None:
            update_progress_artifact(self.bar, 100.0)

    def _status(self) -> dict[str, Any] | None:
        """Return what the training of this run last said; nothing where the file is of an earlier one."""
        path = STATUS / f"{self.experiment}.json"
        try:
            if path.stat().st_mtime < self.started:
                return None
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def _latest_grid(self) -> Path | None:
        grids = (MODELS / self.experiment / "samples").glob("seed-*/step-*.png")
        written = [(path.stat().st_mtime, path) for path in grids]
        return max(((when, path) for when, path in written if when >= self.started), default=(0, None))[1]

    def _show_bar(self, percent: float) -> None:
        if self.bar is None:
            key = f"progress-{self.experiment}"
            made = create_progress_artifact(percent, key=key, description=f"Training {self.experiment}")
            self.bar = UUID(str(made))
        else:
            update_progress_artifact(self.bar, percent)

    def _show_numbers(self, status: dict[str, Any]) -> None:
        rows = [
            ("step", f"{status['step']} of {status['steps']} (seed {status['seed']})"),
            ("images per second", status["images_per_s"]),
            *((f"loss {name}", value) for name, value in status["losses"].items()),
        ]
        text = f"# {self.experiment}\n\n{markdown_table(rows)}"
        if self.numbers is None:
            key = f"training-{self.experiment}"
            made = create_markdown_artifact(text, key=key, description=f"Training {self.experiment}")
            self.numbers = UUID(str(made))
        else:
            with get_client(sync_client=True) as client:
                client.update_artifact(self.numbers, ArtifactUpdate(data=text))
