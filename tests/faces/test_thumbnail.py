"""A face as its own grey pixels."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.faces.thumbnail import thumbnails


def test_a_face_is_of_mean_0_and_length_1_whatever_its_light() -> None:
    face = np.random.default_rng(0).integers(0, 100, (1, 48, 48, 3), dtype=np.uint8)
    made = thumbnails(np.concatenate([face, face * 2]))
    assert made.shape == (2, 576)
    assert made.mean(axis=1) == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)
    assert made[0] @ made[1] == pytest.approx(1, abs=1e-3)


def test_a_face_of_one_colour_is_zeros() -> None:
    assert not thumbnails(np.full((1, 32, 32, 3), 90, np.uint8)).any()


def test_no_faces_make_no_thumbnails() -> None:
    assert thumbnails(np.empty((0, 32, 32, 3), np.uint8)).shape == (0, 576)


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        thumbnails(np.zeros((1, 32, 32, 3)))
