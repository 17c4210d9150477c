"""The methods: each reads like its paper's recipe; everything else about training is the trainer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from pipeline.errors import UserError
from pipeline.methods.base import Method
from pipeline.methods.cyclegan import CycleGan
from pipeline.methods.pix2pix import Pix2Pix

METHODS: dict[str, Callable[[dict[str, Any], torch.Generator], Method]] = {
    "cyclegan": CycleGan,
    "pix2pix": Pix2Pix,
}


def build_method(experiment: dict[str, Any], generator: torch.Generator) -> Method:
    """Return the experiment's method, its weights drawn from `generator`."""
    name = experiment["method"]
    if name not in METHODS:
        raise UserError(f"method: {name!r} is unknown; there are {', '.join(METHODS)}")
    return METHODS[name](experiment, generator)
