"""Which faces are kept: each is judged by its domain's limits."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline import parts
from pipeline.datasets.catalogue import judge
from pipeline.params import Domain, Limits

LIMITS = Limits(
    min_eye_distance_px=24,
    max_abs_yaw_deg=35,
    max_abs_pitch_deg=30,
    min_sharpness=20,
    max_padded=0.2,
    min_exposure=0.1,
    max_exposure=0.9,
    max_occlusion=0.5,
    min_landmark_quality=0.25,
)
GOOD = {
    "yaw_deg": 5.0,
    "pitch_deg": -5.0,
    "roll_deg": 0.0,
    "eye_distance_px": 60.0,
    "sharpness": 100.0,
    "padded": 0.0,
    "exposure": 0.5,
    "occlusion": 0.0,
    "landmark_quality": 0.8,
    "phash": "ffd8a19c4e3b2706",
}


def judged(*faces: dict, limits: dict | None = None) -> list[dict]:
    rows = [
        dict.fromkeys(parts.FACES.names)
        | {"face_id": f"{index}-0", "image_id": str(index), "source": "s", "part": "p", "domain": "photo"}
        | GOOD
        | face
        for index, face in enumerate(faces)
    ]
    known = limits or {"photo": LIMITS.model_dump()}
    table, counts = judge(pa.Table.from_pylist(rows, schema=parts.FACES), known, 6, 0.1, 0.1, ("subject",))
    assert counts["faces"] == sum(row["phash"] is not None for row in rows)
    return table.to_pylist()


def test_a_good_face_is_kept() -> None:
    (face,) = judged({})
    assert (face["kept"], face["reason"], face["stage"]) == (True, None, None)


@pytest.mark.parametrize(
    ("measured", "reason", "detail"),
    [
        ({"yaw_deg": -41.5}, "profile", "yaw_deg -41.5, at most 35.0"),
        ({"pitch_deg": -33.0}, "nodding", "pitch_deg -33.0, at most 30.0"),
        ({"landmark_quality": 0.125}, "bad_landmarks", "landmark_quality 0.12, at least 0.25"),
        ({"eye_distance_px": 20.0}, "too_small", "eye_distance_px 20.0, at least 24.0"),
        ({"sharpness": 19.5}, "blurred", "sharpness 19.5, at least 20.0"),
        ({"exposure": 0.0625}, "too_dark", "exposure 0.06, at least 0.1"),
        ({"exposure": 0.9375}, "too_bright", "exposure 0.94, at most 0.9"),
        ({"occlusion": 0.75}, "occluded", "occlusion 0.75, at most 0.5"),
        ({"padded": 0.25}, "cropped", "padded 0.25, at most 0.2"),
    ],
)
def test_each_rejection_is_named_and_says_by_how_much(measured: dict, reason: str, detail: str) -> None:
    (face,) = judged(measured)
    assert (face["kept"], face["stage"]) == (False, "catalogue")
    assert (face["reason"], face["detail"]) == (reason, detail)


def test_a_face_is_rejected_once_for_the_first_limit_that_it_fails() -> None:
    (face,) = judged({"yaw_deg": 80.0, "sharpness": 1.0})
    assert face["reason"] == "profile"


def test_what_was_not_measured_fails_nothing() -> None:
    (face,) = judged(dict.fromkeys(GOOD.keys() - {"phash"}))
    assert face["kept"]


def test_a_domain_is_judged_by_its_own_limits() -> None:
    tiny = Domain(
        faces="cartoon", detector="animeface", landmarks="none", quality={"min_eye_distance_px": 8}
    ).limits(LIMITS)
    limits = {"photo": LIMITS.model_dump(), "tiny": tiny}
    photo, drawn = judged(
        {"eye_distance_px": 12.0}, {"eye_distance_px": 12.0, "domain": "tiny"}, limits=limits
    )
    assert (photo["reason"], drawn["reason"]) == ("too_small", None)


def test_what_an_earlier_stage_rejected_stays_as_it_is() -> None:
    lost = {"phash": None, "stage": "landmarks", "reason": "eye_missing", "detail": "x", "domain": None}
    (face,) = judged(lost | {"yaw_deg": 90.0})
    assert (face["stage"], face["reason"], face["detail"]) == ("landmarks", "eye_missing", "x")


def test_a_catalogue_may_be_empty() -> None:
    assert judged() == []


def test_alike_faces_share_a_cluster_and_an_image_is_never_split() -> None:
    first, second, other = judged({}, {"image_id": "0"}, {"phash": "00275e63b1c4d8f9"})
    assert first["cluster"] == second["cluster"] != other["cluster"]
    assert first["split"] == second["split"]


def test_what_came_of_the_search_for_duplicates_is_counted() -> None:
    rows = [
        dict.fromkeys(parts.FACES.names) | {"face_id": f"{n}-0", "image_id": str(n), "domain": "photo"} | GOOD
        for n in range(3)
    ]
    rows[2]["phash"] = "00275e63b1c4d8f9"
    faces = pa.Table.from_pylist(rows, schema=parts.FACES)
    assert judge(faces, {"photo": LIMITS.model_dump()}, 6, 0.1, 0.1, ())[1] == {
        "faces": 3,
        "faces_with_near_duplicates": 2,
        "clusters": 1,
        "largest_cluster": 2,
        "crowded": 0,
        "cut": 0,
    }
