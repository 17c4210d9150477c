"""One training of one seed as a whole that can be saved and restored: method, averages, curves, randomness, step."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.datasets.arrays import Dataset
from pipeline.datasets.loading import Loader
from pipeline.errors import UserError
from pipeline.experiments import Experiment
from pipeline.methods import build_method
from pipeline.methods.base import Method, Turn, train_step
from pipeline.parts import write_json
from pipeline.progress import note
from pipeline.training import checkpoints
from pipeline.training.averages import Averages
from pipeline.training.curves import Curves
from pipeline.training.machine import Machine
from pipeline.training.samples import save_grid

SAMPLES = 4
BEST = "best"
INITIAL = "initial"
SELECTED = "selected.json"
Score = Callable[[Method, Dataset], float]


class Diverged(UserError):
    """A loss is no longer a number, or beyond all bounds."""


class Session:
    """A training of the dataset's experiment from one seed, with its checkpoints in a folder of its own."""

    def __init__(
        self, dataset: Dataset, experiment: Experiment, seed: int, machine: Machine, folder: Path
    ) -> None:
        self.experiment, self.seed, self.folder = experiment, seed, folder
        self.step = 0
        self.curves = Curves()
        self._machine = machine
        self._dataset = dataset
        self._best: dict[str, Any] = {}
        torch.manual_seed(seed + machine.rank)
        self.method = build_method(experiment, torch.Generator().manual_seed(seed))
        self.method.equip(dataset)
        machine.set_up(self.method, experiment)
        self._averages = Averages(self.method, experiment.ema)
        machine.compile(self.method, experiment)
        method = self.method
        self._loader = Loader(dataset, experiment, seed, method.draws, method.conditions, machine.device)
        self._sampled = {
            name: tensor.to(machine.device) for name, tensor in method.sample_inputs(dataset, SAMPLES).items()
        }

    @property
    def name(self) -> str:
        """The experiment's name."""
        return str(self._dataset.experiment.get("name", self.experiment.method))

    @property
    def planned_steps(self) -> int:
        """How many steps the training has; the dataset stage has made them of epochs."""
        if self.experiment.steps is None:
            raise UserError("steps: the dataset's experiment.json has none; run the stage `dataset` again")
        return self.experiment.steps

    def turns(self) -> Callable[[], list[Turn]]:
        """Return a function that gives the batches of the next step, prepared ahead from the present one on."""
        accumulate, world = self.experiment.accumulate, self._machine.world
        first = self.step * accumulate * world + self._machine.rank
        batches = self._loader.batches(first, stride=world)
        return lambda: [Turn(next(batches), self.step) for _ in range(accumulate)]

    def advance(self, turns: Sequence[Turn]) -> None:
        """Do one step."""
        self._set_learning_rate()
        if self.experiment.compile == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()
        self.curves.add(train_step(self.method, turns, self._machine.arithmetic))
        self._averages.update(self.method)
        self.step += 1

    def _set_learning_rate(self) -> None:
        factor = self.method.learning_rate_factor(self.step, self.planned_steps)
        for optimizer in self.method.optimizers.values():
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = group["initial_lr"] * factor

    def refuse_divergence(self) -> None:
        """Raise `Diverged` where a loss since the last window is beyond all bounds."""
        if divergence := self.curves.find_divergence(self.step):
            saved = checkpoints.list_checkpoints(self.folder)
            good = f"the last good state is {saved[0]}" if saved else "there is no checkpoint yet"
            raise Diverged(
                f"the loss {divergence.loss} is {divergence.value:g} in step {divergence.step}; {good}; "
                "lower learning_rate or the loss's weight"
            )

    def sample(self, out: Path, score: Score | None) -> None:
        """Write a grid of samples, and keep the weights if they are the best so far by `score`.

        What is drawn for it leaves the training's randomness alone, and is the same in each grid.
        """
        devices = [self._machine.device] if self._machine.device.type == "cuda" else []
        with torch.random.fork_rng(devices), self._averages.in_place(self.method):
            torch.manual_seed(self.seed)
            with torch.inference_mode():
                columns = self.method.sample_columns(self._sampled)
            if score is not None:
                self._keep_best(score(self.method, self._dataset))
        for folder in (self.folder / "samples", out):
            save_grid(folder / f"step-{self.step:06d}.png", columns)

    def _keep_best(self, val_kid: float) -> None:
        if not self._best or val_kid < self._best["val_kid"]:
            self._best = {"step": self.step, "val_kid": round(val_kid, 6)}
            checkpoints.save_weights(self.folder / f"{BEST}-{self.step}", self.method)

    def save_weights(self, folder: Path) -> None:
        """Write the weights that are the result: the last ones, averaged where they are, or the best ones."""
        if self._best:
            shutil.copytree(self.folder / f"{BEST}-{self._best['step']}", folder, dirs_exist_ok=True)
            write_json(folder / SELECTED, self._best)
            return
        with self._averages.in_place(self.method):
            checkpoints.save_weights(folder, self.method)

    def save(self) -> None:
        """Write a checkpoint, whole or not at all; every process writes its own share."""
        folder = self.folder / f".step-{self.step:09d}.tmp"
        if self._machine.rank == 0:
            checkpoints.begin(self.folder, self.step)
            method = self.method
            checkpoints.write_weights(
                folder / "networks.safetensors",
                {name: network.state_dict() for name, network in method.networks.items()},
            )
            checkpoints.write_weights(folder / "averages.safetensors", self._averages.state_dict())
            state = {
                "experiment": checkpoints.identity(self.experiment, self.seed),
                "step": self.step,
                "optimizers": {name: each.state_dict() for name, each in method.optimizers.items()},
                "curves": self.curves.state_dict(),
                "best": self._best,
            }
            torch.save(state, folder / "state.pt")
        self._machine.barrier()
        own = {
            "method": self.method.state_dict(),
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        torch.save(own, folder / f"rank-{self._machine.rank}.pt")
        self._machine.barrier()
        if self._machine.rank == 0:
            checkpoints.finish(self.folder, self.step, self.experiment.keep_checkpoints)
        self._machine.barrier()

    def restore(self, initial: Path) -> None:
        """Go on from the newest checkpoint that is whole, or start: from the weights in `initial` if there are any."""
        for checkpoint in (saved := checkpoints.list_checkpoints(self.folder)):
            try:
                checkpoints.check(checkpoint)
                self._load(checkpoint)
            except checkpoints.Damaged as error:
                note(f"{error}; trying the checkpoint before it")
            else:
                return
        if saved:
            raise UserError(f"{self.folder}: every checkpoint is damaged; delete the folder to start again")
        self.method.prepare()
        for name in self.method.shipped:
            if initial.is_dir():
                path = initial / f"{name}.safetensors"
                checkpoints.load_network(self.method.networks[name], path, "write the dataset again")

    def _load(self, checkpoint: Path) -> None:
        state = checkpoints.read_state(checkpoint / "state.pt")
        own = checkpoints.read_state(checkpoint / f"rank-{self._machine.rank}.pt")
        if state["experiment"] != checkpoints.identity(self.experiment, self.seed):
            raise UserError(
                f"{checkpoint} belongs to an experiment with other options; delete it to start again"
            )
        weights = checkpoints.read_weights(checkpoint / "networks.safetensors")
        for name, network in self.method.networks.items():
            network.load_state_dict(weights[name])
        self._averages.load_state_dict(checkpoints.read_weights(checkpoint / "averages.safetensors"))
        for name, optimizer in self.method.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.method.load_state_dict(own["method"], self._machine.device)
        self.curves.load_state_dict(state["curves"], self._machine.device)
        self._best, self.step = state["best"], state["step"]
        torch.set_rng_state(own["cpu"])
        if len(own["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(own["cuda"])
