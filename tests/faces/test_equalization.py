"""Luminance is spread, colours stay."""

import cv2
import numpy as np
import pytest

from pipeline.faces.equalization import equalize


def murky(seed: int = 0) -> np.ndarray:
    """Return a picture of little contrast: smooth, dark, bluish."""
    noise = np.random.default_rng(seed).normal(size=(128, 128))
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 8), None, 60, 100, cv2.NORM_MINMAX)
    return np.clip(smooth[..., None] + (-10, 0, 25), 0, 255).round().astype(np.uint8)


def luma(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., 0].astype(float)


def test_none_changes_nothing() -> None:
    assert equalize(murky(), "none") is not None
    np.testing.assert_array_equal(equalize(murky(), "none"), murky())


@pytest.mark.parametrize("method", ["global", "clahe"])
def test_contrast_grows(method: str) -> None:
    assert luma(equalize(murky(), method)).std() > 1.5 * luma(murky()).std()


def test_globally_every_luminance_is_as_frequent() -> None:
    counts, _ = np.histogram(luma(equalize(murky(), "global")), bins=4, range=(0, 256))
    assert np.abs(counts / counts.sum() - 0.25).max() < 0.06


@pytest.mark.parametrize("method", ["global", "clahe"])
def test_colour_is_kept(method: str) -> None:
    before, after = (
        cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., 1:] for rgb in (murky(), equalize(murky(), method))
    )
    inside = (equalize(murky(), method) > 0).all(axis=2) & (equalize(murky(), method) < 255).all(axis=2)
    assert inside.mean() > 0.7
    assert np.abs(after.astype(int) - before)[inside].max() <= 2


@pytest.mark.parametrize("method", ["global", "clahe"])
def test_grey_stays_grey(method: str) -> None:
    grey = np.repeat(murky()[..., :1], 3, axis=2)
    assert (np.ptp(equalize(grey, method), axis=2) == 0).all()
