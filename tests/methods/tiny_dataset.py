"""A dataset of little pictures: two domains, a bright disc on each face's landmarks, in two colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import safetensors.torch
import torch

from pipeline.datasets.arrays import (
    EXPERIMENT_NAME,
    TAGGER,
    Dataset,
    load_dataset,
    write_domain,
    write_pairs,
)
from pipeline.experiments import Experiment, as_dict, read_experiment
from pipeline.networks.backbones import build_backbone
from tests.methods.tiny_stable_diffusion import tiny_base

COLORS = {"photo": (220, 120, 60), "anime": (60, 120, 220)}
_RESNET = {"generator": {"width": 4, "blocks": 2}, "discriminator": {"width": 4, "layers": 2}}
# Pairs that an evaluation does not count as true ones, of which a dataset this small has too few for a test.
_CODER = {"pairing": "nearest_landmarks", "batch_size": 2, "width": 4, "latent": 8}
OPTIONS: dict[str, dict[str, Any]] = {
    "cyclegan": {**_RESNET, "pool_size": 2},
    "getgan": {**_RESNET, "pool_size": 2},
    "cut": {**_RESNET, "patches": 8},
    "ugatit": {
        "generator": {"width": 4, "blocks": 1},
        "discriminator": {"width": 4, "global_layers": 4, "local_layers": 3},
    },
    "discogan": {"size_px": 64, "batch_size": 2, "width": 4, "augment": {"enlarge": 1.0}},
    "munit": {
        "generator": {"width": 4, "blocks": 1, "style": 2, "mlp": 8},
        "discriminator": {"width": 4, "layers": 2, "scales": 2},
    },
    "pix2pix": {"generator": {"width": 8}, "discriminator": {"width": 8, "layers": 2}},
    "autoencoder": _CODER,
    "vae": _CODER,
    "gan": {"batch_size": 2, "width": 4, "latent": 8},
    "stargan": {
        "labels": {"even": ["even"], "anime": ["anime"]},
        "batch_size": 2,
        "n_critic": 2,
        "generator": {"width": 4, "blocks": 1},
        "discriminator": {"width": 4, "layers": 3},
    },
    "starganv2": {"width": 1 / 64, "batch_size": 2},
    "style-transfer": {
        "variant": "adain",
        "batch_size": 2,
        "perceptual_weights": "tagger:tiny",
        "backbone": "test_resnet",
        "adain": {"width": 8},
    },
    "diffusion": {"pairing": "nearest_landmarks", "batch_size": 2, "inference_steps": 2},
    "tagger": {
        "backbone": "test_resnet",
        "batch_size": 2,
        "labels": {"even": ["even"], "anime": ["anime"]},
        "positive_weight": [1.0, 2.0],
    },
}
# Those that a tiny dataset is enough for.
METHODS = tuple(OPTIONS)


def experiment(method: str, **options: Any) -> Experiment:
    """Return an experiment of tiny networks on 32 px (64 for DiscoGAN)."""
    common = {"method": method, "domains": ["photo", "anime"], "size_px": 32, "steps": 10}
    if method == "diffusion":
        common["base"] = str(tiny_base())
    return read_experiment({**common, **OPTIONS[method], **options})


def write_dataset(folder: Path, method: str, count: int = 8, **options: Any) -> Path:
    """Write a dataset whose last two faces are for validation and test, and whose first lacks landmarks.

    Where pairs are asked for, face n of one domain and face n of the other are a pair.
    """
    resolved = experiment(method, **options)
    size = resolved.size_px
    splits = ["train"] * (count - 2) + ["val", "test"]
    for domain in resolved.domains:
        rng = np.random.default_rng(len(domain) + ord(domain[0]))
        points = rng.uniform(6, size - 6, (count, 68, 2)).astype(np.float32)
        images = np.full((count, size, size, 3), 40, dtype=np.uint8)
        for image, face in zip(images, points.round().astype(int), strict=True):
            image[face[:, 1], face[:, 0]] = COLORS[domain]
        points[0] = np.nan
        rows = [
            {
                "face_id": f"{domain}-{n}",
                "split": split,
                "skin_rgb": COLORS[domain],
                "weight": 1.0,
                "labels": [int(n % 2 == 0), int(domain == "anime")][: len(resolved.labels)],
            }
            for n, split in enumerate(splits)
        ]
        write_domain(folder, domain, images, count, size, points, rows)
    if resolved.pairing != "none":
        pairs = {"source": range(count), "target": range(count), "split": splits, "distance": [None] * count}
        write_pairs(folder, pa.table(pairs))
    if resolved.perceptual_tagger is not None:
        write_tagger(folder / TAGGER)
    described = {"name": f"tiny-{method}", **as_dict(resolved)}
    (folder / "experiment.json").write_text(json.dumps(described))
    return folder


def write_tagger(folder: Path, backbone: str = "test_resnet") -> Path:
    """Write a backbone of random weights as the stage `dataset` leaves a tagger's; return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = build_backbone(backbone).state_dict()
    safetensors.torch.save_file(weights, folder / "backbone.safetensors")
    (folder / EXPERIMENT_NAME).write_text(json.dumps({"backbone": backbone}))
    return folder / "backbone.safetensors"


def open_dataset(folder: Path, method: str, **options: Any) -> Dataset:
    """Write such a dataset and open it."""
    return load_dataset(write_dataset(folder, method, **options))
