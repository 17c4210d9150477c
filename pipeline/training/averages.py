"""Averaged weights (EMA): networks that follow the trained ones slowly, and translate better than they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.methods import Method


class Averages:
    """The exponential moving averages of the networks that are the result, buffers included; none without a decay."""

    def __init__(self, method: Method, decay: float | None) -> None:
        names = method.shipped if decay is not None else ()
        self._networks = {
            name: AveragedModel(
                method.networks[name], multi_avg_fn=get_ema_multi_avg_fn(decay or 0.0), use_buffers=True
            )
            for name in names
        }

    def update(self, method: Method) -> None:
        """Move the averages by one step."""
        for name, averaged in self._networks.items():
            averaged.update_parameters(method.networks[name])

    @contextmanager
    def in_place(self, method: Method) -> Iterator[None]:
        """Let the method work with the averages while the block lasts."""
        trained = dict(method.networks)
        method.networks |= {name: averaged.module for name, averaged in self._networks.items()}
        try:
            yield
        finally:
            method.networks = trained

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Return the weights by network."""
        return {name: averaged.state_dict() for name, averaged in self._networks.items()}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Go on from a state that `state_dict` returned."""
        with torch.no_grad():
            for name, averaged in self._networks.items():
                averaged.load_state_dict(state[name])
