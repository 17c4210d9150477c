"""What each channel of an exported model's input holds, in words that whoever calls it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from pipeline.experiments.common import Conditioned
from pipeline.methods.base import Translator
from pipeline.methods.cyclegan import CycleGan
from pipeline.methods.gan import Gan
from pipeline.methods.pix2pix import CHANNELS, Pix2Pix
from pipeline.methods.stargan import StarGan
from pipeline.methods.starganv2 import StarGanV2


@dataclass(frozen=True)
class Channels:
    """So many channels in a row, and what they hold."""

    count: int
    meaning: str


IMAGE = Channels(3, "the face's image, RGB, from -1 (black) to 1: `pixel / 127.5 - 1`")
_COLORS = (
    "the colours of skin, hair and eyes (the mean of both), RGB each, from -1 to 1, the same on the whole plane; "
    "0 where one is not known"
)


def channels_of(method: Translator, inputs: Tensor) -> list[Channels]:
    """Return what a model's inputs hold, in order; `inputs` are some of them.

    Raises `ValueError` where this describes another number of channels than they have.
    """
    described = list(_described(method))
    count = sum(channels.count for channels in described)
    if count != inputs.shape[1]:
        raise ValueError(
            f"{type(method).__name__}: {count} channels are described, and {inputs.shape[1]} are there"
        )
    return described


def _described(method: Translator) -> Iterator[Channels]:
    if isinstance(method, Gan):
        yield Channels(method.options.latent, "numbers drawn from N(0, 1): nothing of a face")
    elif isinstance(method, Pix2Pix):
        for name in method.told:
            yield _told(name, method.options)
    else:
        yield IMAGE
    if isinstance(method, CycleGan):
        for name in method.conditions:
            yield _told(name, method.options)
    if isinstance(method, StarGan):
        for name in method.options.labels or [method.target]:
            yield Channels(1, f"1 on the whole plane to ask for `{name}`, else 0")
    if isinstance(method, StarGanV2) and method.options.w_hpf:
        yield Channels(1, f"a spot on each of the 68 landmarks, at most 1: {_spot(method.size_px)}")
        yield Channels(1, "the same of the landmarks of nose and eyes alone")


def _told(name: str, options: Conditioned) -> Channels:
    return {
        "image": IMAGE,
        "landmarks": Channels(CHANNELS["landmarks"], _landmarks(options)),
        "colors": Channels(CHANNELS["colors"], _COLORS),
        "noise": Channels(CHANNELS["noise"], "a number from N(0, 1) for each pixel"),
    }[name]


def _landmarks(options: Conditioned) -> str:
    background, landmark = (f"{value / 127.5 - 1:g}" for value in options.landmark_pixels)
    shape = {
        "points": f"discs of {max(options.size_px / 64, 0.5):g} px around each",
        "lines": f"the contours through them, {max(options.size_px / 64, 0.75):g} px to either side",
    }[options.landmark_shape]
    return f"the face's 68 landmarks (iBUG order): {landmark} on {shape}, {background} elsewhere"


def _spot(size_px: int) -> str:
    return f"exp(-d²/2) of the distance d in units of {size_px / 64:g} px"
