"""The methods: each reads like its paper's recipe; everything else about training is the trainer's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from pipeline.experiments import Experiment
from pipeline.methods.autoencoder import Autoencoder
from pipeline.methods.base import Method, Translator
from pipeline.methods.cut import Cut
from pipeline.methods.cyclegan import CycleGan
from pipeline.methods.diffusion import Diffusion
from pipeline.methods.discogan import DiscoGan
from pipeline.methods.gan import Gan
from pipeline.methods.getgan import GetGan
from pipeline.methods.munit import Munit
from pipeline.methods.pix2pix import Pix2Pix
from pipeline.methods.recogniser import Recogniser
from pipeline.methods.stargan import StarGan
from pipeline.methods.starganv2 import StarGanV2
from pipeline.methods.style_transfer import StyleTransfer
from pipeline.methods.tagger import Tagger
from pipeline.methods.ugatit import Ugatit
from pipeline.methods.vae import Vae

TRANSLATORS: dict[str, Callable[[Any, torch.Generator], Translator]] = {
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
}
CLASSIFIERS: dict[str, Callable[[Any, torch.Generator], Method]] = {
    "tagger": Tagger,
    "recogniser": Recogniser,
}
METHODS: Mapping[str, Callable[[Any, torch.Generator], Method]] = {**TRANSLATORS, **CLASSIFIERS}


def build_method(experiment: Experiment, generator: torch.Generator) -> Method:
    """Return the experiment's method, its weights drawn from `generator`."""
    return METHODS[experiment.method](experiment, generator)
