import numpy as np
import pytest

from pipeline.faces import alignment

SIZE, EYE_Y, EYE_DISTANCE = 256, 0.45, 0.30
LEFT_TARGET, RIGHT_TARGET = (0.35 * SIZE, EYE_Y * SIZE), (0.65 * SIZE, EYE_Y * SIZE)


def matrix_for(eyes: np.ndarray) -> np.ndarray:
    return alignment.eye_similarity(eyes, SIZE, EYE_Y, EYE_DISTANCE)


@pytest.mark.parametrize("roll_deg", [0, 12, -30, 90, 180])
def test_the_eyes_land_on_their_places_at_any_roll(roll_deg: float) -> None:
    angle = np.radians(roll_deg)
    across = 40 * np.array([np.cos(angle), np.sin(angle)])
    eyes = np.stack([(200, 150) - across, (200, 150) + across])
    moved = alignment.transform(eyes, matrix_for(eyes))
    np.testing.assert_allclose(moved, [LEFT_TARGET, RIGHT_TARGET], atol=1e-9)


def test_a_face_is_never_mirrored() -> None:
    matrix = matrix_for(np.array([(50.0, 80.0), (110.0, 60.0)]))
    assert np.linalg.det(matrix[:, :2]) > 0


def test_what_is_below_the_eyes_stays_below() -> None:
    eyes = np.array([(300.0, 100.0), (260.0, 180.0)])  # a head lying on its side
    across = eyes[1] - eyes[0]
    mouth = eyes.mean(axis=0) + 1.1 * np.array([-across[1], across[0]])
    assert alignment.transform(mouth[None], matrix_for(eyes))[0, 1] > EYE_Y * SIZE


def test_eyes_on_one_spot_are_refused() -> None:
    with pytest.raises(alignment.DegenerateEyesError):
        matrix_for(np.array([(10.0, 10.0), (10.2, 10.0)]))


def test_the_crop_shows_what_the_matrix_says() -> None:
    """Dots at the eyes of a large picture appear at the eyes' places, though it is shrunk four times."""
    rgb = np.zeros((2000, 2000, 3), np.uint8)
    eyes = np.array([(800.0, 900.0), (1107.2, 900.0)])
    for x, y in eyes.astype(int):
        rgb[y - 8 : y + 8, x - 8 : x + 8] = 255
    crop = alignment.warp(rgb, matrix_for(eyes), SIZE)[..., 0].astype(float)
    for half, (x, y) in ((slice(0, 128), LEFT_TARGET), (slice(128, 256), RIGHT_TARGET)):
        ys, xs = np.nonzero(crop[:, half] > 60)
        assert abs(ys.mean() + 0.5 - y) < 0.75
        assert abs(xs.mean() + half.start + 0.5 - x) < 0.75


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = alignment.warp(stripes, np.array([(0.25, 0, 0), (0, 0.25, 0)]), SIZE)
    assert np.ptp(crop[20:-20, 20:-20]) < 12


def test_the_border_is_reflected_and_counted() -> None:
    rgb = np.full((100, 100, 3), 200, np.uint8)
    half_outside = np.array([(2.56, 0, 128), (0, 2.56, 0)])
    assert alignment.warp(rgb, half_outside, SIZE).min() == 200
    assert alignment.padded_fraction(100, 100, half_outside, SIZE) == pytest.approx(0.5, abs=0.01)


def test_a_crop_inside_the_picture_is_not_padded() -> None:
    inside = np.array([(1.0, 0, -50), (0, 1.0, -50)])
    assert alignment.padded_fraction(500, 500, inside, SIZE) == pytest.approx(0, abs=1e-6)


def test_a_whole_picture_is_fitted_and_centred() -> None:
    corners = alignment.transform(
        np.array([(0.0, 0.0), (400.0, 200.0)]), alignment.whole_similarity(400, 200, SIZE)
    )
    np.testing.assert_allclose(corners, [(0, 64), (256, 192)])
