"""What is measured of a translation, and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.arrays import Dataset, DomainArrays
from pipeline.evaluation.measures import Looking, measure
from pipeline.evaluation.translations import Translation
from pipeline.faces.detection import Search
from tests.evaluation.held_out import SIZE, held_out


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Return noise pictures whose landmarks are unknown, two of each domain for tests."""
    tiny = held_out(tmp_path, "cyclegan", "rrrvtt")
    domains = {name: noise(arrays, seed) for seed, (name, arrays) in enumerate(tiny.domains.items())}
    return replace(tiny, domains=domains)


def noise(arrays: DomainArrays, seed: int) -> DomainArrays:
    images = np.random.default_rng(seed).integers(0, 256, (6, SIZE, SIZE, 3), np.uint8)
    return replace(arrays, images=images, points=np.full((6, 68, 2), np.nan, np.float32))


def translation(outputs: np.ndarray) -> Translation:
    return Translation("photo", "anime", np.array([4, 5]), outputs, None, None, asks_colors=False)


def test_what_cannot_be_measured_says_why(data: Dataset) -> None:
    outputs = data.domains["anime"].images[4:]
    measured = measure(
        translation(outputs),
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


def test_a_copied_training_image_is_at_distance_0(data: Dataset) -> None:
    copies = data.domains["anime"].images[:2]
    measured = measure(
        translation(copies),
        data.domains["photo"],
        data.domains["anime"],
        Looking(Search("cartoon", ("animeface",)), "dlib-68"),
        0,
    )
    assert measured.nearest.indices.tolist() == [0, 1]
    assert measured.metrics["nearest_training_distance"]["outputs"] == 0
    assert measured.metrics["nearest_training_distance"]["held_out"] > 10
