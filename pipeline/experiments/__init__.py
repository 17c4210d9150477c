"""What an experiment may say: one dataclass per method; options that are left out have the paper's values.

`params` validates them with pydantic, the trainer reads them back from `experiment.json` without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from pipeline.errors import UserError
from pipeline.experiments.attributes import StarGan
from pipeline.experiments.autoencoding import Autoencoder, Vae
from pipeline.experiments.classifying import Tagger
from pipeline.experiments.common import Experiment, Options
from pipeline.experiments.diffusing import Diffusion
from pipeline.experiments.generating import Gan
from pipeline.experiments.paired import Pix2Pix
from pipeline.experiments.recognising import Recogniser
from pipeline.experiments.styles import StarGanV2, StyleTransfer
from pipeline.experiments.unpaired import Cut, CycleGan, DiscoGan, GetGan, Munit, Ugatit

EXPERIMENTS: dict[str, type[Experiment]] = {
    "cyclegan": CycleGan,
    "getgan": GetGan,
    "ugatit": Ugatit,
    "discogan": DiscoGan,
    "munit": Munit,
    "cut": Cut,
    "pix2pix": Pix2Pix,
    "autoencoder": Autoencoder,
    "vae": Vae,
    "gan": Gan,
    "stargan": StarGan,
    "starganv2": StarGanV2,
    "style-transfer": StyleTransfer,
    "diffusion": Diffusion,
    "tagger": Tagger,
    "recogniser": Recogniser,
}
AnyExperiment = (
    CycleGan
    | GetGan
    | Ugatit
    | DiscoGan
    | Munit
    | Cut
    | Pix2Pix
    | Autoencoder
    | Vae
    | Gan
    | StarGan
    | StarGanV2
    | StyleTransfer
    | Diffusion
    | Tagger
    | Recogniser
)


def read_experiment(values: Mapping[str, Any]) -> Experiment:
    """Return the options that `experiment.json` holds; raise `UserError` for what is unknown or out of range.

    What else the file holds of the dataset (`name`, `counts`, …) stands under its own keys and is left alone.
    """
    method = values.get("method")
    if method not in EXPERIMENTS:
        raise UserError(f"method: {method!r} is unknown; there are {', '.join(EXPERIMENTS)}")
    kind = EXPERIMENTS[method]
    known = {field.name for field in fields(kind)}
    try:
        return _read(kind, {name: value for name, value in values.items() if name in known})
    except ValueError as error:
        raise UserError(f"experiment of method {method}: {error}") from None


def as_dict(experiment: Experiment) -> dict[str, Any]:
    """Return every option by name, as JSON has it."""
    return asdict(experiment)


def _read(kind: type[Any], values: Mapping[str, Any]) -> Any:
    types = get_type_hints(kind)
    if unknown := sorted(values.keys() - {field.name for field in fields(kind)}):
        known = ", ".join(sorted(field.name for field in fields(kind)))
        raise ValueError(f"{', '.join(unknown)} unknown; there are {known}")
    return kind(**{name: _value(types[name], value, name) for name, value in values.items()})


def _value(type_: Any, value: Any, name: str) -> Any:
    if get_origin(type_) is dict:
        return {key: _value(get_args(type_)[1], each, f"{name}.{key}") for key, each in value.items()}
    if is_dataclass(type_) and isinstance(type_, type):
        try:
            return _read(type_, value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return tuple(value) if isinstance(value, list) else value


__all__ = ["EXPERIMENTS", "AnyExperiment", "Experiment", "Options", "as_dict", "read_experiment"]
