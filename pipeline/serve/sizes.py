"""How much memory a model takes: foretold from its experiment, without its weights, and counted once it has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pipeline.errors import UserError
from pipeline.experiments import Experiment
from pipeline.experiments.diffusing import Diffusion
from pipeline.methods import build_method
from pipeline.methods.base import Translator
from pipeline.methods.published_base import find_base

# What fills weights that are there already; of those without values it has nothing to do.
_FILLING = {Tensor.normal_, Tensor.uniform_, Tensor.zero_, Tensor.fill_, Tensor.copy_, functional.normalize}
_FP32_BYTES = 4


class _NothingDrawn(TorchFunctionMode):
    """Lets networks be built on the meta device: their start is left out, and seeds, which are read, have values."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.randint:
            kwargs = {**kwargs, "device": "cpu"}
        if func in _FILLING and args[0].is_meta:
            return args[0]
        if func is torch.mv and args[0].is_meta:  # a spectral norm's first rounds
            return args[0].new_empty(len(args[0]))
        return func(*args, **kwargs)


def without_weights(experiment: Experiment) -> Translator:
    """Return an experiment's method with networks that take no memory and cannot translate.

    torch's randomness must not be used by others meanwhile. Raises `UserError` for one that translates nothing.
    """
    with torch.device("meta"), _NothingDrawn():
        method = build_method(experiment, torch.Generator("cpu"))
    if not isinstance(method, Translator):
        raise UserError(f"method {experiment.method} translates nothing")
    return method


def foretold_bytes(model: Translator, experiment: Experiment) -> int:
    """Return what the networks that translate will take: those that are shipped, and one that others have trained."""
    own = sum(_bytes(model.networks[name]) for name in model.shipped)
    return own + (_base_bytes(find_base(experiment.base)) if isinstance(experiment, Diffusion) else 0)


def _bytes(network: nn.Module) -> int:
    return sum(each.nbytes for each in (*network.parameters(), *network.buffers()))


def _base_bytes(folder: Path) -> int:
    """Return what Stable Diffusion takes once it is read, which is in fp32 whatever its files are in."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"), _NothingDrawn():
        networks = (
            UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet")),
            AutoencoderKL.from_config(AutoencoderKL.load_config(folder / "vae")),
            CLIPTextModel(CLIPTextConfig.from_pretrained(folder / "text_encoder")),
        )
    return sum(_FP32_BYTES * each.numel() for network in networks for each in network.parameters())


def held_bytes(model: Translator) -> int:
    """Return what all tensors take that a model holds, wherever in it and on whatever device; shared ones once."""
    taken: dict[tuple[str, int], int] = {}
    seen: dict[int, Any] = {}
    waiting: list[Any] = [model]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if isinstance(each, Tensor):
            storage = each.untyped_storage()
            taken[str(each.device), storage.data_ptr()] = storage.nbytes()
        waiting += _parts(each)
    return sum(taken.values())


def _parts(thing: Any) -> list[Any]:
    """Return what may hold tensors in turn; code holds none."""
    if isinstance(thing, Mapping):
        return list(thing.values())
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if isinstance(thing, type | ModuleType | FunctionType | MethodType):
        return []
    return list(vars(thing).values()) if hasattr(thing, "__dict__") else []
