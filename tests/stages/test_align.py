"""Faces cut out as their domain says, and what is measured on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
import pytest

from pipeline import images
from pipeline.faces.alignment import transform
from pipeline.faces.ibug import eye_centers
from pipeline.faces.mean_face import MEAN_FACE
from pipeline.params import Align, AlignMethod, ByRole, Domain
from pipeline.stages.align import Cut, Options, align, align_face, cut_of

CUT = Cut("real", "eyes", "none", size_px=256, eye_y=0.45, eye_distance=0.3, format="png")
WHOLE = replace(CUT, faces="whole")
ALIGN = Align(method="eyes", size_px=256, eye_y=0.45, eye_distance=0.3, format="webp")


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.2), None, 20, 235, cv2.NORM_MINMAX)


def face(x: float, y: float, apart: float) -> dict:
    points = apart * MEAN_FACE + (x, y)
    eyes = eye_centers(points).tolist()
    return {"image_id": "i", "face_id": "i-0", "points_68": points.tolist(), "eyes": eyes}


def unmarked() -> dict:
    return {"image_id": "i", "face_id": "i-0", "points_68": None, "eyes": None}


@pytest.mark.parametrize("method", ["eyes", "ffhq", "landmarks"])
@pytest.mark.parametrize("size_px", [64, 300])
def test_a_crop_has_the_size_that_was_asked_for(method: AlignMethod, size_px: int) -> None:
    row = align_face(replace(CUT, method=method, size_px=size_px), picture(500, 400), face(250, 180, 60))
    assert images.decode(row["bytes"]).shape == (size_px, size_px, 3)
    assert (row["size_px"], row["padded"], row["eye_distance_px"]) == (size_px, 0, 60)


def test_the_matrix_that_is_stored_leads_the_eyes_to_their_places() -> None:
    marked = face(5210.37, 3120.81, 713.2)
    row = align_face(CUT, np.zeros((4000, 6000, 3), np.uint8), marked)
    matrix = np.array(row["matrix"]).reshape(2, 3)
    moved = transform(np.array(marked["eyes"]), matrix)
    np.testing.assert_allclose(moved, [(0.35 * 256, 0.45 * 256), (0.65 * 256, 0.45 * 256)], atol=1e-6)


def test_small_crops_that_are_kept_as_they_are_stay_sharp() -> None:
    """A folder of 64 px crops: the picture is the face, and no detector is needed."""
    rgb = picture(64, 64)
    row = align_face(replace(WHOLE, method="as_is"), rgb, unmarked())
    np.testing.assert_array_equal(images.decode(row["bytes"]), rgb)
    enlarged = align_face(WHOLE, rgb, unmarked())
    assert row["sharpness"] > 5 * enlarged["sharpness"]
    assert (row["size_px"], row["padded"], row["eye_distance_px"]) == (64, 0, None)


def test_pictures_that_are_kept_as_they_are_may_differ_in_size() -> None:
    cut = replace(CUT, method="as_is")
    sizes = [
        align_face(cut, picture(width, height), face(90, 110, 40))["size_px"]
        for width, height in ((178, 218), (300, 256))
    ]
    assert sizes == [178, 256]


def test_what_is_measured_does_not_depend_on_the_crops_size() -> None:
    rgb, marked = picture(600, 600), face(300, 260, 70)
    small, usual, large = (
        align_face(replace(CUT, size_px=size_px), rgb, marked) for size_px in (64, 256, 512)
    )
    for name in ("sharpness", "exposure", "occlusion", "phash"):
        assert small[name] == usual[name] == large[name]


@pytest.mark.parametrize("method", ["global", "clahe"])
def test_equalising_changes_the_crop_and_no_measure(method: Literal["global", "clahe"]) -> None:
    rgb = (picture(400, 400) // 3 + 20).astype(np.uint8)
    plain = align_face(CUT, rgb, face(200, 180, 60))
    equal = align_face(replace(CUT, equalize=method), rgb, face(200, 180, 60))
    assert images.decode(equal["bytes"]).std() > 1.3 * images.decode(plain["bytes"]).std()
    assert (plain["equalized"], equal["equalized"]) == ("none", method)
    assert equal | {"bytes": None, "equalized": None} == plain | {"bytes": None, "equalized": None}


def test_a_whole_picture_has_no_eyes_but_an_exposure() -> None:
    row = align_face(WHOLE, np.full((300, 400, 3), 51, np.uint8), unmarked())
    assert (row["eye_distance_px"], row["occlusion"]) == (None, None)
    assert row["exposure"] == pytest.approx(0.2)
    assert row["padded"] == pytest.approx(0.25)


def test_eyes_on_one_spot_are_rejected() -> None:
    row = align_face(CUT, picture(100, 100), face(50, 50, 0.4))
    assert (row["stage"], row["reason"], row["detail"]) == ("align", "degenerate_eyes", "0.40 px apart")


def test_each_role_is_cut_as_its_domain_says() -> None:
    options = Options(ByRole({"baby": CUT, "ultrasound": replace(WHOLE, method="as_is")}))
    image = {"image_id": "i", "bytes": images.encode(picture(200, 160), "png")}
    sizes = {
        role: align(options, image | {"role": role}, [face(100, 70, 30)])[0].get("size_px")
        for role in ("baby", "ultrasound")
    }
    assert sizes == {"baby": 256, "ultrasound": 160}
    (lost,) = align(options, image | {"role": "mother"}, [face(100, 70, 30)])
    assert lost["reason"] == "no_domain"


def test_a_domains_own_method_goes_before_that_of_all() -> None:
    domain = Domain(faces="cartoon", detector="animeface", landmarks="none")
    assert cut_of(domain, ALIGN).method == "eyes"
    own = domain.model_copy(update={"align": "as_is", "equalize": "clahe"})
    assert (cut_of(own, ALIGN).method, cut_of(own, ALIGN).equalize) == ("as_is", "clahe")


def test_the_same_face_gives_the_same_bytes() -> None:
    rgb, marked = picture(300, 300), face(60, 90, 50)
    assert align_face(CUT, rgb, marked) == align_face(CUT, rgb.copy(), marked)
