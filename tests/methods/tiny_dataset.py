"""A dataset of little pictures: two domains, a bright disc on each face's landmarks, in two colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.arrays import write_domain

COLORS = {"photo": (220, 120, 60), "anime": (60, 120, 220)}
OPTIONS: dict[str, dict[str, Any]] = {
    "cyclegan": {
        "generator": {"width": 8, "blocks": 1},
        "discriminator": {"width": 8, "layers": 2},
        "pool_size": 2,
    },
    "pix2pix": {"generator": {"width": 8}, "discriminator": {"width": 8, "layers": 2}},
}


def experiment(method: str, **options: Any) -> dict[str, Any]:
    """Return a resolved experiment on 32 px."""
    common = {"name": f"tiny-{method}", "method": method, "domains": ["photo", "anime"], "size_px": 32}
    return {**common, "steps": 10, "seed": 0, "batch_size": 1, **OPTIONS[method], **options}


def write_dataset(folder: Path, method: str, count: int = 8, **options: Any) -> Path:
    """Write a dataset whose last two faces are for validation and test, and whose first lacks landmarks."""
    resolved = experiment(method, **options)
    size = resolved["size_px"]
    splits = ["train"] * (count - 2) + ["val", "test"]
    for domain in resolved["domains"]:
        rng = np.random.default_rng(len(domain) + ord(domain[0]))
        points = rng.uniform(6, size - 6, (count, 68, 2)).astype(np.float32)
        images = np.full((count, size, size, 3), 40, dtype=np.uint8)
        for image, face in zip(images, points.round().astype(int), strict=True):
            image[face[:, 1], face[:, 0]] = COLORS[domain]
        points[0] = np.nan
        rows = [{"face_id": f"{domain}-{n}", "split": split} for n, split in enumerate(splits)]
        write_domain(folder, domain, images, count, size, points, rows)
    (folder / "experiment.json").write_text(json.dumps(resolved))
    return folder
