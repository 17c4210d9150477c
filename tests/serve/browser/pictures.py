"""Pictures that visitors give, and what the pipeline makes of them without any page."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline import images
from pipeline.serve.looking import look, ways_of
from pipeline.serve.sizes import held_bytes
from pipeline.serve.zoo import Zoo
from pipeline.sources.demo.plan import face_count
from pipeline.takedowns import Takedowns
from pipeline.training.checkpoints import load_translator
from tests.serve.small_zoo import portrait, usual_params

TWO_FACES = next(index for index in range(60) if face_count(index) == 2)
NO_FACE = next(index for index in range(60) if face_count(index) == 0)


def written(folder: Path, name: str, data: bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path


def rendered(folder: Path, index: int, size_px: int = 512) -> Path:
    """Write a rendered portrait, or scene, as a JPEG."""
    return written(folder, f"portrait-{index}.jpg", portrait(index, size_px))


def blank_png(width: int, height: int) -> bytes:
    """Return a PNG of one colour, small however many pixels it has."""
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def as_png(data: bytes) -> bytes:
    """Return an encoded picture as PNG."""
    return images.encode(images.decode(data), "png")


def held(models: Path, name: str) -> int:
    """Return how many bytes a model takes."""
    experiment = Zoo(models, torch.device("cpu")).experiment(name)
    return held_bytes(load_translator(models / name / "weights" / "seed-0", experiment))


def expected(project: Path, picture: Path, model: str, face: int = 0) -> np.ndarray:
    """Return what a model makes of a photograph's face, from the pipeline's own functions."""
    faces = look(picture.read_bytes(), ways_of(usual_params(), "photo"), Takedowns()).faces
    zoo = Zoo(project / "models", torch.device("cpu"))
    way = next(way for way in zoo.ways(model) if way.of == "photo")
    answer = zoo.translate(model, faces[face], way.of, way.to)
    assert answer.image is not None, answer.problem
    return answer.image


def differ(one: np.ndarray, other: np.ndarray) -> int:
    """Return the largest difference of any value; another number of threads may round another way."""
    return int(np.abs(one.astype(int) - other.astype(int)).max())
