"""Checkpoints that hold everything a training needs to go on, and finished weights as safetensors."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from pipeline.errors import UserError
from pipeline.methods import Method, build_method
from pipeline.parts import atomic_path
from pipeline.training.curves import Curves

CHECKPOINT_NAME = "checkpoint.pt"


def save_checkpoint(
    folder: Path, experiment: dict[str, Any], method: Method, curves: Curves, step: int
) -> None:
    """Write networks, optimisers, the method's own state, randomness, curves and step as one file, atomically."""
    state = {
        "experiment": _identity(experiment),
        "step": step,
        "networks": {name: network.state_dict() for name, network in method.networks.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in method.optimizers.items()},
        "method": method.state_dict(),
        "curves": curves.state_dict(),
        "cpu_randomness": torch.get_rng_state(),
        "cuda_randomness": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with atomic_path(folder / CHECKPOINT_NAME) as path:
        torch.save(state, path)


def load_checkpoint(
    folder: Path, experiment: dict[str, Any], method: Method, curves: Curves, device: torch.device
) -> int:
    """Put a training back where its checkpoint left it; return the steps done, 0 where there is none."""
    path = folder / CHECKPOINT_NAME
    if not path.exists():
        return 0
    state = _read(path)
    if state["experiment"] != _identity(experiment):
        raise UserError(f"{path} belongs to an experiment with other options; delete it to start again")
    for name, network in method.networks.items():
        network.load_state_dict(state["networks"][name])
    for name, optimizer in method.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    method.load_state_dict(state["method"], device)
    curves.load_state_dict(state["curves"], device)
    torch.set_rng_state(state["cpu_randomness"])
    if len(state["cuda_randomness"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda_randomness"])
    return state["step"]


def _read(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(
            f"{path} is damaged or no checkpoint of Likeness; delete it to start again"
        ) from error


def _identity(experiment: dict[str, Any]) -> str:
    return json.dumps(experiment, sort_keys=True)


def save_weights(folder: Path, method: Method) -> None:
    """Write each network's weights as `<network>.safetensors`; the same weights give the same bytes."""
    for name, network in method.networks.items():
        weights = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
        with atomic_path(folder / f"{name}.safetensors") as path:
            path.write_bytes(safetensors.torch.save(weights))


def load_weights(folder: Path, experiment: dict[str, Any]) -> Method:
    """Return the experiment's method with the finished weights of a folder, on the CPU, ready to translate."""
    method = build_method(experiment, torch.Generator())
    for name, network in method.networks.items():
        path = folder / f"{name}.safetensors"
        if not path.exists():
            raise UserError(f"{path} is missing; run the stage `train` first")
        network.load_state_dict(safetensors.torch.load_file(path))
        network.eval()
    return method
