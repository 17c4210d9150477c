"""The options of methods that translate in a style, which is drawn at random or taken from an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.experiments.common import Experiment, require, require_at_least_0, require_at_least_1


@dataclass(frozen=True, kw_only=True)
class StarGanV2(Experiment):
    """StarGAN v2 (Choi et al. 2020): one generator for both domains, led by a style of the domain that is asked for.

    A batch has `batch_size` faces of each domain, so the reference's 8 is 4 here. `width` multiplies every layer's
    channels: 1 is the reference's networks. `latent` and `style` are the numbers of each. `w_hpf: 1` carries the edges
    around the face's parts from the input to the output, around the landmarks of each face; 0 is for faces without
    landmarks, and for a shape that shall change more freely.

    `lambda_reg` weighs R1, `lambda_style` and `lambda_cycle` what is read back of style and image, and `lambda_ds` how
    unlike two outputs of a face are made, on a line that reaches 0 after `ds_steps`. The learning rate is constant.
    """

    method: Literal["starganv2"] = "starganv2"
    batch_size: int = 4
    learning_rate: float = 1e-4
    mapping_learning_rate: float = 1e-6
    weight_decay: float = 1e-4
    ema: float | None = 0.999
    width: float = 1.0
    latent: int = 16
    style: int = 64
    w_hpf: Literal[0, 1] = 1
    lambda_reg: float = 1.0
    lambda_style: float = 1.0
    lambda_cycle: float = 1.0
    lambda_ds: float = 1.0
    ds_steps: int = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.batch_size >= 2,
            "batch_size must be at least 2, got 1: a style is taken from two faces of a domain; set it to 2 or more",
        )
        require(
            self.mapping_learning_rate > 0,
            f"mapping_learning_rate must be above 0, got {self.mapping_learning_rate}",
        )
        require(self.width > 0, f"width must be above 0, got {self.width}")
        require_at_least_1(self, "latent", "style", "ds_steps")
        weights = ("lambda_reg", "lambda_style", "lambda_cycle", "lambda_ds")
        require_at_least_0(self, "weight_decay", *weights)

    @property
    def needs_landmarks(self) -> bool:
        """Whether faces without landmarks are of no use."""
        return super().needs_landmarks or self.w_hpf > 0
