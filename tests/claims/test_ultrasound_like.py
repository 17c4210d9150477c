"""Faces as ultrasound might render them, and what hides them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.claims.ultrasound_like import OCCLUDERS, ultrasound_like
from pipeline.sources.demo import portraits


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return np.ascontiguousarray(portraits.draw(0, 0).pixels[100:356:2, 128:384:2])


@pytest.mark.parametrize("occluder", [None, *OCCLUDERS])
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(face, occluder):
    one, again, other = (ultrasound_like(face, occluder, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.image, again.image)
    assert np.array_equal(one.hidden, again.hidden)
    assert not np.array_equal(one.image, other.image)


def test_nothing_is_hidden_without_an_occluder(face):
    assert not ultrasound_like(face, None, 0).hidden.any()


@pytest.mark.parametrize("occluder", OCCLUDERS)
@pytest.mark.parametrize("seed", range(8))
def test_every_occluder_hides_a_part_of_the_face_and_leaves_a_part(face, occluder, seed):
    share = ultrasound_like(face, occluder, seed).hidden[20:108, 20:108].mean()
    assert 0.03 < share < 0.75


@pytest.mark.parametrize("occluder", OCCLUDERS)
def test_what_is_not_hidden_looks_as_without_the_occluder(face, occluder):
    clean, covered = ultrasound_like(face, None, 3), ultrasound_like(face, occluder, 3)
    difference = np.abs(clean.image.astype(float) - covered.image).mean(axis=-1)
    # Speckle differs, for it is drawn after the occluder.
    assert difference[covered.hidden].mean() > 1.5 * difference[~covered.hidden].mean()


def test_all_colours_lie_on_one_sepia_ramp_whatever_the_face_was(face):
    for pixels in (face, face[..., ::-1].copy()):
        image = ultrasound_like(pixels, None, 0).image.astype(int)
        red, green, blue = image[..., 0], image[..., 1], image[..., 2]
        assert (red >= green).all()
        assert (green >= blue).all()
        order = np.argsort(red, axis=None, kind="stable")
        assert (np.diff(green.ravel()[order]) >= -4).all()


@pytest.mark.parametrize(
    "bad", [np.zeros((8, 9, 3), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)]
)
def test_what_is_no_square_picture_is_refused(bad):
    with pytest.raises(ValueError, match="square"):
        ultrasound_like(bad, None, 0)
