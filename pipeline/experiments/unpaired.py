"""The options of methods that learn from two domains without pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.experiments.common import (
    Conditioned,
    Experiment,
    Options,
    require,
    require_at_least_0,
    require_at_least_1,
)

Upsample = Literal["transposed", "resize"]


@dataclass(frozen=True, kw_only=True)
class ResnetGenerator(Options):
    """A ResNet generator: channels of its first layer, residual blocks (6 at 128 px, 9 above), how it grows again."""

    width: int = 64
    blocks: int = 9
    upsample: Upsample = "transposed"

    def __post_init__(self) -> None:
        require_at_least_1(self, "width", "blocks")


@dataclass(frozen=True, kw_only=True)
class PatchDiscriminator(Options):
    """A PatchGAN: channels of its first layer, layers that halve (3 see 70x70 pixels)."""

    width: int = 64
    layers: int = 3

    def __post_init__(self) -> None:
        require_at_least_1(self, "width")
        require(1 <= self.layers <= 5, f"layers must be from 1 to 5, got {self.layers}")


@dataclass(frozen=True, kw_only=True)
class CycleGan(Conditioned):
    """Unpaired translation both ways (Zhu et al. 2017), with what documents 003 and 004 changed or asked for.

    `lambda_identity` is a factor of `lambda_cycle`. `attention` after the residual blocks of the generators, or in
    the discriminators too. `lambda_perceptual` weighs the difference of VGG16's features between an image and its way
    back; `perceptual_weights` is `vgg16` or the path of its file, or `tagger:NAME` for the features of an experiment of
    method tagger, which knows drawn faces. `lambda_pixel` weighs the difference to the
    partner of a pair. `encoder: face_features` puts a face recognition network, whose file is `encoder_weights`, in
    the generators' first half. `conditions` are planes beside the image, in and out; `landmarks: attention` lets
    landmarks guide the generators instead.
    """

    method: Literal["cyclegan"] = "cyclegan"
    generator: ResnetGenerator = field(default_factory=ResnetGenerator)
    discriminator: PatchDiscriminator = field(default_factory=PatchDiscriminator)
    lambda_cycle: float = 10.0
    lambda_identity: float = 0.5
    pool_size: int = 50
    attention: Literal["none", "generator", "both"] = "none"
    lambda_perceptual: float = 0.0
    perceptual_weights: str = "vgg16"
    lambda_pixel: float = 0.0
    encoder: Literal["convolutions", "face_features"] = "convolutions"
    encoder_weights: str = "inception-resnet-v1"
    conditions: tuple[Literal["landmarks", "colors"], ...] = ()
    landmarks: Literal["planes", "attention"] = "planes"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_0(
            self, "lambda_cycle", "lambda_identity", "pool_size", "lambda_perceptual", "lambda_pixel"
        )
        require(
            self.lambda_pixel == 0 or self.pairing != "none",
            "lambda_pixel needs pairs: set pairing to pair_id or nearest_landmarks",
        )
        require(
            self.landmarks == "planes" or "landmarks" not in self.conditions,
            "landmarks: attention guides by landmarks; leave them out of conditions",
        )
        require(
            self.encoder == "convolutions" or not (self.conditions or self.landmarks == "attention"),
            "encoder: face_features takes images alone; leave conditions and landmarks out",
        )
        require(
            self.encoder == "convolutions" or self.attention == "none",
            "encoder: face_features has no place for attention; set attention to none",
        )
        require(
            self.attention != "both" or self.discriminator.layers >= 2,
            "attention: both needs a discriminator of at least 2 layers",
        )
        require(
            len(set(self.conditions)) == len(self.conditions),
            "conditions must name landmarks and colors once",
        )

    @property
    def needs_landmarks(self) -> bool:
        """Whether faces without landmarks are of no use."""
        return super().needs_landmarks or "landmarks" in self.conditions or self.landmarks == "attention"

    @property
    def perceptual_tagger(self) -> str | None:
        """The experiment through whose backbone images are compared, where one is."""
        prefix, _, name = self.perceptual_weights.partition(":")
        return name if prefix == "tagger" and self.lambda_perceptual > 0 else None


@dataclass(frozen=True, kw_only=True)
class GetGan(Experiment):
    """GET-GAN of document 001: CycleGAN whose way back is led by gradients around what cannot be translated.

    `error: false` leaves out the error branch and the weights, which is CycleGAN. `gate` selects the features of each
    branch: for each channel, or one map for all. `weight_range`: half is the document's [0.5, 1), full is [0, 1).
    """

    method: Literal["getgan"] = "getgan"
    generator: ResnetGenerator = field(default_factory=ResnetGenerator)
    discriminator: PatchDiscriminator = field(default_factory=PatchDiscriminator)
    error: bool = True
    gate: Literal["none", "full", "map"] = "none"
    weight_range: Literal["half", "full"] = "half"
    lambda_gan: float = 1.0
    lambda_rec: float = 10.0
    lambda_identity: float = 5.0
    lambda_error: float = 1.0
    lambda_guide: float = 0.0
    pool_size: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = ("lambda_gan", "lambda_rec", "lambda_identity", "lambda_error", "lambda_guide")
        require_at_least_0(self, *weights, "pool_size")
        require(self.error or self.gate == "none", "gate needs the error branch: set error to true")
        require(self.lambda_guide == 0 or self.gate != "none", "lambda_guide needs a gate: full or map")


@dataclass(frozen=True, kw_only=True)
class UgatitGenerator(Options):
    """The generators of U-GAT-IT; `light` looks at the mean of each feature map instead of all its pixels."""

    width: int = 64
    blocks: int = 4
    light: bool = True

    def __post_init__(self) -> None:
        require_at_least_1(self, "width", "blocks")


@dataclass(frozen=True, kw_only=True)
class UgatitDiscriminator(Options):
    """The discriminators of U-GAT-IT: channels, layers of the one that sees all and of the one that sees patches."""

    width: int = 64
    global_layers: int = 7
    local_layers: int = 5

    def __post_init__(self) -> None:
        require_at_least_1(self, "width")
        require(self.local_layers >= 3, f"local_layers must be at least 3, got {self.local_layers}")
        require(self.global_layers >= 3, f"global_layers must be at least 3, got {self.global_layers}")


@dataclass(frozen=True, kw_only=True)
class Ugatit(Experiment):
    """U-GAT-IT (Kim et al. 2020): attention by class activation maps, normalisation that chooses itself.

    The discriminators' layers are the paper's, for 128 px and more; 64 px take at most 6 of them, 32 px at most 5.
    """

    method: Literal["ugatit"] = "ugatit"
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    generator: UgatitGenerator = field(default_factory=UgatitGenerator)
    discriminator: UgatitDiscriminator = field(default_factory=UgatitDiscriminator)
    lambda_gan: float = 1.0
    lambda_cycle: float = 10.0
    lambda_identity: float = 10.0
    lambda_cam: float = 1000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_0(
            self, "weight_decay", "lambda_gan", "lambda_cycle", "lambda_identity", "lambda_cam"
        )
        # The last two layers look at 4x4 places, which an image halved more often does not have.
        most = (self.size_px // 3).bit_length() + 1
        for name in ("global_layers", "local_layers"):
            layers = getattr(self.discriminator, name)
            require(
                layers <= most,
                f"discriminator.{name}: {layers} layers need a larger image than {self.size_px} px;"
                f" set it to {most} or fewer, or raise size_px",
            )


@dataclass(frozen=True, kw_only=True)
class DiscoGan(Experiment):
    """DiscoGAN (Kim et al. 2017): reconstruction and matched features at 64 px.

    `rate` is the share of the reconstruction in the generators' loss, `starting_rate` during the first
    `starting_steps`. Each `discriminator_every`-th step, from the first on, trains the discriminators, the others train
    the generators. `extra_layers` squeezes each image through 100 values.
    """

    method: Literal["discogan"] = "discogan"
    batch_size: int = 64
    weight_decay: float = 1e-5
    width: int = 64
    extra_layers: bool = False
    starting_rate: float = 0.01
    rate: float = 0.5
    starting_steps: int = 10_000
    discriminator_every: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.size_px == 64, f"size_px must be 64 for discogan, got {self.size_px}")
        require(
            0 <= self.starting_rate <= 1 and 0 <= self.rate <= 1, "starting_rate and rate must be from 0 to 1"
        )
        require_at_least_0(self, "weight_decay", "starting_steps")
        require_at_least_1(self, "width")
        require(
            self.discriminator_every >= 2,
            f"discriminator_every must be at least 2, got {self.discriminator_every}",
        )
        require(
            self.batch_size >= 2 or not self.extra_layers,
            "extra_layers normalise over the batch: set batch_size to 2 or more",
        )


@dataclass(frozen=True, kw_only=True)
class MunitGenerator(Options):
    """MUNIT's encoders and decoder: channels, residual blocks, numbers of a style, channels of the MLP."""

    width: int = 64
    blocks: int = 4
    style: int = 8
    mlp: int = 256

    def __post_init__(self) -> None:
        require_at_least_1(self, "width", "blocks", "style", "mlp")


@dataclass(frozen=True, kw_only=True)
class MunitDiscriminator(Options):
    """MUNIT's discriminator: channels, layers, and at how many sizes it looks."""

    width: int = 64
    layers: int = 4
    scales: int = 3

    def __post_init__(self) -> None:
        require_at_least_1(self, "width", "layers", "scales")


@dataclass(frozen=True, kw_only=True)
class Munit(Experiment):
    """MUNIT (Huang et al. 2018): content that both domains share, a style of each.

    `halve_every`: after so many steps the learning rate is halved. `lambda_cycle` weighs the image after the way there
    and back, which the paper leaves out for most sets.
    """

    method: Literal["munit"] = "munit"
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    halve_every: int = 100_000
    generator: MunitGenerator = field(default_factory=MunitGenerator)
    discriminator: MunitDiscriminator = field(default_factory=MunitDiscriminator)
    lambda_gan: float = 1.0
    lambda_image: float = 10.0
    lambda_content: float = 1.0
    lambda_style: float = 1.0
    lambda_cycle: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = ("lambda_gan", "lambda_image", "lambda_content", "lambda_style", "lambda_cycle")
        require_at_least_0(self, "weight_decay", *weights)
        require_at_least_1(self, "halve_every")
        layers, scales = self.discriminator.layers, self.discriminator.scales
        smallest_px = 2 ** (layers + scales - 1)
        require(
            self.size_px >= smallest_px,
            f"discriminator.scales: {scales} scales of {layers} layers need {smallest_px} px, and size_px is"
            f" {self.size_px}; take fewer scales or layers",
        )


@dataclass(frozen=True, kw_only=True)
class CutGenerator(Options):
    """CUT's ResNet generator, which halves and doubles without aliasing: channels, residual blocks."""

    width: int = 64
    blocks: int = 9

    def __post_init__(self) -> None:
        require_at_least_1(self, "width", "blocks")


@dataclass(frozen=True, kw_only=True)
class Cut(Experiment):
    """CUT and FastCUT (Park et al. 2020): one way, held together by patches of the same place.

    `variant: cut` has `lambda_nce` 1 and an `identity` loss and is meant for 400 epochs; `fast` has `lambda_nce` 10, no
    identity, and mirrors half of the images for the generator, and is meant for 200. Values given here replace the
    variant's. `patches`: so many places of an image are compared at each of five layers.
    """

    method: Literal["cut"] = "cut"
    variant: Literal["cut", "fast"] = "cut"
    generator: CutGenerator = field(default_factory=CutGenerator)
    discriminator: PatchDiscriminator = field(default_factory=PatchDiscriminator)
    lambda_gan: float = 1.0
    lambda_nce: float | None = None
    identity: bool | None = None
    patches: int = 256
    temperature: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_0(self, "lambda_gan")
        require(
            self.lambda_nce is None or self.lambda_nce >= 0,
            f"lambda_nce must be at least 0, got {self.lambda_nce}",
        )
        require_at_least_1(self, "patches")
        require(self.temperature > 0, f"temperature must be above 0, got {self.temperature}")
