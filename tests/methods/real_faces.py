"""Real photographs and drawings, found, marked and cut out as the stages do it, as the dataset of an experiment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.real_pictures import REPOSITORY
from benchmarks.whole_way import Row, shipped_way
from pipeline import images
from pipeline.datasets.arrays import Dataset, load_dataset, write_domain
from pipeline.datasets.crops import reduce
from pipeline.experiments import Experiment, as_dict
from pipeline.faces.alignment import transform
from pipeline.params import load_params


def real_dataset(folder: Path, pictures: Path, experiment: Experiment, count: int) -> Dataset:
    """Write `count` aligned faces of `train/photo` and of `train/anime`, the first ones that there are; open it."""
    for domain in experiment.domains:
        faces = _aligned(pictures / "train" / domain, domain, count)
        crops = [reduce(images.decode(face["bytes"]), experiment.size_px) for face in faces]
        points = np.stack([_points(face, experiment.size_px) for face in faces])
        splits = ["val", *["train"] * (count - 1)]
        rows = [
            {
                "face_id": face["face_id"],
                "split": split,
                **{n: v for n, v in face.items() if n.endswith("_rgb")},
            }
            for face, split in zip(faces, splits, strict=True)
        ]
        write_domain(folder, domain, crops, count, experiment.size_px, points, rows)
    (folder / "experiment.json").write_text(json.dumps({"name": "real", **as_dict(experiment)}))
    return load_dataset(folder)


def _aligned(folder: Path, domain: str, count: int) -> list[Row]:
    way = shipped_way(load_params(REPOSITORY / "params.yaml"), domain)
    found: list[Row] = []
    for path in sorted(folder.iterdir()):
        found += [face for face in way.faces(path.read_bytes()) if face.get("bytes")]
        if len(found) >= count:
            return found[:count]
    raise ValueError(f"{folder}: {len(found)} faces, {count} were asked for")


def _points(face: Row, size_px: int) -> np.ndarray:
    in_crop = transform(np.array(face["points_68"]), np.array(face["matrix"]).reshape(2, 3))
    return (in_crop + 0.5) * (size_px / face["size_px"]) - 0.5
