"""What a model can show of how it came to a picture: where it looked, and what it set aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pipeline.experiments import Experiment, attributes, unpaired
from pipeline.methods.base import Translator
from pipeline.methods.cyclegan import CycleGan
from pipeline.methods.getgan import GetGan
from pipeline.methods.stargan import StarGan
from pipeline.methods.ugatit import Ugatit
from pipeline.networks.attention import SelfAttention

_ACTIVATION = "Where the generator found what tells the two domains apart (class activation map); 1 is most."
_WEIGHT = "Where the way back would go wrong by the picture alone, so that the error image counts; 1 is most."
_ERROR = "How much stands in the error image: what of the face cannot be translated; 1 is most."
_GATE = "Which share of the features is left to the error image."
_ATTENTION = "Where the generator adds most of what it gathers from the rest of the face (self-attention)."


@dataclass(frozen=True)
class Map:
    """One number from 0 to 1 for each pixel of a result, SxS float32, and what it says."""

    name: str
    explanation: str
    values: np.ndarray


def has_maps(experiment: Experiment, to: str) -> bool:
    """Say whether a model that was trained as `experiment` has maps of the way to the domain `to`."""
    match experiment:
        case unpaired.Ugatit():
            return True
        case unpaired.GetGan():
            return experiment.error and to == experiment.domains[1]
        case unpaired.CycleGan() | attributes.StarGan():
            return experiment.attention != "none"
        case _:
            return False


def maps_of(model: Translator, inputs: Tensor, to: str) -> tuple[Map, ...]:
    """Return the maps of one face on its way to the domain `to`; none where a model has none.

    `inputs` are the model's own, of one face.
    """
    if isinstance(model, Ugatit):
        _, heat = model.translate_with_heat_map(inputs, to)
        return (Map("attention", _ACTIVATION, _plane((heat + 1) / 2, inputs)),)
    if isinstance(model, GetGan):
        return _of_getgan(model, inputs) if model.options.error and to == model.target else ()
    return _of_attention(model, inputs, to) if isinstance(model, CycleGan | StarGan) else ()


def _of_getgan(model: GetGan, inputs: Tensor) -> tuple[Map, ...]:
    _, error, weight, gate = model.parts(inputs)
    weight = weight if model.options.weight_range == "full" else 2 * weight - 1
    shown = [
        Map("weight", _WEIGHT, _plane(weight, inputs)),
        Map("error", _ERROR, _plane(error.abs(), inputs)),
    ]
    if gate is not None:
        shown.append(Map("gate", _GATE, _plane(1 - gate, inputs)))
    return tuple(shown)


def _of_attention(model: CycleGan | StarGan, inputs: Tensor, to: str) -> tuple[Map, ...]:
    with _added_by_attention(model) as added:
        if model.options.attention != "none":
            model.translate(inputs, to)
    return tuple(Map("attention", _ATTENTION, _plane(_relative(each), inputs)) for each in added)


@contextmanager
def _added_by_attention(model: Translator) -> Iterator[list[Tensor]]:
    """Gather what each self-attention that takes part adds to its features, BxCxhxw."""
    added: list[Tensor] = []

    def note(_: nn.Module, features: tuple[Tensor, ...], made: Tensor) -> None:
        added.append(made - features[0])

    layers = [each for network in model.networks.values() for each in network.modules()]
    hooks = [each.register_forward_hook(note) for each in layers if isinstance(each, SelfAttention)]
    try:
        yield added
    finally:
        for hook in hooks:
            hook.remove()


def _relative(features: Tensor) -> Tensor:
    """Return how large features are at each place, Bx1xhxw, 1 where they are largest; 0 where all are 0."""
    size = features.norm(dim=1, keepdim=True)
    return size / size.amax().clamp(min=torch.finfo(size.dtype).tiny)


def _plane(values: Tensor, inputs: Tensor) -> np.ndarray:
    """Return 1xCxhxw as the mean over its channels, at the size of the inputs."""
    mean = values.float().mean(dim=1, keepdim=True)
    spread = F.interpolate(mean, inputs.shape[-2:], mode="bilinear", align_corners=False)
    return spread[0, 0].clamp(0, 1).cpu().numpy()
