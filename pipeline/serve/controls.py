"""What a user may ask of a model beside the face: colours, randomness, styles, labels, strengths.

Which of these a model has follows from its experiment alone, so that they can be shown before its weights are read.
What is not asked for is what the pipeline does by itself, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from pipeline.datasets.arrays import DomainArrays
from pipeline.datasets.conditions import to_tensor
from pipeline.errors import UserError
from pipeline.experiments import Experiment, diffusing, generating, paired, styles, unpaired
from pipeline.experiments.attributes import StarGan as StarGanOptions
from pipeline.methods import munit, starganv2
from pipeline.methods.base import Translator
from pipeline.methods.diffusion import Diffusion
from pipeline.methods.gan import Gan
from pipeline.methods.getgan import GetGan, mixed
from pipeline.methods.munit import Munit
from pipeline.methods.pix2pix import CHANNELS, Pix2Pix
from pipeline.methods.stargan import StarGan
from pipeline.methods.starganv2 import StarGanV2
from pipeline.methods.style_transfer import StyleTransfer
from pipeline.serve.looking import Face
from pipeline.serve.one_face import image_of

Color = tuple[int, int, int]
Kind = Literal["colors", "seed", "switch", "image", "labels", "number"]
# Whole numbers that diffusion's plane of floats tells apart.
LARGEST_SEED = 2**24 - 1
# The columns of a face's row that each colour stands in.
_COLUMNS = {"skin": ("skin_rgb",), "hair": ("hair_rgb",), "eyes": ("left_eye_rgb", "right_eye_rgb")}
_IMAGE = 3
_MOST_GUIDANCE, _MOST_IMAGE_GUIDANCE = 20.0, 5.0


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a user asks of a model; None is what the pipeline does by itself.

    `colors` are sRGB by name (`skin`, `hair`, `eyes`), in place of those measured. `noise: False` leaves out what is
    drawn at random. `style_image` is an aligned crop, SxSx3 uint8 RGB, of a face of the domain that is translated to.
    `error_share` is how much of GET-GAN's error image is mixed in, 0 to 1. The others are as the controls say.
    """

    colors: Mapping[str, Color] | None = None
    noise_seed: int | None = None
    noise: bool | None = None
    style_seed: int | None = None
    style_image: np.ndarray | None = None
    labels: tuple[str, ...] | None = None
    strength: float | None = None
    guidance: float | None = None
    image_guidance: float | None = None
    error_share: float | None = None

    def asked(self) -> dict[str, Any]:
        """Return what is asked for, by field."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Control:
    """One field of `Chosen` that a model has, for an input to be drawn from.

    `default` is the value that stands for the pipeline's own way; None where that is no value of this kind: colours
    as measured, or no image. `low` and `high` belong to numbers and seeds, both included; `choices` to colours and
    labels.
    """

    field: str
    kind: Kind
    label: str
    hint: str
    default: Any = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def controls_of(experiment: Experiment, to: str) -> tuple[Control, ...]:
    """Return what a model that was trained as `experiment` can be asked for on the way to the domain `to`.

    CycleGAN has nothing, colours among its conditions or not: its first instance norm takes planes of one value away.
    """
    is_to_target = to == experiment.domains[1]
    match experiment:
        case paired.Pix2Pix():
            return _of_pix2pix(experiment)
        case unpaired.GetGan() if experiment.error and is_to_target:
            return (_ERROR_SHARE,)
        case unpaired.Munit():
            return (_style_seed(munit.STYLE_SEEDS[0]), _style_image(to))
        case styles.StarGanV2():
            return (_style_seed(starganv2.LATENT_SEEDS[0]), _style_image(to))
        case StarGanOptions() if experiment.labels and is_to_target:
            return (_labels(tuple(experiment.labels), tuple(experiment.labels), "What the face shall have."),)
        case styles.StyleTransfer():
            return _of_style_transfer(experiment, to)
        case diffusing.Diffusion():
            return _of_diffusion(experiment)
        case generating.Gan():
            return (_noise_seed("Which face is drawn; the one that was put in is not looked at."),)
        case _:
            return ()


_COLORS = Control(
    "colors",
    "colors",
    "Colours",
    "What the model is told of skin, hair and eyes, in place of the colours measured in the picture.",
    choices=tuple(_COLUMNS),
)
_ERROR_SHARE = Control(
    "error_share",
    "number",
    "Error image",
    "How much of the error image is mixed in where the weights are large; 1 is what the way back starts from.",
    0.0,
    0.0,
    1.0,
)


def _seed(field: str, label: str, hint: str, default: int) -> Control:
    return Control(field, "seed", label, hint, default, 0, LARGEST_SEED)


def _noise_seed(hint: str) -> Control:
    return _seed("noise_seed", "Seed of the noise", hint, 0)


def _style_seed(default: int) -> Control:
    return _seed("style_seed", "Seed of the style", "Each number draws another style at random.", default)


def _style_image(to: str) -> Control:
    hint = f"A face of the domain {to}, whose style is taken in place of one drawn or learnt."
    return Control("style_image", "image", "Face that gives the style", hint)


def _labels(choices: tuple[str, ...], default: tuple[str, ...], hint: str) -> Control:
    return Control("labels", "labels", "Labels", hint, default, choices=choices)


def _number(field: str, label: str, hint: str, default: float, low: float, high: float) -> Control:
    """Return a control whose range holds the default, whatever an experiment sets it to."""
    return Control(field, "number", label, hint, default, min(low, default), max(high, default))


def _of_pix2pix(experiment: paired.Pix2Pix) -> tuple[Control, ...]:
    controls = [_COLORS] if "colors" in experiment.conditions else []
    if "noise" in experiment.conditions or experiment.test_dropout:
        hint = "Without it the plane of noise is its mean and no dropout is drawn."
        controls += [
            _noise_seed("Each number draws another variant of the same face."),
            Control("noise", "switch", "Randomness", hint, True),
        ]
    return tuple(controls)


def _of_style_transfer(experiment: styles.StyleTransfer, to: str) -> tuple[Control, ...]:
    if experiment.variant == "gatys":
        return (_style_image(to),)
    hint = "How much of the style is taken on: 0 none, 1 all."
    strength = _number("strength", "Strength of the style", hint, experiment.adain.alpha, 0.0, 1.0)
    return (_style_image(to), strength)


def _of_diffusion(experiment: diffusing.Diffusion) -> tuple[Control, ...]:
    controls = [
        _number(
            "strength",
            "Strength",
            "How much noise the translation starts with: little keeps the face, 1 starts from noise alone.",
            experiment.start_strength,
            1 / experiment.inference_steps,
            1.0,
        ),
        _number(
            "guidance",
            "Weight of the prompt",
            "How much more the prompt counts than none.",
            experiment.guidance,
            0.0,
            _MOST_GUIDANCE,
        ),
    ]
    if experiment.conditioning == "instruct":
        hint = "How much more the face counts than none."
        default = experiment.image_guidance
        controls.append(
            _number("image_guidance", "Weight of the face", hint, default, 0.0, _MOST_IMAGE_GUIDANCE)
        )
    if experiment.prompts:
        controls.append(
            _labels(tuple(experiment.prompts), (), "Whose prompts are joined; none: the general one.")
        )
    return (*controls, _noise_seed("Each number starts from other noise."))


def refuse(chosen: Chosen, controls: Sequence[Control], name: str) -> None:
    """Raise `UserError` that names the field where a model lacks a control or a value is out of range."""
    known = {control.field: control for control in controls}
    for field, value in chosen.asked().items():
        if field not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise UserError(f"{field}: {name} has no such control; {has}")
        if problem := _PROBLEMS[known[field].kind](known[field], value):
            raise UserError(f"{field}: {problem}")
    if chosen.style_seed is not None and chosen.style_image is not None:
        raise UserError("style_seed: a style is drawn or taken from style_image; give one of the two")
    if chosen.noise_seed is not None and chosen.noise is False:
        raise UserError("noise_seed: nothing is drawn with noise off; leave it out")


def _problem_of_colors(control: Control, value: Any) -> str | None:
    for name, color in value.items():
        if name not in control.choices:
            return f"{name!r} is not one of {', '.join(control.choices)}"
        if len(color) != 3 or not all(_is_whole(part) and 0 <= part <= 255 for part in color):
            return f"{name} must be red, green and blue from 0 to 255, got {color!r}"
    return None


def _problem_of_number(control: Control, value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if is_number and control.low <= value <= control.high:
        return None
    return f"must be from {control.low:g} to {control.high:g}, got {value!r}"


def _problem_of_seed(control: Control, value: Any) -> str | None:
    if _is_whole(value) and control.low <= value <= control.high:
        return None
    return f"must be a whole number from {control.low} to {control.high}, got {value!r}"


def _problem_of_switch(_: Control, value: Any) -> str | None:
    return None if isinstance(value, bool) else f"must be True or False, got {value!r}"


def _problem_of_labels(control: Control, value: Any) -> str | None:
    unknown = [label for label in value if label not in control.choices]
    return f"{unknown[0]!r} is not one of {', '.join(control.choices)}" if unknown else None


def _problem_of_image(_: Control, value: Any) -> str | None:
    is_crop = isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3
    if is_crop and value.shape[0] == value.shape[1] > 0 and value.shape[2] == _IMAGE:
        return None
    return "must be an aligned crop: a square uint8 RGB image"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


_PROBLEMS: dict[Kind, Callable[[Control, Any], str | None]] = {
    "colors": _problem_of_colors,
    "number": _problem_of_number,
    "seed": _problem_of_seed,
    "switch": _problem_of_switch,
    "labels": _problem_of_labels,
    "image": _problem_of_image,
}


def measured_colors(face: Face) -> dict[str, Color | None]:
    """Return a face's own colours by name, of both eyes the mean; None where one is unknown."""
    return {name: _mean([face.row.get(column) for column in columns]) for name, columns in _COLUMNS.items()}


def _mean(colors: Sequence[Sequence[int] | None]) -> Color | None:
    known = [color for color in colors if color is not None]
    if not known:
        return None
    red, green, blue = np.mean(known, axis=0).round().astype(int).tolist()
    return red, green, blue


def inputs_of(model: Translator, told: DomainArrays, chosen: Chosen) -> Tensor:
    """Return what `translate` takes of the one face that is told of, with the colours, labels and noise chosen."""
    told = replace(told, rows=_retold(model, told.rows, chosen))
    return _redrawn(model, model.inputs(told, np.zeros(1, np.int64)), chosen).to(model.device())


def _retold(model: Translator, rows: pa.Table, chosen: Chosen) -> pa.Table:
    (row,) = rows.to_pylist()
    for name, color in (chosen.colors or {}).items():
        row |= {column: list(color) for column in _COLUMNS[name]}
    if chosen.labels is not None and isinstance(model, Diffusion):
        row["labels"] = [int(label in chosen.labels) for label in model.options.labels]
    return pa.Table.from_pylist([row], rows.schema)


def _redrawn(model: Translator, inputs: Tensor, chosen: Chosen) -> Tensor:
    """Return inputs with the noise of another seed, or with none, where noise is part of them."""
    seed = chosen.noise_seed
    if isinstance(model, Gan) and seed is not None:
        drawn = np.random.default_rng(seed).standard_normal(inputs.shape)
        return torch.from_numpy(drawn.astype(np.float32))
    if isinstance(model, Diffusion) and seed is not None:
        inputs[:, _IMAGE] = seed
    if isinstance(model, Pix2Pix) and "noise" in model.told:
        place = sum(CHANNELS[name] for name in model.told[: model.told.index("noise")])
        if seed is not None:
            plane = np.random.default_rng(seed).standard_normal(inputs[:, place].shape, np.float32)
            inputs[:, place] = torch.from_numpy(plane)
        if chosen.noise is False:
            inputs[:, place] = 0.0
    return inputs


def translate_as_chosen(
    model: Translator, inputs: Tensor, to: str, chosen: Chosen, experiment: Experiment
) -> Tensor:
    """Return the Bx3xSxS images of the domain `to` that a model makes of its inputs, as chosen.

    The choice is one that `refuse` lets pass.
    """
    with _options_as_chosen(model, chosen):
        if chosen.style_image is not None and isinstance(model, StarGanV2 | Munit | StyleTransfer):
            like = to_tensor(image_of(chosen.style_image, experiment, to)[None]).to(inputs.device)
            return model.translate_with(inputs, to, like)
        if chosen.style_seed is not None and isinstance(model, StarGanV2 | Munit):
            return model.translate_in_style(inputs, to, chosen.style_seed)
        if chosen.labels is not None and isinstance(model, StarGan):
            asked = [[float(label in chosen.labels) for label in experiment.labels]]
            return model.translate_as(inputs[:, :_IMAGE], torch.tensor(asked, device=inputs.device))
        if chosen.error_share and isinstance(model, GetGan):
            fake, error, weight, _ = model.parts(inputs)
            return mixed(fake, error, chosen.error_share * weight)
        return model.translate(inputs, to)


@contextmanager
def _options_as_chosen(model: Translator, chosen: Chosen) -> Iterator[None]:
    """Let a model, which nobody else uses meanwhile, work with the options that are chosen."""
    if not isinstance(model, Pix2Pix | StyleTransfer | Diffusion):
        yield
        return
    own = model.options
    try:
        if isinstance(model, Pix2Pix) and chosen.noise is False:
            model.options = replace(model.options, test_dropout=False)
        if isinstance(model, StyleTransfer) and chosen.strength is not None:
            adain = replace(model.options.adain, alpha=chosen.strength)
            model.options = replace(model.options, adain=adain)
        if isinstance(model, Diffusion):
            names = ("strength", "guidance", "image_guidance")
            asked = {name: value for name, value in chosen.asked().items() if name in names}
            model.options = replace(model.options, **asked)
        yield
    finally:
        model.options = own
