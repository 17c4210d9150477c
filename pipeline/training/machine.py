"""The devices that a training runs on, through Lightning Fabric: the one place that knows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import nn
from torch.optim import Optimizer

from pipeline.errors import UserError
from pipeline.experiments import Experiment
from pipeline.methods import Method
from pipeline.methods.base import Arithmetic

try:
    from lightning_fabric import Fabric
except ModuleNotFoundError:  # the same library inside the package `lightning`
    from lightning.fabric import Fabric  # type: ignore[import-not-found, no-redef]

_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed"}


class Machine:
    """One device, or several that each compute a part of every step and average their gradients.

    Each network is set up on its own and is not wrapped: GANs go forward through a network several times before they
    go back, freeze it in between and differentiate with respect to images, all of which a wrapper that waits for every
    gradient (DistributedDataParallel) forbids. `rank` counts this process among `world`.
    """

    def __init__(self, experiment: Experiment, accelerator: str = "auto", devices: int = 1) -> None:
        strategy = "ddp" if devices > 1 else "auto"
        try:
            self._fabric = Fabric(
                accelerator=accelerator,
                devices=devices,
                strategy=strategy,
                precision=_PRECISION[experiment.precision],  # type: ignore[arg-type]
            )
        except (RuntimeError, ValueError) as error:
            raise UserError(f"--accelerator {accelerator} --devices {devices}: {error}") from None
        self._fabric.launch()
        self.device: torch.device = self._fabric.device
        self.rank, self.world = self._fabric.global_rank, self._fabric.world_size

    @property
    def arithmetic(self) -> Arithmetic:
        """How a step is computed here."""
        average: Callable[[Sequence[nn.Parameter]], None] = (
            self._average if self.world > 1 else lambda _: None
        )
        return Arithmetic(torch.Tensor.backward, self._fabric.autocast, average)

    def set_up(self, method: Method, experiment: Experiment) -> None:
        """Put a method's networks on the device, in the layout that is fastest there.

        On the CPU channels_last pays only for compiled networks: plain ones lose at each instance norm what they gain.
        """
        pays = self.device.type != "cpu" or experiment.compile != "none"
        layout = torch.channels_last if experiment.channels_last and pays else torch.contiguous_format
        for network in method.networks.values():
            network.to(device=self.device, memory_format=layout)  # type: ignore[call-overload]
        for optimizer in method.optimizers.values():
            _move(optimizer, self.device)

    def compile(self, method: Method, experiment: Experiment) -> None:
        """Compile the networks in place if the experiment asks for it; the shapes of a training never change."""
        if experiment.compile != "none":
            mode = None if experiment.compile == "default" else experiment.compile
            for network in method.networks.values():
                network.compile(mode=mode, dynamic=False)

    def any(self, happened: bool) -> bool:
        """Say whether it happened on any of the devices."""
        if self.world == 1:
            return happened
        seen = torch.tensor(float(happened), device=self.device)
        return bool(self._reduced(seen, "sum") > 0)

    def barrier(self) -> None:
        """Wait for the other devices."""
        self._fabric.barrier()

    def _average(self, weights: Sequence[nn.Parameter]) -> None:
        """Give each weight the mean of its gradients on all devices, which each have gone the same way."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        if gradients:
            together = torch.cat([gradient.flatten() for gradient in gradients])
            pieces = self._reduced(together, "mean").split([gradient.numel() for gradient in gradients])
            for gradient, piece in zip(gradients, pieces, strict=True):
                gradient.copy_(piece.view_as(gradient))

    def _reduced(self, tensor: torch.Tensor, how: str) -> torch.Tensor:
        return cast(torch.Tensor, self._fabric.all_reduce(tensor, reduce_op=how))


def _move(optimizer: Optimizer, device: torch.device) -> None:
    for state in optimizer.state.values():
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                state[name] = value.to(device)
