"""What every experiment says: its data, how they are varied, and how it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Size = Literal[32, 64, 128, 256, 512]


def require(holds: bool, what: str) -> None:
    """Raise `ValueError` with the words of `what` unless it holds."""
    if not holds:
        raise ValueError(what)


@dataclass(frozen=True, kw_only=True)
class Options:
    """A group of options: unknown keys are errors, values do not change."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class PerSubject(Options):
    """How many faces of one person are taken: those with fewer than `min` are left out, of others at most `max`.

    Document 003 leaves out people with one image and takes 3 to 8 of each.
    """

    min: int = 1
    max: int | None = None

    def __post_init__(self) -> None:
        require(self.min >= 1, f"per_subject.min must be at least 1, got {self.min}")
        require(
            self.max is None or self.max >= self.min, f"per_subject.max must be at least min, got {self.max}"
        )


@dataclass(frozen=True, kw_only=True)
class Preprocess(Options):
    """What is done to the faces of one domain when the dataset is written."""

    equalize: Literal["none", "global", "clahe"] = "none"
    grey: bool = False


@dataclass(frozen=True, kw_only=True)
class Augment(Options):
    """How training images are varied; pairs and landmarks are varied with them.

    `enlarge`: the images are kept larger by this factor and a random crop is taken (the papers' 286 to 256 is 1.117);
    `flip`: mirrored half of the time; `rotation_deg` and `brightness`: up to so many degrees, and up to this part of
    the range [-1, 1], either way.
    """

    enlarge: float = 1.117
    flip: bool = True
    rotation_deg: float = 0.0
    brightness: float = 0.0

    def __post_init__(self) -> None:
        require(1 <= self.enlarge <= 2, f"augment.enlarge must be from 1 to 2, got {self.enlarge}")
        require(
            0 <= self.rotation_deg <= 180,
            f"augment.rotation_deg must be from 0 to 180, got {self.rotation_deg}",
        )
        require(0 <= self.brightness <= 1, f"augment.brightness must be from 0 to 1, got {self.brightness}")


@dataclass(frozen=True, kw_only=True)
class Experiment(Options):
    """What every experiment says, whatever its method.

    Data: `domains`, the source and the target; `licences` that are taken (all, where none is named); `split`: the
    catalogue's, which parts people, or one in which each person is trained on and tested with other pictures;
    `match`: attributes that both domains shall have alike (`yaw`, `pitch`, `roll`, `scale`, or a tag), by leaving faces
    out or by drawing them more and less often; `pairing`: faces that belong together by their `pair_id`, or those of
    most similar landmarks; `labels`: for each label the tags or words of a title that give it.

    Training: `steps`, or `epochs` of the larger domain; one model for each of `seeds`; `precision`; `accumulate`: so
    many batches make one step; `ema`: the decay of the averaged weights, which are then the ones that translate;
    `checkpoint_every` steps (a fifth of all by default), of which `keep_checkpoints` are kept; `deterministic`: bit for
    bit on a GPU too, which is slower; `init_from`: the weights of another experiment to start from; `select`: which
    weights are the result; `channels_last`, `fused` and `compile`: how the same numbers are computed faster.
    """

    method: str
    domains: tuple[str, ...]
    size_px: Size
    steps: int | None = None
    epochs: int | None = None
    batch_size: int = 1
    seeds: tuple[int, ...] = (0,)
    learning_rate: float = 2e-4

    licences: tuple[str, ...] = ()
    per_subject: PerSubject = field(default_factory=PerSubject)
    split: Literal["catalogue", "within_subjects"] = "catalogue"
    match: tuple[str, ...] = ()
    match_by: Literal["subsample", "reweight"] = "subsample"
    pairing: Literal["none", "pair_id", "nearest_landmarks"] = "none"
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    preprocess: dict[str, Preprocess] = field(default_factory=dict)
    augment: Augment = field(default_factory=Augment)

    precision: Literal["fp32", "bf16"] = "fp32"
    accumulate: int = 1
    ema: float | None = None
    checkpoint_every: int | None = None
    keep_checkpoints: int = 2
    deterministic: bool = False
    init_from: str | None = None
    select: Literal["last", "best_val_kid"] = "last"
    channels_last: bool = True
    fused: bool = True
    compile: Literal["none", "default", "reduce-overhead"] = "none"

    def __post_init__(self) -> None:
        require((self.steps is None) != (self.epochs is None), "either steps or epochs must be given")
        for name in ("steps", "epochs", "batch_size", "accumulate", "checkpoint_every", "keep_checkpoints"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        require(self.learning_rate > 0, f"learning_rate must be above 0, got {self.learning_rate}")
        require(len(set(self.seeds)) == len(self.seeds) > 0, "seeds must name at least one seed, each once")
        require(all(seed >= 0 for seed in self.seeds), "seeds must be at least 0")
        require(self.ema is None or 0 < self.ema < 1, f"ema must be between 0 and 1, got {self.ema}")
        self._check_domains()
        for domain in self.preprocess:
            require(domain in self.domains, f"preprocess: {domain!r} is not one of the experiment's domains")

    def _check_domains(self) -> None:
        require(
            len(self.domains) == len(set(self.domains)) == 2,
            f"domains must be two different ones, the source and the target, got {list(self.domains)}",
        )

    @property
    def load_px(self) -> int:
        """The side of the images that random crops are taken from."""
        return round(self.size_px * self.augment.enlarge)

    def faces_in_epoch(self, faces: Sequence[int]) -> int:
        """Return how many draws an epoch has, given how many training faces each domain has."""
        return max(faces)

    @property
    def needs_landmarks(self) -> bool:
        """Whether faces without landmarks are of no use."""
        return self.pairing == "nearest_landmarks"

    @property
    def needs_tags(self) -> bool:
        """Whether faces that no tag is known of are of no use."""
        return False

    @property
    def needs_labels(self) -> bool:
        """Whether faces of the target without any of the `labels` are of no use."""
        return False

    @property
    def perceptual_tagger(self) -> str | None:
        """The experiment through whose backbone images are compared, where one is."""
        return None


@dataclass(frozen=True, kw_only=True)
class Conditioned(Experiment):
    """An experiment whose networks may be told landmarks, colours and noise as planes beside the image.

    `landmark_shape`: discs, or the lines of the face's contours; `landmark_pixels`: the pixel values of background and
    landmark, where 127.5 is 0 for the network (document 004's weights exploded with 0 and 1); `color_jitter`: the
    deviation, in the range [-1, 1], of a change of the colours that is drawn anew at each access;
    `condition_dropout`: how often all conditions of a face are withheld (0 on their planes).
    """

    landmark_shape: Literal["points", "lines"] = "points"
    landmark_pixels: tuple[float, float] = (127.5, 255.0)
    color_jitter: float = 0.0
    condition_dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            all(0 <= value <= 255 for value in self.landmark_pixels),
            f"landmark_pixels must be from 0 to 255, got {list(self.landmark_pixels)}",
        )
        require(self.color_jitter >= 0, f"color_jitter must be at least 0, got {self.color_jitter}")
        require(
            0 <= self.condition_dropout < 1,
            f"condition_dropout must be at least 0 and below 1, got {self.condition_dropout}",
        )


@dataclass(frozen=True, kw_only=True)
class Classifying(Experiment):
    """An experiment that learns what faces are, from one domain or from two together; nothing is translated.

    An epoch shows every face of all its domains.

    `schedule`: the learning rate falls along half a cosine from the first step on, or on a line over the second half.
    """

    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "linear"] = "cosine"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_0(self, "weight_decay")
        require(self.pairing == "none", "pairing: nothing is translated here; leave it out")
        require(
            not self.match or len(self.domains) == 2,
            "match makes two domains alike; leave it out, or name two domains",
        )
        require(self.select == "last", "select: best_val_kid judges translations; leave it out")

    def faces_in_epoch(self, faces: Sequence[int]) -> int:
        """Return how many draws an epoch has, given how many training faces each domain has."""
        return sum(faces)

    def _check_domains(self) -> None:
        require(
            1 <= len(self.domains) == len(set(self.domains)) <= 2,
            f"domains must be one, or two different ones, got {list(self.domains)}",
        )


def require_at_least_0(options: object, *names: str) -> None:
    """Raise `ValueError` for the first of the options that is below 0."""
    for name in names:
        require(getattr(options, name) >= 0, f"{name} must be at least 0, got {getattr(options, name)}")


def require_at_least_1(options: object, *names: str) -> None:
    """Raise `ValueError` for the first of the options that is below 1."""
    for name in names:
        require(getattr(options, name) >= 1, f"{name} must be at least 1, got {getattr(options, name)}")
