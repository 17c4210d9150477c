"""params.yaml as typed, validated objects.

Sections that pipeline stages read have no defaults here: every value stands in params.yaml, where DVC
sees it change. That is why no stage lists this module among its code.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.networks import IPvAnyNetwork

from pipeline.errors import UserError
from pipeline.names import unknown_name
from pipeline.project import PARAMS_FILE, load_yaml

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class ByRole(Generic[T]):
    """A setting for a source's images: the same for all, or one for each role."""

    values: T | dict[str, T]

    def of(self, role: str | None) -> T | None:
        """Return the setting for an image with this role; None where there is none for it."""
        return self.values.get(role or "") if isinstance(self.values, dict) else self.values

    def all(self) -> list[T]:
        """Return every setting that there is."""
        return list(self.values.values()) if isinstance(self.values, dict) else [self.values]

    def map(self, function: Callable[[T], U]) -> ByRole[U]:
        """Return what the function makes of every setting."""
        if isinstance(self.values, dict):
            return ByRole({role: function(value) for role, value in self.values.items()})
        return ByRole(function(self.values))


class Section(BaseModel):
    """A part of params.yaml: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Engine(Section):
    """Where work runs: `workers` processes on this machine, `auto` for one per core."""

    kind: Literal["local"]
    workers: Positive | Literal["auto"]

    @property
    def worker_count(self) -> int:
        """The number of worker processes."""
        return len(os.sched_getaffinity(0)) if self.workers == "auto" else self.workers


class Crawl(Section):
    """What holds for every crawl.

    `part_size`: images per part; `contact`: whom a site's owner can write to; `threads`: images on their way at
    once; `requests_per_s` and `connections_per_host`: the pace at each host; `revalidate_days`: after how long a
    stored image is asked for again, on condition that it has changed.
    """

    part_size: Annotated[int, Field(ge=1, le=512)]
    contact: str
    threads: Annotated[int, Field(ge=1, le=64)]
    requests_per_s: Annotated[float, Field(gt=0)]
    connections_per_host: Annotated[int, Field(ge=1, le=64)]
    revalidate_days: Annotated[float, Field(gt=0)]


class Limit(Section):
    """What one crawl of a source may use up: images and bytes fetched, list pages turned, minutes."""

    images: Positive | None = None
    bytes: Positive | None = None
    pages: Positive | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None


class Classifier(Section):
    """Which classifier screens images, and from which score on (0 to 1) an image is refused.

    `classifier` is a name that `python -m pipeline weights` lists, or the path of an ONNX file.
    """

    classifier: str
    max_score: Fraction


class Screening(Section):
    """What a source's images are screened for before they are stored; each key is a reason of rejection."""

    unsafe: Classifier | None = None
    apparent_minor: Classifier | None = None


class SourceEntry(BaseModel):
    """What every source may say of itself; the other keys are its kind's own options (see pipeline.sources).

    `domain` is one domain, or one for each role of the source's pairs. `allow_networks` are the private networks
    that its hosts may lie in. `requests_per_s` and `connections_per_host` replace those of `crawl`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    domain: Name | dict[str, Name]
    limit: Limit = Limit()
    allow_networks: tuple[IPvAnyNetwork, ...] = ()
    requests_per_s: Annotated[float, Field(gt=0)] | None = None
    connections_per_host: Annotated[int, Field(ge=1, le=64)] | None = None
    screen: Screening = Screening()

    @property
    def options(self) -> dict[str, Any]:
        """The keys that belong to the source's kind."""
        return dict(self.model_extra or {})

    @property
    def domains(self) -> ByRole[str]:
        """The names of its images' domains."""
        return ByRole(self.domain)


class Domain(Section):
    """What a source shows, and how its faces are found and prepared."""

    faces: Literal["real", "cartoon", "whole"]
    detector: Literal["dlib-hog", "animeface", "none"]
    landmarks: Literal["dlib-68", "none"]

    @model_validator(mode="after")
    def _fits_together(self) -> Domain:
        if (self.detector == "none") != (self.faces == "whole"):
            raise ValueError("detector must be 'none' where faces is 'whole', and only there")
        if self.faces == "whole" and self.landmarks != "none":
            raise ValueError("landmarks must be 'none' where faces is 'whole'")
        if self.faces == "real" and self.landmarks == "none":
            raise ValueError("landmarks must not be 'none' where faces is 'real': the eyes come from them")
        return self


class Detect(Section):
    """How pictures are searched: at which size, from which score on (0.5: the detector's own threshold)."""

    long_side_px: Annotated[int, Field(ge=64, le=4096)]
    min_score: Fraction
    max_faces: Positive


class Landmarks(Section):
    """How far 68 points may lie from the cartoon detector's eyes and mouth, in distances between the eyes."""

    max_disagreement: Annotated[float, Field(gt=0)]


class Align(Section):
    """Where the eyes lie in an aligned face, as fractions of its side, and how it is stored (lossless)."""

    size_px: Annotated[int, Field(ge=32, le=2048)]
    eye_y: Annotated[float, Field(gt=0, lt=1)]
    eye_distance: Annotated[float, Field(gt=0, lt=1)]
    format: Literal["webp", "png"]


class Quality(Section):
    """Which aligned faces the catalogue keeps."""

    min_eye_distance_px: Annotated[float, Field(ge=0)]
    max_abs_yaw_deg: Annotated[float, Field(ge=0, le=90)]
    min_sharpness: Annotated[float, Field(ge=0)]
    max_padded: Fraction


class Duplicates(Section):
    """Aligned faces whose perceptual hashes differ in at most `max_distance` of 64 bits are one cluster."""

    max_distance: Annotated[int, Field(ge=0, le=16)]


class Split(Section):
    """The shares of validation and test; the rest is for training."""

    val: Fraction
    test: Fraction

    @model_validator(mode="after")
    def _leaves_train(self) -> Split:
        if self.val + self.test >= 1:
            raise ValueError("val and test together must be below 1")
        return self


class Catalogue(Section):
    """How the table of all faces marks duplicates and splits."""

    duplicates: Duplicates
    split: Split


class Discriminator(Section):
    """The PatchGAN: channels of its first layer, layers that halve."""

    width: Positive = 64
    layers: Annotated[int, Field(ge=1, le=5)] = 3


class ResnetGenerator(Section):
    """The ResNet generator: channels of its first layer, residual blocks, how it grows again."""

    width: Positive = 64
    blocks: Positive = 9
    upsample: Literal["transposed", "resize"] = "transposed"


class NormedDiscriminator(Discriminator):
    """The PatchGAN of pix2pix: its normalisation too."""

    norm: Literal["batch", "instance"] = "batch"


class UNetGenerator(Section):
    """The U-Net generator: channels of its first layer, its normalisation."""

    width: Positive = 64
    norm: Literal["batch", "instance"] = "batch"


class Training(Section):
    """What every experiment says: from which domain to which, at what size, for how long.

    Options that are left out have the paper's values; the dataset's experiment.json holds all of them.
    """

    domains: tuple[Name, Name]
    size_px: Literal[32, 64, 128, 256, 512]
    steps: Positive
    batch_size: Positive = 1
    seed: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4


class CycleGan(Training):
    """Unpaired translation both ways."""

    method: Literal["cyclegan"]
    generator: ResnetGenerator = ResnetGenerator()
    discriminator: Discriminator = Discriminator()
    lambda_cycle: Annotated[float, Field(ge=0)] = 10
    lambda_identity: Annotated[float, Field(ge=0)] = 0.5
    pool_size: Annotated[int, Field(ge=0)] = 50


class Pix2Pix(Training):
    """From the landmarks of a face of either domain to a face of the second, learnt on the second."""

    method: Literal["pix2pix"]
    landmarks: Literal["points", "lines"] = "points"
    generator: UNetGenerator = UNetGenerator()
    discriminator: NormedDiscriminator = NormedDiscriminator()
    lambda_l1: Annotated[float, Field(ge=0)] = 100
    test_dropout: bool = False


Experiment = Annotated[CycleGan | Pix2Pix, Field(discriminator="method")]


class Params(Section):
    """The whole of params.yaml."""

    engine: Engine
    crawl: Crawl
    sources: dict[Name, SourceEntry]
    domains: dict[Name, Domain]
    detect: Detect
    landmarks: Landmarks
    align: Align
    quality: Quality
    catalogue: Catalogue
    experiments: dict[Name, Experiment]

    @model_validator(mode="after")
    def _domains_are_known(self) -> Params:
        for name, entry in self.sources.items():
            for domain in entry.domains.all():
                if domain not in self.domains:
                    raise ValueError(
                        f"sources.{name}.domain: {domain!r} is not one of the domains: "
                        f"{', '.join(self.domains) or 'none'}"
                    )
        for name, experiment in self.experiments.items():
            for domain in experiment.domains:
                if domain not in self.domains:
                    known = ", ".join(self.domains) or "none"
                    raise ValueError(
                        f"experiments.{name}.domains: {domain!r} is not one of the domains: {known}"
                    )
        return self

    def experiment(self, name: str) -> CycleGan | Pix2Pix:
        """Return the experiment `name`; raise `UserError` where there is none."""
        if name not in self.experiments:
            raise unknown_name(f"{PARAMS_FILE}: experiments", name, "experiments", self.experiments)
        return self.experiments[name]

    def source(self, name: str) -> SourceEntry:
        """Return the entry of the source `name`; raise `UserError` where there is none."""
        if name not in self.sources:
            raise unknown_name(f"{PARAMS_FILE}: sources", name, "sources", self.sources)
        return self.sources[name]

    def domains_of(self, source: str) -> ByRole[Domain]:
        """Return how the faces of `source` are found and prepared."""
        return self.source(source).domains.map(lambda name: self.domains[name])


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and validate params.yaml; raise `UserError` with a line for every wrong key."""
    values = load_yaml(path)
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise UserError(explain_validation(error, path)) from None


def explain_validation(error: ValidationError, path: Path, prefix: str = "") -> str:
    """Say each error as `file: key: what is wrong, what was given`."""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(part for part in (prefix, *map(str, problem["loc"])) if part)
        lines.append(f"{path}: {key + ': ' if key else ''}{_allowed(problem)}")
    return "\n".join(dict.fromkeys(lines))


def _allowed(problem: Any) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return "this key is unknown here; remove it or correct its name"
    if problem["type"] == "missing":
        return "this key is missing"
    if problem["type"] == "value_error":
        return message
    return f"{message}, got {problem['input']!r}"
