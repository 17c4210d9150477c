"""Weights that others have published, read from their files into our networks."""

from __future__ import annotations

import pickle
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from pipeline.errors import UserError

_DAMAGED = (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, SafetensorError)


def load_weight_file(network: nn.Module, path: Path, fix: str) -> None:
    """Fill a network with a file's tensors of the same names; what else the file has is left out.

    The file is .safetensors, or what torch.save writes, of which nothing but tensors is read. `UserError`, ending in
    `fix`, where it is missing or damaged, lacks a tensor or has one of another shape.
    """
    found = _read(path, fix)
    wanted = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")  # old files lack it, and only training uses it
    }
    for name, tensor in wanted.items():
        if name not in found:
            raise UserError(f"{path} has no tensor {name}; {fix}")
        if found[name].shape != tensor.shape:
            shapes = f"{tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
            raise UserError(f"{path}: {name} has the shape {shapes}; {fix}")
    network.load_state_dict({name: found[name] for name in wanted}, strict=False)


def _read(path: Path, fix: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"{path} is missing; {fix}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        raise UserError(f"{path} cannot be read: it is damaged or no file of weights; {fix}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no named tensors; {fix}")
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}
