"""The number that chooses among checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.arrays import Dataset
from pipeline.errors import UserError
from pipeline.evaluation.validation import val_kid
from pipeline.faces import embedding
from pipeline.methods.base import Way
from pipeline.metrics.kid import kid
from tests.evaluation.held_out import SIZE, Negative, held_out, negative

THERE = Way("photo", "anime", "none")


def noisy(data: Dataset) -> Dataset:
    """Return the dataset with pictures that all differ."""
    rng = np.random.default_rng(0)
    return replace(
        data,
        domains={
            name: replace(arrays, images=rng.integers(0, 256, (len(arrays.images), SIZE, SIZE, 3), np.uint8))
            for name, arrays in data.domains.items()
        },
    )


def test_translated_validation_faces_are_compared_with_real_ones(tmp_path: Path) -> None:
    data = noisy(held_out(tmp_path, "cyclegan", "rrvvvtt"))
    photos, cartoons = (data.domains[name].images[2:5] for name in ("photo", "anime"))
    expected = kid(embedding.embed(negative(photos)), embedding.embed(cartoons))
    assert val_kid(Negative(data, THERE, Way("anime", "photo", "none")), data) == expected


def test_a_method_that_makes_the_other_domain_is_better(tmp_path: Path) -> None:
    data = noisy(held_out(tmp_path, "cyclegan", "rrvvvvtt"))
    photo = data.domains["photo"]
    alike = replace(data, domains={"photo": photo, "anime": replace(photo, images=negative(photo.images))})
    flat = replace(photo, images=np.zeros_like(photo.images))
    unlike = replace(data, domains={"photo": photo, "anime": flat})
    assert val_kid(Negative(alike, THERE), alike) < val_kid(Negative(unlike, THERE), unlike)


@pytest.mark.parametrize(("splits", "count"), [("rrrrrrtt", 0), ("rrrrrvtt", 1)])
def test_too_few_validation_faces_are_a_clear_error(tmp_path: Path, splits: str, count: int) -> None:
    data = held_out(tmp_path, "cyclegan", splits)
    with pytest.raises(UserError, match=rf"photo: {count} validation faces.*raise catalogue\.split\.val"):
        val_kid(Negative(data, THERE), data)
