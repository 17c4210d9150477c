"""Sharpness, exposure and the hint of occlusion of simple faces drawn here."""

import cv2
import numpy as np
import pytest

from pipeline.faces.alignment import landmark_similarity, transform
from pipeline.faces.mean_face import MEAN_FACE
from pipeline.faces.quality import exposure, occlusion_hint, sharpness

SIZE = 256
POINTS = transform(MEAN_FACE, landmark_similarity(MEAN_FACE * 50, SIZE, 0.45, 0.3) * (50, 50, 1))
SKIN = (205, 160, 135)


def face(color: tuple[int, int, int] = SKIN, background: tuple[int, int, int] = (90, 120, 160)) -> np.ndarray:
    """Return an aligned face of one colour with dark eyes and a red mouth."""
    rgb = np.full((SIZE, SIZE, 3), background, np.uint8)
    paint(rgb, POINTS, color)
    for eye in (slice(36, 42), slice(42, 48)):
        paint(rgb, POINTS[eye], (20, 20, 25))
    paint(rgb, POINTS[48:60], (170, 40, 50))
    return rgb


def paint(rgb: np.ndarray, points: np.ndarray, color: tuple[int, int, int]) -> None:
    cv2.fillConvexPoly(rgb, cv2.convexHull(points.round().astype(np.int32)), color)


def masked(color: tuple[int, int, int]) -> np.ndarray:
    rgb = face()
    paint(rgb, POINTS[[2, 4, 6, 8, 10, 12, 14, 29]], color)
    return rgb


def test_blurring_lowers_sharpness() -> None:
    sharp = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    assert sharpness(sharp) > 10 * sharpness(cv2.GaussianBlur(sharp, (0, 0), 2))


def test_a_flat_picture_has_no_sharpness() -> None:
    assert sharpness(np.full((SIZE, SIZE, 3), 77, np.uint8)) == 0


def test_exposure_is_that_of_the_face_not_of_what_is_around() -> None:
    bright, dark = (face(background=(grey,) * 3) for grey in (255, 0))
    assert exposure(bright, POINTS) == pytest.approx(exposure(dark, POINTS), abs=0.02)
    assert exposure(face((30, 25, 20)), POINTS) < 0.15 < 0.6 < exposure(face(), POINTS)


def test_without_landmarks_the_middle_of_the_crop_is_the_face() -> None:
    rgb = np.zeros((SIZE, SIZE, 3), np.uint8)
    rgb[24:232, 48:208] = 255
    assert exposure(rgb, None) > 0.95
    assert exposure(255 - rgb, None) < 0.05


def test_a_face_outside_the_crop_has_neither_exposure_nor_hint() -> None:
    away = POINTS + 3 * SIZE
    assert exposure(face(), away) is None
    assert occlusion_hint(face(), away) is None


@pytest.mark.parametrize("skin", [SKIN, (240, 215, 205), (95, 60, 42)])
def test_a_bare_face_is_not_occluded(skin: tuple[int, int, int]) -> None:
    assert occlusion_hint(face(skin), POINTS) < 0.02


def test_shade_on_half_of_the_face_is_not_taken_for_an_occluder() -> None:
    rgb = face()
    rgb[:, SIZE // 2 :] = (0.5 * rgb[:, SIZE // 2 :]).astype(np.uint8)
    assert occlusion_hint(rgb, POINTS) < 0.05


@pytest.mark.parametrize("color", [(245, 245, 245), (15, 15, 18), (120, 170, 220)])
def test_a_mask_stands_out(color: tuple[int, int, int]) -> None:
    assert occlusion_hint(masked(color), POINTS) > 0.25


def test_nothing_is_seen_without_colours() -> None:
    grey = cv2.cvtColor(cv2.cvtColor(masked((120, 170, 220)), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert occlusion_hint(grey, POINTS) < 0.05


def test_the_measures_hold_at_half_the_size() -> None:
    rgb = masked((120, 170, 220))
    half = cv2.resize(rgb, (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
    assert exposure(half, POINTS / 2) == pytest.approx(exposure(rgb, POINTS), abs=0.02)
    assert occlusion_hint(half, POINTS / 2) == pytest.approx(occlusion_hint(rgb, POINTS), abs=0.03)
