"""Which faces a recogniser learns from, and which it is tested with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets.identities import choose_labels, labels_of, one_hot, within_subjects
from pipeline.datasets.selection import Candidates, of_table
from pipeline.datasets.splits import split_within_subjects
from pipeline.errors import UserError
from pipeline.experiments import read_experiment
from pipeline.experiments.recognising import Recogniser
from tests.datasets.small_catalogue import face, table

BY = ("subject", "pair_id", "page_url")


def recogniser(**options: Any) -> Recogniser:
    common = {"method": "recogniser", "domains": ["vis", "nir"], "size_px": 32, "steps": 1}
    experiment = read_experiment({**common, **options})
    assert isinstance(experiment, Recogniser)
    return experiment


def people(vis: dict[str, int], nir: dict[str, int], **known: Any) -> dict[str, Candidates]:
    """Return so many faces of each person in each domain."""
    domains = {}
    for first, (domain, counts) in enumerate((("vis", vis), ("nir", nir))):
        names = [name for name, count in counts.items() for _ in range(count)]
        rows = [
            face(1000 * first + number, domain, subject=name, **known) for number, name in enumerate(names)
        ]
        domains[domain] = of_table(table(rows))
    return domains


def frame(**columns: list[Any]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    ids = [f"face-{number}" for number in range(count)]
    unknown = [None] * count
    rest = {"face_id": ids, "image_id": ids, "subject": unknown, "pair_id": unknown, "cluster": ids}
    return pd.DataFrame({**rest, "page_url": unknown, **columns}, dtype=object)


def test_every_person_is_trained_on_and_most_are_tested() -> None:
    subjects = [f"person-{number // 20}" for number in range(400)]
    faces = frame(subject=subjects)
    split = split_within_subjects(faces, BY, val=0.1, test=0.3)
    assert split.value_counts(normalize=True)["test"] == pytest.approx(0.3, abs=0.07)
    assert set(faces["subject"][split == "train"]) == set(subjects)
    assert len(set(faces["subject"][split == "test"])) == 20


def test_a_person_with_one_picture_is_trained_on() -> None:
    faces = frame(subject=[f"person-{number}" for number in range(50)])
    assert set(split_within_subjects(faces, BY, val=0.1, test=0.5)) == {"train"}


def test_pairs_pages_and_near_duplicates_stay_together() -> None:
    count = 300
    numbers = np.arange(count)
    faces = frame(
        subject=["Ada"] * count,
        pair_id=[f"pair-{n // 2}" if n < 100 else None for n in numbers],
        page_url=[f"page-{n // 4}" if 100 <= n < 200 else None for n in numbers],
        cluster=[f"cluster-{n // 3}" for n in numbers],
    )
    split = split_within_subjects(faces, BY, val=0.2, test=0.3)
    assert set(split) == {"train", "val", "test"}
    for column in ("pair_id", "page_url", "cluster"):
        assert (split.groupby(faces[column]).nunique() == 1).all()


def test_a_new_picture_leaves_the_others_where_they_are() -> None:
    before = frame(subject=["Ada"] * 40)
    after = frame(subject=["Ada"] * 41)
    one, other = (split_within_subjects(faces, BY, val=0.1, test=0.4) for faces in (before, after))
    assert (one != other[:40]).sum() <= 1


def test_all_domains_have_one_split_and_the_tables_say_it() -> None:
    domains = people({"Ada": 20, "Bob": 20}, {"Ada": 20, "Bob": 20})
    pairs = [f"picture-{number}" for number in range(40)]
    for faces in domains.values():
        faces.frame["pair_id"] = pairs
    split = within_subjects(domains, BY, val=0.1, test=0.4)
    vis, nir = (split[domain].frame["split"].to_list() for domain in ("vis", "nir"))
    assert vis == nir == split["vis"].table["split"].to_pylist()
    assert set(vis) == {"train", "val", "test"}


def test_what_an_experiment_leaves_out_changes_nothing_of_who_is_tested() -> None:
    domains = people({"Ada": 20, "Bob": 20}, {"Ada": 20, "Bob": 20})
    first = within_subjects(domains, BY, val=0.1, test=0.4)
    domains["vis"].leave_out(pd.Series(True, range(5)), "licence")
    again = within_subjects(domains, BY, val=0.1, test=0.4)
    assert first["vis"].frame["split"].equals(again["vis"].frame["split"])


def test_labels_are_those_that_both_domains_show() -> None:
    domains = people({"Ada": 3, "Bob": 3, "Eve": 2}, {"Ada": 3, "Bob": 1, "Max": 2})
    held_out(domains["nir"], [0])
    assert choose_labels("x", recogniser(), domains) == ("Ada", "Bob")
    assert domains["vis"].left_out() == {"label_not_in_every_domain": 2}
    assert domains["nir"].left_out() == {"label_not_in_every_domain": 2}


def held_out(faces: Candidates, which: list[int]) -> None:
    faces.frame.loc[which, "split"] = "test"


def test_a_label_is_a_face_s_only_tag_that_counts() -> None:
    tags = [["expression:smile", "hat"], ["expression:smile", "expression:frown"], ["hat"], None]
    faces = of_table(table([face(number, "vis", tags=own) for number, own in enumerate(tags)]))
    assert labels_of(faces, "expression:").tolist() == ["expression:smile", None, None, None]
    assert labels_of(faces, ("hat", "coat")).tolist() == ["hat", None, "hat", None]


def test_faces_without_a_label_and_with_several_are_left_out_for_that() -> None:
    domains = {}
    for first, domain in ((0, "vis"), (100, "nir")):
        tags = [["smile"], ["frown"], ["smile", "frown"], ["hat"], ["smile"]]
        rows = [face(first + number, domain, tags=own) for number, own in enumerate(tags)]
        domains[domain] = of_table(table(rows))
        held_out(domains[domain], [4])
    experiment = recogniser(label=["smile", "frown"], split="catalogue")
    assert choose_labels("x", experiment, domains) == ("frown", "smile")
    assert domains["vis"].left_out() == {"no_label": 1, "several_labels": 1}


def test_only_so_many_real_faces_of_the_target_are_trained_on() -> None:
    domains = people({"Ada": 6, "Bob": 6}, {"Ada": 6, "Bob": 6})
    held_out(domains["nir"], [0, 6])
    choose_labels("x", recogniser(real_target=2), domains)
    assert domains["nir"].training()["subject"].value_counts().to_dict() == {"Ada": 2, "Bob": 2}
    assert domains["nir"].left_out() == {"beyond_real_target": 6}
    assert domains["vis"].left_out() == {}
    assert (domains["nir"].selected()["split"] == "test").sum() == 2


def test_one_hot_labels_follow_the_order_of_the_names() -> None:
    labels = one_hot(pd.Series(["Bob", "Ada", "Bob"]), ("Ada", "Bob"))
    assert labels.tolist() == [[0, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("vis", "nir", "said"),
    [
        ({"Ada": 2, "Bob": 2}, {}, "no face of nir has one"),
        ({"Ada": 2, "Bob": 2}, {"Eve": 2, "Max": 2}, "0 of the labels"),
        ({"Ada": 2, "Bob": 2}, {"Ada": 2}, "1 of the labels"),
        ({"Ada": 2, "Bob": 2}, {"Ada": 2, "Bob": 2}, "nir has no test face"),
    ],
)
def test_what_cannot_be_recognised_is_an_error(vis: dict[str, int], nir: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        choose_labels("x", recogniser(), people(vis, nir))


def test_a_person_who_would_be_tested_and_not_trained_on_is_an_error() -> None:
    domains = people({"Ada": 2, "Bob": 2}, {"Ada": 2, "Bob": 2})
    for faces in domains.values():
        held_out(faces, [2, 3])
    with pytest.raises(UserError, match="Bob would be tested and not trained on"):
        choose_labels("x", recogniser(), domains)
