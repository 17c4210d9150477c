from collections import Counter

from pipeline.datasets.splits import split_of


def test_the_shares_are_as_asked() -> None:
    counted = Counter(split_of(f"subject {number}", val=0.05, test=0.1) for number in range(4000))
    assert abs(counted["test"] / 4000 - 0.1) < 0.02
    assert abs(counted["val"] / 4000 - 0.05) < 0.02


def test_a_subject_stays_where_it_is_when_the_test_share_grows() -> None:
    tested = [name for name in map(str, range(500)) if split_of(name, val=0.1, test=0.1) == "test"]
    assert all(split_of(name, val=0.1, test=0.2) == "test" for name in tested)
