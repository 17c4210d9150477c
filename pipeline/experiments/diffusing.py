"""The options of methods that begin from a model of images which others have trained on all the web."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.experiments.common import Experiment, require, require_at_least_0, require_at_least_1

# Dropping the prompt, the image and both takes three times `caption_dropout`.
_MOST_DROPOUT = 1 / 3
# A face's prompt is one of so many numbers as a float can tell apart.
_MOST_PROMPTS = 16
# How much of the noise a translation begins with, where `strength` is not given.
_STRENGTH = {"instruct": 1.0, "img2img": 0.8}


@dataclass(frozen=True, kw_only=True)
class Diffusion(Experiment):
    """Stable Diffusion (Rombach et al. 2022), as it is or taught by LoRA (Hu et al. 2021) what a face becomes.

    `base` is a folder as diffusers writes it, or the name of a model whose repository and revision are fixed. `lora`:
    `none` learns nothing; `attention` learns low-rank changes of the U-Net's attention, of this `rank` and scaled by
    `alpha / rank`, as in document 002. Their learning rate is `learning_rate` divided by that scale, which makes
    `learning_rate` that of what they change. It rises over `warmup_steps` and then stays; `clip_norm` is the largest
    norm of all gradients together.

    `conditioning: instruct` tells the U-Net the source's face in four more channels (InstructPix2Pix, Brooks et al.
    2023) and needs pairs. `img2img` learns what the target's faces look like, not which face becomes which: a
    translation starts from the source's face with noise on it (SDEdit, Meng et al. 2022). `strength` is how much, up to
    1, noise alone; by default 0.8 for img2img and 1 for instruct. `inference_steps` lead from noise alone to an image.

    `prompt` is document 002's; `prompts` are others by label, for a face that has that label; with several labels they
    are joined. `guidance` and `image_guidance` say how much more prompt and image count than nothing. Against the
    dominance of the prompt, which document 002 complains of, training withholds it: `caption_dropout` is how often the
    prompt alone, as often the image alone, and as often both.
    """

    method: Literal["diffusion"] = "diffusion"
    pairing: Literal["none", "pair_id", "nearest_landmarks"] = "pair_id"
    base: str = "stable-diffusion-v1-5"
    lora: Literal["none", "attention"] = "attention"
    rank: int = 4
    alpha: int = 32
    conditioning: Literal["instruct", "img2img"] = "instruct"
    strength: float | None = None
    inference_steps: int = 50
    prompt: str = "A professional portrait of a person after surgery"
    prompts: dict[str, str] = field(default_factory=dict)
    guidance: float = 7.5
    image_guidance: float = 1.5
    caption_dropout: float = 0.05
    batch_size: int = 16
    learning_rate: float = 1e-4
    weight_decay: float = 1e-2
    warmup_steps: int = 500
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.base), "base must be the folder of a diffusers model, or the name of a known one")
        require_at_least_1(self, "rank", "alpha")
        require_at_least_0(self, "weight_decay", "warmup_steps", "guidance", "image_guidance")
        require(self.clip_norm > 0, f"clip_norm must be above 0, got {self.clip_norm}")
        require(
            1 <= self.inference_steps <= 1000,
            f"inference_steps must be from 1 to 1000, got {self.inference_steps}",
        )
        require(
            self.strength is None or 0 < self.strength <= 1,
            f"strength must be above 0 and at most 1, got {self.strength}",
        )
        require(
            0 <= self.caption_dropout <= _MOST_DROPOUT,
            f"caption_dropout must be from 0 to 1/3, for it is taken three times, got {self.caption_dropout}",
        )
        require(
            self.compile == "none", "compile: the U-Net is not a network of this experiment; leave it out"
        )
        self._check_conditioning()
        self._check_prompts()

    def _check_conditioning(self) -> None:
        instructs = self.conditioning == "instruct"
        require(
            not instructs or self.lora != "none",
            "conditioning: instruct has to be learnt; set conditioning: img2img, or lora: attention",
        )
        require(
            not instructs or self.pairing != "none",
            "conditioning: instruct learns from pairs: set pairing to pair_id or nearest_landmarks, "
            "or conditioning to img2img",
        )

    def _check_prompts(self) -> None:
        for label in self.prompts:
            require(label in self.labels, f"prompts: {label!r} is not one of the experiment's labels")
        require(
            len(self.prompts) <= _MOST_PROMPTS,
            f"prompts must be at most {_MOST_PROMPTS}, got {len(self.prompts)}",
        )

    @property
    def start_strength(self) -> float:
        """How much noise a translation begins with: 1 is noise alone."""
        return _STRENGTH[self.conditioning] if self.strength is None else self.strength
