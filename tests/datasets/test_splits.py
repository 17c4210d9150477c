from collections import Counter

import pandas as pd

from pipeline.datasets.splits import groups_of, split_of

BY = ("subject", "pair_id", "page_url")


def groups(*images: dict, by: tuple[str, ...] = BY) -> list[str]:
    columns = ("image_id", "subject", "pair_id", "page_url")
    rows = [dict.fromkeys(columns) | {"image_id": f"image {n}"} | image for n, image in enumerate(images)]
    return groups_of(pd.DataFrame(rows, columns=columns), by).tolist()


def test_the_shares_are_as_asked() -> None:
    counted = Counter(split_of(f"subject {number}", val=0.05, test=0.1) for number in range(4000))
    assert abs(counted["test"] / 4000 - 0.1) < 0.02
    assert abs(counted["val"] / 4000 - 0.05) < 0.02


def test_a_subject_stays_where_it_is_when_the_test_share_grows() -> None:
    tested = [name for name in map(str, range(500)) if split_of(name, val=0.1, test=0.1) == "test"]
    assert all(split_of(name, val=0.1, test=0.2) == "test" for name in tested)


def test_a_group_is_the_subject_or_else_the_pair_the_page_or_the_image_itself() -> None:
    page = {"page_url": "page"}
    found = groups(page | {"subject": "Ada", "pair_id": "7"}, page | {"pair_id": "8"}, page, {})
    assert found == ["Ada", "8", "page", "image 3"]


def test_what_keeps_images_together_is_a_setting() -> None:
    images = ({"page_url": "list", "subject": "Ada"}, {"page_url": "list"})
    assert groups(*images, by=("page_url",)) == ["list", "list"]
    assert groups(*images, by=("subject",)) == ["Ada", "image 1"]
    assert groups(*images, by=()) == ["image 0", "image 1"]


def test_members_of_a_pair_are_never_parted() -> None:
    before = {"pair_id": "7", "subject": "Berta"}
    assert groups(before, {"pair_id": "7"}) == ["Berta", "Berta"]
    # Through its pairs a subject holds others: all are one group, by the first name of the alphabet.
    chain = groups(
        {"subject": "Cora", "pair_id": "1"}, {"subject": "Ada", "pair_id": "1"}, {"subject": "Cora"}
    )
    assert chain == ["Ada", "Ada", "Ada"]
    assert groups({"pair_id": "7", "page_url": "a"}, {"pair_id": "7", "page_url": "b"}, by=("page_url",)) == [
        "a",
        "a",
    ]


def test_new_images_move_nothing() -> None:
    old = [{"subject": f"s{n % 5}", "page_url": f"p{n}"} for n in range(20)]
    new = [{"subject": "s1", "page_url": "new"}, {"page_url": "p3"}, {"pair_id": "9"}]
    assert groups(*old, *new)[:20] == groups(*old)


def test_no_faces_have_no_groups() -> None:
    assert groups() == []
