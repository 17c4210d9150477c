"""params.yaml as typed, validated objects.

Sections that pipeline stages read have no defaults here: every value stands in params.yaml, where DVC
sees it change. That is why no stage lists this module among its code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.networks import IPvAnyNetwork

from pipeline.errors import UserError
from pipeline.experiments import AnyExperiment
from pipeline.names import unknown_name
from pipeline.project import PARAMS_FILE, load_yaml
from pipeline.schedules import Schedules

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

    def knows(self, role: str | None) -> bool:
        """Say whether there is a setting for an image with this role."""
        return not isinstance(self.values, dict) or (role or "") in self.values

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


class Engine(BaseModel):
    """Where work runs; each kind has its own keys."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["local", "dask"]

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, values: Any, validate: ModelWrapValidatorHandler[Engine]) -> Engine:
        kinds: dict[str, type[Engine]] = {"local": LocalEngine, "dask": DaskEngine}
        if cls is Engine and isinstance(values, dict) and values.get("kind") in kinds:
            return kinds[values["kind"]].model_validate(values)
        return validate(values)

    @property
    def worker_count(self) -> int:
        """The number of processes for work on this machine: one per core."""
        return len(os.sched_getaffinity(0))


class LocalEngine(Engine):
    """`workers` processes on this machine, `auto` for one per core."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["local"] = "local"
    workers: Positive | Literal["auto"]

    @property
    def worker_count(self) -> int:
        """The number of processes for work on this machine."""
        return super().worker_count if self.workers == "auto" else self.workers


class DaskEngine(Engine):
    """The workers of a Dask cluster whose scheduler listens at `address`.

    `share` is how they see the data: the absolute path that the project's folder has there, or an fsspec URL below
    which both they and this machine can read and write.
    """

    model_config = ConfigDict(extra="forbid")
    kind: Literal["dask"] = "dask"
    address: str
    share: str

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        if not re.fullmatch(r"(tcp|tls)://([^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}", address):
            raise ValueError(f"must be like tcp://HOST:8786, as `dask scheduler` prints it, got {address!r}")
        return address

    @field_validator("share")
    @classmethod
    def _can_be_shared(cls, share: str) -> str:
        if not Path(share).is_absolute() and not re.match(r"[a-z][a-z0-9+.-]*://.", share):
            raise ValueError(
                f"must be the absolute path of the project's folder, or a URL such as s3://BUCKET/FOLDER, "
                f"got {share!r}"
            )
        if share.startswith("memory:"):
            raise ValueError("memory:// is seen by one process only")
        return share


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


REAL_DETECTORS = ("blazeface", "dlib-hog", "mtcnn")
# Those of the package face-alignment, whose weights `python -m pipeline weights fetch` brings.
FETCHED_DETECTORS = ("sfd", "yunet", "scrfd")
CARTOON_DETECTORS = ("animeface",)
ONNX = "onnx:"
REAL_LANDMARKS = ("dlib-68", "mesh-68", "fan-68")


class Limits(Section):
    """Which aligned faces the catalogue keeps.

    The distance between the eyes in pixels of the picture; degrees that the head is turned; the variance of the
    Laplacian; the share of the crop outside the picture; the mean luminance of the face (0 to 1); how much of the
    face something seems to hide, and how well the landmarks agree with what else is known (0 to 1).
    """

    min_eye_distance_px: Annotated[float, Field(ge=0)]
    max_abs_yaw_deg: Annotated[float, Field(ge=0, le=90)]
    max_abs_pitch_deg: Annotated[float, Field(ge=0, le=90)]
    min_sharpness: Annotated[float, Field(ge=0)]
    max_padded: Fraction
    min_exposure: Fraction
    max_exposure: Fraction
    max_occlusion: Fraction
    min_landmark_quality: Fraction


class OwnLimits(Section):
    """The limits of `quality` that a domain replaces by its own."""

    min_eye_distance_px: Annotated[float, Field(ge=0)] | None = None
    max_abs_yaw_deg: Annotated[float, Field(ge=0, le=90)] | None = None
    max_abs_pitch_deg: Annotated[float, Field(ge=0, le=90)] | None = None
    min_sharpness: Annotated[float, Field(ge=0)] | None = None
    max_padded: Fraction | None = None
    min_exposure: Fraction | None = None
    max_exposure: Fraction | None = None
    max_occlusion: Fraction | None = None
    min_landmark_quality: Fraction | None = None


AlignMethod = Literal["eyes", "ffhq", "landmarks", "as_is"]


class Domain(Section):
    """What a source shows, and how its faces are found and prepared.

    `detector` is one detector, or a chain of several: each is asked where those before it found nothing.
    `align` and `quality` replace the method and single limits of the sections of that name.
    """

    faces: Literal["real", "cartoon", "whole"]
    detector: str | tuple[str, ...]
    landmarks: Literal["dlib-68", "mesh-68", "fan-68", "none"]
    align: AlignMethod | None = None
    equalize: Literal["none", "global", "clahe"] = "none"
    quality: OwnLimits = OwnLimits()

    @property
    def detectors(self) -> tuple[str, ...]:
        """The chain of detectors; empty where the whole picture is the face."""
        chain = (self.detector,) if isinstance(self.detector, str) else self.detector
        return () if chain == ("none",) else chain

    @model_validator(mode="after")
    def _detectors_are_known(self) -> Domain:
        if self.faces == "whole":
            if self.detectors or self.landmarks != "none":
                raise ValueError("detector and landmarks must be 'none' where faces is 'whole'")
            return self
        if not self.detectors:
            raise ValueError("detector must not be 'none' but where faces is 'whole'")
        known = CARTOON_DETECTORS if self.faces == "cartoon" else REAL_DETECTORS + FETCHED_DETECTORS
        for name in self.detectors:
            if name not in known and not (self.faces == "cartoon" and name.startswith(ONNX)):
                path = f", or {ONNX}PATH" if self.faces == "cartoon" else ""
                raise ValueError(
                    f"detector: {name!r} is none for {self.faces} faces: {', '.join(known)}{path}"
                )
        return self

    @model_validator(mode="after")
    def _landmarks_fit(self) -> Domain:
        if self.faces == "real" and self.landmarks == "none":
            raise ValueError("landmarks must not be 'none' where faces is 'real': the eyes come from them")
        if self.faces == "cartoon" and self.landmarks == "mesh-68":
            raise ValueError("landmarks: 'mesh-68' knows no drawn faces; use dlib-68, fan-68 or none")
        if self.landmarks == "none" and self.align in ("landmarks", "ffhq"):
            raise ValueError(f"align: {self.align!r} needs landmarks")
        return self

    def limits(self, quality: Limits) -> dict[str, float]:
        """Return the limits for its faces: its own, or else those of `quality`."""
        return quality.model_dump() | self.quality.model_dump(exclude_none=True)


class Detect(Section):
    """How pictures are searched.

    `long_side_px`: larger pictures are reduced to it; `group_long_side_px`: drawn pictures that may show a group
    are searched at this size too; `min_score`: 0.5 is a detector's own threshold; `max_faces` of one picture, the
    best first; `check`: whether what a detector finds must look like a face to the face mesh too, and drawn faces be
    found again in other views.
    """

    long_side_px: Annotated[int, Field(ge=64, le=4096)]
    group_long_side_px: Annotated[int, Field(ge=64, le=4096)]
    min_score: Fraction
    max_faces: Positive
    check: bool


class Disagreement(Section):
    """How far eyes and mouth may lie from where else they are known to be, in distances between the eyes."""

    real: Annotated[float, Field(gt=0)]
    cartoon: Annotated[float, Field(gt=0)]


class Landmarks(Section):
    """When 68 points are believed.

    `max_disagreement`: of real faces with the face mesh and between boxes, of cartoons with their detector;
    `max_abs_yaw_deg`: heads that are turned further show too little of one side.
    """

    max_disagreement: Disagreement
    max_abs_yaw_deg: Annotated[float, Field(gt=0, le=90)]


class Align(Section):
    """How faces are cut out, where the eyes lie as fractions of the side, and how crops are stored (lossless).

    `eyes`: the eyes at their places; `landmarks`: all 68 points nearest to a mean face whose eyes lie there;
    `ffhq`: as FFHQ was cut; `as_is`: the picture's central square at its own size, for sets that are aligned already.
    A domain of small crops sets its own `quality: {min_eye_distance_px: 0}` where its eyes are found.
    """

    method: AlignMethod
    size_px: Annotated[int, Field(ge=32, le=2048)]
    eye_y: Annotated[float, Field(gt=0, lt=1)]
    eye_distance: Annotated[float, Field(gt=0, lt=1)]
    format: Literal["webp", "png"]


class Duplicates(Section):
    """Aligned faces whose perceptual hashes differ in at most `max_distance` of 64 bits are one cluster.

    With 4, most copies that were compressed again or scaled are found and, of photographs, no two people; with 6 so
    many people look alike by chance that of 100,000 faces a third would be left out (`benchmarks/duplicates.py`).
    """

    max_distance: Annotated[int, Field(ge=0, le=16)]


class Split(Section):
    """The shares of validation and test; the rest is for training.

    `by`: what keeps images together in one split. The first that is known of an image counts, its own id where none
    is. Leave `page_url` out where the pages are long lists that grow.
    """

    val: Fraction
    test: Fraction
    by: tuple[Literal["subject", "pair_id", "page_url"], ...]

    @model_validator(mode="after")
    def _leaves_train(self) -> Split:
        if self.val + self.test >= 1:
            raise ValueError("val and test together must be below 1")
        return self


class Catalogue(Section):
    """How the table of all faces marks duplicates and splits."""

    duplicates: Duplicates
    split: Split


class Metrics(Section):
    """What outputs are measured by: the networks whose features are compared.

    `tagger`: the experiment whose backbone gives them, or `none`; `inception` and `alexnet`: the names under which the
    weights of FID's and of LPIPS's network are published, or the paths of their files. What needs weights that are not
    here is not measured.
    """

    tagger: Name
    inception: str = "inception-fid"
    alexnet: str = "alexnet"


Experiment = Annotated[AnyExperiment, Field(discriminator="method")]


class Params(Section):
    """The whole of params.yaml."""

    engine: Engine
    crawl: Crawl
    sources: dict[Name, SourceEntry]
    domains: dict[Name, Domain]
    detect: Detect
    landmarks: Landmarks
    align: Align
    quality: Limits
    catalogue: Catalogue
    experiments: dict[Name, Experiment]
    metrics: Metrics
    schedules: Schedules = Schedules()

    @model_validator(mode="after")
    def _domains_are_known(self) -> Params:
        for name, known_domain in self.domains.items():
            method = known_domain.align or self.align.method
            needs_points = known_domain.faces != "whole" and method in ("landmarks", "ffhq")
            if needs_points and known_domain.landmarks == "none":
                raise ValueError(
                    f"domains.{name}: landmarks must not be 'none' where faces are aligned by them; "
                    "give it landmarks, or align: eyes"
                )
        for name, entry in self.sources.items():
            for domain in entry.domains.all():
                if domain not in self.domains:
                    raise ValueError(
                        f"sources.{name}.domain: {domain!r} is not one of the domains: "
                        f"{', '.join(self.domains) or 'none'}"
                    )
        for name, experiment in self.experiments.items():
            if experiment.init_from is not None and experiment.init_from not in {*self.experiments} - {name}:
                raise ValueError(
                    f"experiments.{name}.init_from: {experiment.init_from!r} is not one of the other experiments"
                )
            tagger = experiment.perceptual_tagger
            if tagger is not None and getattr(self.experiments.get(tagger), "method", None) != "tagger":
                raise ValueError(
                    f"experiments.{name}.perceptual_weights: {tagger!r} is not one of the "
                    "experiments with method: tagger"
                )
            generator = getattr(experiment, "generated_by", None)
            if generator is not None and generator not in {*self.experiments} - {name}:
                raise ValueError(
                    f"experiments.{name}.generated_by: {generator!r} is not one of the other experiments"
                )
            for domain in experiment.domains:
                if domain not in self.domains:
                    known = ", ".join(self.domains) or "none"
                    raise ValueError(
                        f"experiments.{name}.domains: {domain!r} is not one of the domains: {known}"
                    )
        return self

    @model_validator(mode="after")
    def _tagger_is_one(self) -> Params:
        name = self.metrics.tagger
        taggers = [other for other, experiment in self.experiments.items() if experiment.method == "tagger"]
        if name != "none" and name not in taggers:
            raise ValueError(
                f"metrics.tagger: {name!r} is not one of the experiments with method: tagger "
                f"({', '.join(taggers) or 'there are none'}); name one, or set it to none"
            )
        return self

    @model_validator(mode="after")
    def _schedules_are_of_sources(self) -> Params:
        self.schedules.check_sources(self.sources)
        return self

    def experiment(self, name: str) -> AnyExperiment:
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
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return "this key is unknown here; remove it or correct its name"
    if problem["type"] == "missing":
        return "this key is missing"
    if problem["type"] == "value_error":
        return message
    return f"{message}, got {problem['input']!r}"
