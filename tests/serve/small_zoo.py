"""Models of tiny networks with random weights, as trainings leave them, and faces to translate."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.real_pictures import REPOSITORY
from pipeline.experiments import as_dict
from pipeline.params import Params, load_params
from pipeline.serve.looking import Face
from pipeline.sources.demo.plan import face_count, is_hidden
from pipeline.sources.demo.portraits import draw
from pipeline.training.checkpoints import save_weights
from tests.methods.stepping import build
from tests.methods.tiny_dataset import experiment

ALONE = [index for index in range(60) if face_count(index) == 1 and not is_hidden(index)]


def write_model(models: Path, name: str, method: str = "cyclegan", seed: int = 0, **options: Any) -> None:
    """Write weights that are drawn from a seed as the result of an experiment."""
    weights = models / name / "weights"
    save_weights(weights / "seed-0", build(method, seed, **options))
    described = {"name": name, **as_dict(experiment(method, **options))}
    (weights / "experiment.json").write_text(json.dumps(described))


def a_face(seed: int = 0, with_points: bool = True) -> Face:
    """Return an aligned face of 48 px: noise, with 68 points and one colour."""
    random = np.random.default_rng(seed)
    points = random.uniform(4, 44, (68, 2)).tolist() if with_points else None
    row = {
        "image_id": "i",
        "face_id": "i-0",
        "points_68": points,
        "matrix": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "size_px": 48,
        "skin_rgb": [200, 150, 120],
    }
    return Face(row, None, None, random.integers(0, 256, (48, 48, 3), np.uint8))


def usual_params() -> Params:
    """Return the project's own params.yaml."""
    return load_params(REPOSITORY / "params.yaml")


@cache
def portrait(index: int, size_px: int = 256) -> bytes:
    """Return the JPEG of a rendered portrait; `index` as the demo site counts them."""
    buffer = io.BytesIO()
    Image.fromarray(draw(0, index).pixels).resize((size_px, size_px)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
