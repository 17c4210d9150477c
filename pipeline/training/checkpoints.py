"""Checkpoints that hold everything a training needs to go on, and finished weights as safetensors.

A checkpoint is a folder `step-000400` with `networks.safetensors`, `averages.safetensors`, `state.pt` (optimisers,
curves, step) and for each process `rank-0.pt` (its randomness, its pools of earlier images), and `manifest.json` with
the hashes of those. Nothing in it can execute code when it is read.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.experiments import Experiment
from pipeline.methods import Method, build_method
from pipeline.methods.base import Translator
from pipeline.parts import atomic_path, content_hash, write_json

MANIFEST = "manifest.json"
_STEP = "step-{:09d}"
_BETWEEN = "\t"  # a network's name and a weight's name in one key

Weights = dict[str, dict[str, Tensor]]


class Damaged(Exception):
    """A checkpoint cannot be read."""


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the newest first."""
    return sorted((path.parent for path in folder.glob(f"step-*/{MANIFEST}")), reverse=True)


def step_of(checkpoint: Path) -> int:
    """Return how many steps had been done."""
    return int(checkpoint.name.removeprefix("step-"))


def begin(folder: Path, step: int) -> Path:
    """Return the folder that a new checkpoint is written to before `finish` gives it its name."""
    temporary = folder / f".{_STEP.format(step)}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def finish(folder: Path, step: int, keep: int) -> None:
    """Give a written checkpoint its name, whole and on the disk, and remove all but the newest `keep`."""
    temporary = folder / f".{_STEP.format(step)}.tmp"
    hashes = {path.name: content_hash(path) for path in sorted(temporary.iterdir())}
    write_json(temporary / MANIFEST, {"step": step, "sha256": hashes})
    for path in temporary.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    final = folder / _STEP.format(step)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    for old in list_checkpoints(folder)[keep:]:
        shutil.rmtree(old)


def check(checkpoint: Path) -> None:
    """Raise `Damaged` where a file of the checkpoint is not the one that was written."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        for name, sha256 in manifest["sha256"].items():
            if content_hash(checkpoint / name) != sha256:
                raise Damaged(f"{checkpoint / name} has changed since it was written")
    except (OSError, ValueError, KeyError) as error:
        raise Damaged(f"{checkpoint} cannot be read: {error}") from error


def write_weights(path: Path, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write the weights of several networks as one safetensors file."""
    flat = {
        f"{network}{_BETWEEN}{name}": value.detach().cpu().contiguous()
        for network, values in weights.items()
        for name, value in values.items()
    }
    path.write_bytes(safetensors.torch.save(flat))


def read_weights(path: Path) -> Weights:
    """Return the weights by network."""
    weights: Weights = {}
    for key, value in safetensors.torch.load_file(path).items():
        network, name = key.split(_BETWEEN)
        weights.setdefault(network, {})[name] = value
    return weights


def read_state(path: Path) -> dict[str, Any]:
    """Return what a `.pt` file of a checkpoint holds; raise `Damaged` for what is no such file."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise Damaged(f"{path} is damaged or no checkpoint of Likeness: {error}") from error


def identity(experiment: Experiment, seed: int) -> str:
    """Return what a checkpoint must have been trained as, so that a training may go on from it."""
    return f"{experiment} seed {seed}"


def save_weights(folder: Path, method: Method) -> None:
    """Write each shipped network's weights as `<network>.safetensors`; the same weights give the same bytes."""
    for name in method.shipped:
        weights = {
            key: value.detach().cpu().contiguous()
            for key, value in method.networks[name].state_dict().items()
        }
        with atomic_path(folder / f"{name}.safetensors") as path:
            path.write_bytes(safetensors.torch.save(weights))


def load_weights(folder: Path, experiment: Experiment) -> Method:
    """Return the experiment's method with the finished weights of a folder, on the CPU, ready for use."""
    method = build_method(experiment, torch.Generator())
    for name in method.shipped:
        load_network(method.networks[name], folder / f"{name}.safetensors", "run the stage `train` first")
        method.networks[name].eval()
    return method


def load_translator(folder: Path, experiment: Experiment) -> Translator:
    """Return what `load_weights` does, for an experiment that translates."""
    method = load_weights(folder, experiment)
    if not isinstance(method, Translator):
        raise UserError(f"{folder}: method {experiment.method} translates nothing")
    return method


def load_network(network: nn.Module, path: Path, remedy: str) -> None:
    """Give a network the weights of a file; raise `UserError` where it is missing, damaged or of another network."""
    if not path.exists():
        raise UserError(f"{path} is missing; {remedy}")
    try:
        network.load_state_dict(safetensors.torch.load_file(path))
    except safetensors.SafetensorError as error:
        raise UserError(f"{path} is damaged: {error}; {remedy}") from None
    except RuntimeError as error:
        raise UserError(f"{path} does not fit the experiment's networks: {error}") from None
