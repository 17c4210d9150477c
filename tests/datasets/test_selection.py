from typing import Any

import numpy as np
import pytest

from pipeline.datasets.selection import (
    Candidates,
    keep_pairs,
    match_domains,
    of_table,
    points_in_crops,
    select,
)
from pipeline.experiments import read_experiment
from pipeline.experiments.common import Experiment
from tests.datasets.small_catalogue import CROP_PX, face, points, table


def experiment(**options: Any) -> Experiment:
    common = {"method": "cyclegan", "domains": ["photo", "anime"], "size_px": 32, "steps": 10}
    return read_experiment(common | options)


def candidates(*known: dict[str, Any], domain: str = "photo") -> Candidates:
    return of_table(table(face(number, domain, **row) for number, row in enumerate(known)))


def selected(*known: dict[str, Any], **options: Any) -> Candidates:
    faces = candidates(*known)
    select({"photo": faces, "anime": candidates({}, domain="anime")}, experiment(**options))
    assert len(faces.selected()) + sum(faces.left_out().values()) == len(known)
    return faces


def numbers(faces: Candidates) -> list[int]:
    return [int(name[:64], 16) for name in faces.selected()["face_id"]]


def test_every_kept_face_is_taken_where_nothing_is_asked() -> None:
    faces = selected({}, {"licence": None}, {"points_68": None})
    assert (numbers(faces), faces.left_out()) == ([0, 1, 2], {})


def test_only_the_licences_that_are_named_are_taken_and_the_others_are_counted() -> None:
    spellings = ["CC0 1.0", "CC BY 4.0", "by", "CC BY-NC 4.0", "CC BY-ND 4.0", None, "CC BY 4.0"]
    faces = selected(*({"licence": name} for name in spellings), licences=["cc0", "by"])
    assert numbers(faces) == [0, 1, 2, 6]
    assert faces.left_out() == {"licence": 3}
    assert faces.licences() == {
        "taken": {"CC BY 4.0": 2, "CC0 1.0": 1, "by": 1},
        "left_out": {"CC BY-NC 4.0": 1, "CC BY-ND 4.0": 1, "unknown": 1},
    }


def test_faces_without_landmarks_are_left_out_where_they_are_needed() -> None:
    faces = selected({}, {"points_68": None}, conditions=["landmarks"])
    assert (numbers(faces), faces.left_out()) == ([0], {"no_landmarks": 1})


def test_target_faces_without_a_label_are_left_out_where_labels_are_learnt() -> None:
    said: list[dict[str, Any]] = [{"tags": ["Nose"]}, {"tags": ["ear"]}, {"title": "New eyes"}, {}]
    labels = {"nose": ["nose"], "eyes": ["eyes"]}
    options = {"method": "stargan", "labels": labels, "discriminator": {"layers": 4}}
    before, after = candidates(*said), candidates(*said, domain="anime")
    select({"photo": before, "anime": after}, experiment(**options))
    assert (numbers(after), after.left_out()) == ([0, 2], {"no_labels": 2})
    assert before.left_out() == {}


def test_a_training_face_that_nearly_is_a_held_out_one_is_left_out() -> None:
    faces = selected(
        {"cluster": "a"},
        {"cluster": "a", "split": "test"},
        {"cluster": "b"},
        {"cluster": "b", "split": "val"},
        {"cluster": "c", "split": "test"},
        {"cluster": "c", "split": "val"},
        {"cluster": "d"},
        {"cluster": "d"},
    )
    assert numbers(faces) == [1, 3, 4, 5, 6, 7]
    assert faces.left_out() == {"near_duplicate_of_test": 1, "near_duplicate_of_val": 1}


def test_a_near_duplicate_in_the_other_domain_counts_too() -> None:
    photo = candidates({"cluster": "a"}, {})
    anime = candidates({"cluster": "a", "split": "test"}, {}, domain="anime")
    select({"photo": photo, "anime": anime}, experiment())
    assert photo.left_out() == {"near_duplicate_of_test": 1}


def test_a_held_out_face_that_is_itself_left_out_costs_no_training_face() -> None:
    faces = selected({"cluster": "a"}, {"cluster": "a", "split": "test", "licence": None}, licences=["cc0"])
    assert (numbers(faces), faces.left_out()) == ([0], {"licence": 1})


def test_people_have_from_three_to_eight_faces_as_in_document_003() -> None:
    people = ["one"] + ["few"] * 2 + ["some"] * 5 + ["many"] * 20
    known = [{"subject": name} for name in people] + [{"subject": None}]
    faces = selected(*known, per_subject={"min": 3, "max": 8})
    assert faces.selected()["subject"].value_counts().to_dict() == {"many": 8, "some": 5}
    assert faces.left_out() == {"too_few_of_subject": 4, "too_many_of_subject": 12}


def test_a_person_who_gets_more_faces_keeps_most_of_the_chosen_ones() -> None:
    known = [{"subject": "many"}] * 40
    first, grown = (set(numbers(selected(*known[:count], per_subject={"max": 8}))) for count in (30, 40))
    assert len(first & grown) >= 5


def test_matching_touches_training_faces_alone() -> None:
    rng = np.random.default_rng(0)
    photo = candidates(
        *({"yaw_deg": float(yaw)} for yaw in rng.normal(-8, 8, 200)), *[{"split": "test", "yaw_deg": -30}]
    )
    anime = candidates(*({"yaw_deg": float(yaw)} for yaw in rng.normal(8, 8, 200)), domain="anime")
    domains = {"photo": photo, "anime": anime}
    match_domains(domains, experiment(match=["yaw"]))
    for faces in domains.values():
        assert set(faces.left_out()) == {"unmatched"}
        assert len(faces.training()) == 200 - faces.left_out()["unmatched"]
    assert numbers(photo)[-1] == 200
    assert set(photo.selected()["weight"]) == {1.0}


def test_reweighted_faces_say_how_often_they_are_drawn() -> None:
    photo = candidates(*({"tags": tags} for tags in [["hat"]] * 30 + [[]] * 10))
    anime = candidates(*({"tags": tags} for tags in [["hat"]] * 10 + [[]] * 10), domain="anime")
    match_domains({"photo": photo, "anime": anime}, experiment(match=["hat"], match_by="reweight"))
    # Both have at least half with a hat and a quarter without: two to one.
    assert photo.frame["weight"].round(4).tolist() == [0.8889] * 30 + [1.3333] * 10
    assert anime.frame["weight"].round(4).tolist() == [1.3333] * 10 + [0.6667] * 10


def test_without_match_nothing_changes() -> None:
    faces = candidates({"yaw_deg": 5.0})
    match_domains({"photo": faces}, experiment())
    assert faces.frame["weight"].tolist() == [1.0]


def test_faces_in_no_pair_are_left_out() -> None:
    before = candidates({"pair_id": "1"}, {"pair_id": "1", "eye_distance_px": 60.0}, {"pair_id": "2"}, {})
    after = candidates({"pair_id": "1"}, {"pair_id": "9"}, domain="anime")
    keep_pairs(before, after)
    assert (numbers(before), numbers(after)) == ([1], [0])
    assert before.left_out() == {"no_partner": 2, "not_paired": 1}
    assert after.left_out() == {"no_partner": 1}


def test_landmarks_lie_where_the_reduced_crop_shows_them() -> None:
    moved = {"matrix": [0.5, 0.0, 3.0, 0.0, 0.5, 1.0]}
    found = points_in_crops(
        table([face(0, "photo"), face(1, "photo", points_68=None), face(2, "photo", **moved)]), 24
    )
    assert found.dtype == np.float32
    # Pixel 0 of the small crop covers pixels 0 and 1 of the large one: its centre is at 0.5 there.
    assert found[0] == pytest.approx((points(0) + 0.5) * 24 / CROP_PX - 0.5, abs=1e-4)
    assert np.isnan(found[1]).all()
    assert found[2] == pytest.approx((points(2) / 2 + (3, 1) + 0.5) / 2 - 0.5, abs=1e-4)


def test_the_landmarks_of_no_faces_are_none() -> None:
    assert points_in_crops(table([]), 24).shape == (0, 68, 2)
