"""Networks that make numbers of an image, in which sets of images are compared; never with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline import parts, weights
from pipeline.errors import UserError
from pipeline.networks.backbones import Backbone, build_backbone, load_backbone
from pipeline.networks.fid_inception import FEATURES, SIDE_PX, FidInception, load_fid_inception
from pipeline.networks.resizing import prepare, resize_as_pillow_bicubic

INCEPTION = "inception"
TAGGER = "tagger"
INCEPTION_WEIGHTS = "inception-fid"
FIDELITY = "fidelity"
BACKBONE_NAME = "backbone.safetensors"
# On a CPU the fastest of 4, 8, 16 and 32 for Inception, by a little.
_BATCH = 8


class Missing(UserError):
    """The genuine weights are not here; the message says "weights missing" and how to get them."""


@dataclass(frozen=True)
class Features:
    """A network that makes D numbers of an image.

    `name`: as it stands in a metric's name; `weights`: the SHA-256 of their file; `resizing`: how images come to the
    network's size; `extract`: N×H×W×3 uint8, also on the disk, to N×D float32 for any N, few images at a time;
    `logits`: N×D features to N×C logits, where the network tells classes apart.
    """

    name: str
    weights: str
    resizing: str
    extract: Callable[[np.ndarray], np.ndarray]
    logits: Callable[[np.ndarray], np.ndarray] | None = None


def inception(file: str = INCEPTION_WEIGHTS, resizing: str = FIDELITY) -> Features:
    """Return the 2,048 features of FID's Inception v3, and its logits as the Inception Score was published.

    `file` is a path, or the name under which `python -m pipeline weights fetch` brings it; `resizing` one of
    `pipeline.networks.resizing.RESIZINGS`: `fidelity` is called `inception`, others have their name behind it. Raises
    `Missing` where the file is not here, `UserError` where it is another one. The network is built when it is used.
    """
    path = _path_of(file)
    sha256 = weights.sha256(file) if file in weights.FETCHED else parts.content_hash(path)

    @cache
    def network() -> FidInception:
        return load_fid_inception(path).fold().to(memory_format=torch.channels_last)

    def extract(images: np.ndarray) -> np.ndarray:
        return _in_batches(images, lambda batch: network()(prepare(batch, SIDE_PX, resizing)), FEATURES)

    @torch.inference_mode()
    def logits(features: np.ndarray) -> np.ndarray:
        return network().logits(torch.from_numpy(features)).numpy()

    name = INCEPTION if resizing == FIDELITY else f"{INCEPTION}_{resizing}"
    return Features(name, sha256, resizing, extract, logits)


def tagger(folder: Path, backbone: str, size_px: int) -> Features:
    """Return the features of a tagger's trunk, whose weights a training has left in `folder`.

    `backbone` and `size_px` are its experiment's: images of other sizes are brought to it by Pillow's bicubic filter.
    Raises `Missing` where the tagger is not trained.
    """
    path = folder / BACKBONE_NAME
    if not path.is_file():
        raise Missing(f"weights missing: {path} is not here; train the tagger first")

    @cache
    def network() -> Backbone:
        with torch.random.fork_rng(devices=[]):
            built = build_backbone(backbone)
        load_backbone(built, path)
        return built.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def read(batch: Tensor) -> Tensor:
        values = resize_as_pillow_bicubic(batch, size_px) / 127.5 - 1
        return network()(values.contiguous(memory_format=torch.channels_last))

    def extract(images: np.ndarray) -> np.ndarray:
        return _in_batches(images, read, network().features)

    return Features(TAGGER, parts.content_hash(path), "clean", extract)


def _path_of(file: str) -> Path:
    """Return where a published or a given file lies; raise `Missing` where it does not."""
    if file in weights.FETCHED:
        path, remedy = weights.FETCHED[file].place(), f"run {weights.FETCH} {file}"
    else:
        path, remedy = Path(file), f"{file} is not here; correct metrics.{INCEPTION} in params.yaml"
    if not path.is_file():
        raise Missing(f"weights missing: {remedy}")
    return path


@torch.inference_mode()
def _in_batches(images: np.ndarray, read: Callable[[Tensor], Tensor], length: int) -> np.ndarray:
    """Return N×length float32 for N images."""
    made = np.empty((len(images), length), np.float32)
    for start in range(0, len(images), _BATCH):
        batch = torch.from_numpy(np.array(images[start : start + _BATCH]))
        made[start : start + len(batch)] = read(batch).numpy()
    return made
