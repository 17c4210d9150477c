"""The training loop of every method, from a dataset folder to finished weights, curves and samples."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from pipeline.datasets.arrays import EXPERIMENT_NAME, load_dataset
from pipeline.errors import UserError
from pipeline.experiments import Experiment, as_dict, read_experiment
from pipeline.parts import write_json
from pipeline.progress import counter
from pipeline.training.interruption import leave, noted_signals
from pipeline.training.machine import Machine
from pipeline.training.reproducible import reproducible
from pipeline.training.session import INITIAL, Score, Session

# Grids of samples, evenly over a training; with each a checkpoint.
GRIDS = 5
WEIGHTS, CURVES, SAMPLES = "weights", "curves", "samples"
# A checkpoint too where so long has gone by without one: what a kill can cost.
_SAVE_AFTER_S = 300
_REPORT_AFTER_S = 5


def train(
    dataset_folder: Path,
    checkpoint_folder: Path,
    out_folder: Path,
    *,
    accelerator: str = "auto",
    devices: int = 1,
    max_steps: int | None = None,
    score: Score | None = None,
    status: Path | None = None,
) -> None:
    """Train the dataset's experiment from each of its seeds, or go on where its checkpoints stand.

    `out_folder` gets `weights/seed-<n>/<network>.safetensors` with `weights/experiment.json`, which says of what
    experiment they are, `samples/seed-<n>/step-000050.png` and `curves/<loss>.tsv` (`<loss>.seed-<n>.tsv` for all
    seeds but the first); `checkpoint_folder` the checkpoints, and `status` now and then a small JSON file that says how
    far it is. An interruption (SIGTERM, Ctrl-C) ends the step, saves and leaves. After a kill the training goes on from
    the last checkpoint; it comes out bit for bit as if undisturbed on the CPU, and on a GPU where the experiment is
    `deterministic`, for batches depend on seed and step alone. `max_steps` ends each seed's training early, at the
    state of that step. `score` judges weights on validation faces, the lower the better, where the experiment selects
    the best ones.
    """
    dataset = load_dataset(dataset_folder)
    experiment = read_experiment(dataset.experiment)
    if experiment.select == "best_val_kid" and score is None:
        raise UserError("select: best_val_kid needs something that scores; use select: last on this machine")
    machine = Machine(experiment, accelerator, devices)
    with reproducible(machine.device, experiment.deterministic), noted_signals() as signals:
        for seed in experiment.seeds:
            suffix = "" if seed == experiment.seeds[0] else f".seed-{seed}"
            with _explained(experiment):
                session = Session(dataset, experiment, seed, machine, checkpoint_folder / f"seed-{seed}")
                session.restore(dataset_folder / INITIAL)
                _restore_samples(session.folder / SAMPLES, out_folder / SAMPLES / f"seed-{seed}")
                run = _Run(session, machine, signals, out_folder, suffix, status)
                run.until(max_steps, score if experiment.select == "best_val_kid" else None)
            if machine.rank == 0:
                session.curves.write(out_folder / CURVES, suffix)
                session.save_weights(out_folder / WEIGHTS / f"seed-{seed}")
    if machine.rank == 0:
        described = {"name": dataset.experiment.get("name", experiment.method), **as_dict(experiment)}
        write_json(out_folder / WEIGHTS / EXPERIMENT_NAME, described)


@dataclass
class _Run:
    """Does the steps of one session, and what is due between them."""

    session: Session
    machine: Machine
    signals: list[int]
    out: Path
    suffix: str
    status: Path | None
    saved_at: float = field(default_factory=time.monotonic)
    reported_at: float = field(default_factory=time.monotonic)

    def until(self, max_steps: int | None, score: Score | None) -> None:
        """Train until the experiment's last step, or until `max_steps`."""
        session, planned = self.session, self.session.planned_steps
        steps = min(planned, max_steps or planned)
        log_every, sample_every = min(100, max(10, planned // 100)), max(planned // GRIDS, 1)
        turns = session.turns()
        with counter(f"training {session.name}{self.suffix}", steps, "step", session.step) as progress:
            while session.step < steps:
                session.advance(turns())
                progress.update()
                is_last = session.step == steps
                log = session.step % log_every == 0 or is_last
                sample = session.step % sample_every == 0 or is_last
                leaving = self._is_asked_to_leave(log)
                save = sample or leaving or self._is_due(log)
                if log or save:
                    session.refuse_divergence()
                if log:
                    means = session.curves.close_window(session.step)
                    progress.set_postfix(means, refresh=False)
                    self._report(means, progress.format_dict["rate"], steps, is_last)
                if sample and self.machine.rank == 0:
                    session.sample(self.out / SAMPLES / f"seed-{session.seed}", score)
                if save:
                    session.save()
                    self.saved_at = time.monotonic()
                if leaving:
                    leave(self.signals[0] if self.signals else signal.SIGTERM)

    def _is_asked_to_leave(self, log: bool) -> bool:
        """Say whether a signal has come; several processes ask each other now and then, and leave together."""
        if self.machine.world == 1:
            return bool(self.signals)
        return log and self.machine.any(bool(self.signals))

    def _is_due(self, log: bool) -> bool:
        """Say whether a checkpoint is due: by steps, or by time, of which several processes ask together."""
        every = self.session.experiment.checkpoint_every
        if every is not None:
            return self.session.step % every == 0
        late = time.monotonic() - self.saved_at > _SAVE_AFTER_S
        return self.machine.any(late) if log else late and self.machine.world == 1

    def _report(self, means: dict[str, float], steps_per_s: float | None, steps: int, is_last: bool) -> None:
        """Write how far the training is, for who watches it from outside."""
        now = time.monotonic()
        is_due = is_last or now - self.reported_at > _REPORT_AFTER_S
        if self.status is None or self.machine.rank or not is_due:
            return
        self.reported_at = now
        experiment = self.session.experiment
        per_step = experiment.batch_size * experiment.accumulate * self.machine.world
        write_json(
            self.status,
            {
                "seed": self.session.seed,
                "step": self.session.step,
                "steps": steps,
                "images_per_s": round((steps_per_s or 0.0) * per_step, 2),
                "losses": {name: round(value, 5) for name, value in means.items()},
            },
        )


@contextmanager
def _explained(experiment: Experiment) -> Iterator[None]:
    """Say what to lower where the device's memory is too small."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the device's memory is too small: {str(error).split('.')[0]}; lower batch_size "
            f"({experiment.batch_size}; accumulate makes up for it), size_px ({experiment.size_px}) or the "
            "generator's width, or set precision: bf16"
        ) from None


def _restore_samples(kept: Path, out: Path) -> None:
    """Bring back the samples of before an interruption: DVC empties a stage's outputs before it runs."""
    if kept.exists():
        shutil.copytree(kept, out, dirs_exist_ok=True)
