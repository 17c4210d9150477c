import cv2
import numpy as np
import pytest

from pipeline.faces import alignment
from pipeline.faces.ibug import eye_centers
from pipeline.faces.mean_face import MEAN_FACE

SIZE, EYE_Y, EYE_DISTANCE = 256, 0.45, 0.30
EYE_PLACES = np.array([(0.35 * SIZE, EYE_Y * SIZE), (0.65 * SIZE, EYE_Y * SIZE)])


def face_at(x: float, y: float, apart: float, roll_deg: float) -> np.ndarray:
    """Return the mean face's 68 points somewhere in a picture."""
    angle = np.radians(roll_deg)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return apart * MEAN_FACE @ turn.T + (x, y)


def similarities(points_68: np.ndarray) -> dict[str, np.ndarray]:
    eyes = eye_centers(points_68)
    return {
        "eyes": alignment.eye_similarity(eyes, SIZE, EYE_Y, EYE_DISTANCE),
        "landmarks": alignment.landmark_similarity(points_68, SIZE, EYE_Y, EYE_DISTANCE),
        "ffhq": alignment.ffhq_similarity(eyes, points_68, SIZE),
        "as_is": alignment.central_square(6000, 4000)[0],
        "whole": alignment.whole_similarity(6000, 4000, SIZE),
    }


METHODS = tuple(similarities(MEAN_FACE * 100))


@pytest.mark.parametrize("roll_deg", [0, 12, -30, 90, 180])
@pytest.mark.parametrize("method", ["eyes", "landmarks"])
def test_the_eyes_land_on_their_places_at_any_roll(method: str, roll_deg: float) -> None:
    points = face_at(200, 150, 80, roll_deg)
    moved = alignment.transform(points, similarities(points)[method])
    np.testing.assert_allclose(eye_centers(moved), EYE_PLACES, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_points_and_boxes_of_a_large_picture_come_back_exactly(method: str) -> None:
    points = face_at(5210.37, 3120.81, 713.2, 17)
    matrix = similarities(points)[method]
    back = cv2.invertAffineTransform(matrix)
    np.testing.assert_allclose(
        alignment.transform(alignment.transform(points, matrix), back), points, atol=1e-6
    )
    box = (4300.25, 2100.5, 5900.75, 3990.0)
    in_crop = alignment.transform(alignment.corners(box), matrix)
    assert alignment.enclosing_box(alignment.transform(in_crop, back)) == pytest.approx(box, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("roll_deg", [0, 140])
def test_a_face_is_never_mirrored_or_sheared(method: str, roll_deg: float) -> None:
    (a, b), (c, d) = similarities(face_at(500, 500, 90, roll_deg))[method][:, :2]
    assert (a, b) == pytest.approx((d, -c))
    assert a * d - b * c > 0


def test_a_mirrored_face_is_fitted_without_mirroring() -> None:
    mirrored = face_at(300, 300, 90, 0) * (-1, 1)
    matrix = alignment.landmark_similarity(mirrored, SIZE, EYE_Y, EYE_DISTANCE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_what_is_below_the_eyes_stays_below() -> None:
    eyes = np.array([(300.0, 100.0), (260.0, 180.0)])  # a head lying on its side
    across = eyes[1] - eyes[0]
    mouth = eyes.mean(axis=0) + 1.1 * np.array([-across[1], across[0]])
    matrix = alignment.eye_similarity(eyes, SIZE, EYE_Y, EYE_DISTANCE)
    assert alignment.transform(mouth[None], matrix)[0, 1] > EYE_Y * SIZE


def test_all_landmarks_together_outvote_a_wrong_eye() -> None:
    points = face_at(300, 300, 100, 0)
    wrong = points.copy()
    wrong[42:48] += (0, 12)
    tilts = {name: np.degrees(np.arctan2(m[1, 0], m[0, 0])) for name, m in similarities(wrong).items()}
    assert abs(tilts["eyes"]) > 6
    assert abs(tilts["landmarks"]) < 2


def test_the_ffhq_square_is_the_one_of_its_formula() -> None:
    """An upright face: eyes 100 px apart, the mouth 120 px below; 4 x 100 or 3.6 x 120 px wide."""
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = (250, 300), (350, 300)
    points[48], points[54] = (270, 420), (330, 420)
    matrix = similarities(points)["ffhq"]
    square = alignment.transform(alignment.corners((0, 0, SIZE, SIZE)), cv2.invertAffineTransform(matrix))
    half = 1.8 * 120
    expected = (300 - half, 312 - half, 300 + half, 312 + half)
    assert alignment.enclosing_box(square) == pytest.approx(expected)


@pytest.mark.parametrize("method", ["eyes", "landmarks", "ffhq"])
def test_eyes_on_one_spot_are_refused(method: str) -> None:
    points = np.tile((10.0, 10.0), (68, 1))
    points[42:48] += (0.2, 0)
    with pytest.raises(alignment.DegenerateEyesError, match=r"0\.20 px apart"):
        {
            "eyes": lambda: alignment.eye_similarity(eye_centers(points), SIZE, EYE_Y, EYE_DISTANCE),
            "landmarks": lambda: alignment.landmark_similarity(points, SIZE, EYE_Y, EYE_DISTANCE),
            "ffhq": lambda: alignment.ffhq_similarity(eye_centers(points), points, SIZE),
        }[method]()


def test_a_mouth_that_cancels_the_eyes_out_is_refused() -> None:
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = (100, 100), (160, 100)
    points[[48, 54]] = (130, 40)
    with pytest.raises(alignment.DegenerateEyesError, match="above"):
        alignment.ffhq_similarity(eye_centers(points), points, SIZE)


def test_the_share_outside_the_picture_is_counted() -> None:
    half_outside = np.array([(2.56, 0, 128), (0, 2.56, 0)])
    assert alignment.padded_fraction(100, 100, half_outside, SIZE) == pytest.approx(0.5, abs=1e-6)


def test_a_crop_inside_the_picture_is_not_padded() -> None:
    inside = np.array([(1.0, 0, -50), (0, 1.0, -50)])
    assert alignment.padded_fraction(500, 500, inside, SIZE) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (178, 218), (1000, 333), (16, 6000)])
def test_a_picture_kept_as_it_is_shows_no_border(width: int, height: int) -> None:
    matrix, side = alignment.central_square(width, height)
    assert side == min(width, height)
    assert alignment.padded_fraction(width, height, matrix, side) == pytest.approx(0, abs=1e-6)


def test_a_whole_picture_is_fitted_and_centred() -> None:
    matrix = alignment.whole_similarity(400, 200, SIZE)
    moved = alignment.transform(alignment.corners((0, 0, 400, 200)), matrix)
    assert alignment.enclosing_box(moved) == pytest.approx((0, 64, 256, 192))
    assert alignment.padded_fraction(400, 200, matrix, SIZE) == pytest.approx(0.5, abs=1e-6)
