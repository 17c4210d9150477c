"""What is measured of a translation, what is not, and that the test faces are the ones used."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.datasets.arrays import ROWS, Dataset, DomainArrays
from pipeline.errors import UserError
from pipeline.evaluation.measures import Looking, measure
from pipeline.evaluation.translations import Translation, translations
from pipeline.faces.detection import Search
from pipeline.methods import build_method

SIZE = 32


def domain(count: int, splits: str, seed: int) -> DomainArrays:
    """Return `count` noise pictures whose landmarks are unknown; `splits` has one letter each."""
    names = {"r": "train", "v": "val", "t": "test"}
    rows = [{"face_id": f"{seed}-{place}", "split": names[splits[place]]} for place in range(count)]
    table = pa.Table.from_pylist([{name: row.get(name) for name in ROWS.names} for row in rows], ROWS)
    images = np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
    return DomainArrays(images, np.full((count, 68, 2), np.nan, np.float32), table)


def dataset(splits: str = "rrrvtt") -> Dataset:
    experiment = {
        "name": "x",
        "method": "cyclegan",
        "domains": ["photo", "anime"],
        "size_px": SIZE,
        "batch_size": 1,
        "seed": 0,
        "generator": {"width": 2, "blocks": 1},
        "discriminator": {"width": 2, "layers": 2},
    }
    domains = {name: domain(len(splits), splits, seed) for seed, name in enumerate(("photo", "anime"))}
    return Dataset(experiment, domains)


def test_cyclegan_is_tried_both_ways_on_test_faces_alone() -> None:
    data = dataset()
    there, back = translations(build_method(data.experiment, torch.Generator()), data)
    assert (there.name, back.name) == ("photo_to_anime", "anime_to_photo")
    assert there.faces.tolist() == [4, 5]
    assert there.outputs.shape == (2, SIZE, SIZE, 3)
    assert there.truth is not None
    assert (there.truth == data.domains["photo"].images[4:]).all()


def test_too_few_test_faces_are_a_clear_error() -> None:
    data = dataset("rrrrvt")
    with pytest.raises(UserError, match=r"photo: 1 test faces; raise catalogue\.split\.test"):
        next(translations(build_method(data.experiment, torch.Generator()), data))


def translation(data: Dataset, outputs: np.ndarray) -> Translation:
    return Translation("photo", "anime", np.array([4, 5]), outputs, None, None, asks_colors=False)


def test_what_cannot_be_measured_says_why() -> None:
    data = dataset()
    outputs = data.domains["anime"].images[4:]
    measured = measure(
        translation(data, outputs),
        data.domains["photo"],
        data.domains["anime"],
        Looking(Search("cartoon", ("animeface",)), "dlib-68"),
        0,
    )
    assert set(measured.not_measured) == {
        "fid_inception",
        "lpips_alex",
        "landmark_consistency",
        "color_consistency",
        "psnr, ssim",
    }
    assert "psnr" not in measured.metrics
    assert measured.landmark_errors == [None, None]


def test_a_copied_training_image_is_at_distance_0() -> None:
    data = dataset()
    copies = data.domains["anime"].images[:2]
    measured = measure(
        translation(data, copies),
        data.domains["photo"],
        data.domains["anime"],
        Looking(Search("cartoon", ("animeface",)), "dlib-68"),
        0,
    )
    assert measured.nearest.indices.tolist() == [0, 1]
    assert measured.metrics["nearest_training_distance"]["outputs"] == 0
    assert measured.metrics["nearest_training_distance"]["held_out"] > 10
