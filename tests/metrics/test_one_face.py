"""The share of outputs with exactly one face."""

from __future__ import annotations

import pytest

from pipeline.metrics.single_face import one_face


def test_none_and_several_are_not_one() -> None:
    share = one_face([1, 1, 0, 2, 1, 1, 3, 1, 1, 1])
    assert (share["value"], share["none"], share["several"], share["of"]) == (0.7, 1, 2, 10)


def test_the_interval_is_wilsons_which_has_room_at_both_ends() -> None:
    z = 1.959964
    for counts, value in (([1] * 10, 1.0), ([0] * 10, 0.0)):
        share = one_face(counts)
        assert share["value"] == value
        assert share["high"] - share["low"] == pytest.approx(z**2 / (10 + z**2), abs=1e-4)
    assert one_face([1])["low"] == pytest.approx(1 / (1 + z**2), abs=1e-4)


@pytest.mark.parametrize(("counts", "said"), [([], "of >= 1"), ([1, -1], "at least 0, got -1")])
def test_what_are_no_counts_is_a_clear_error(counts: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        one_face(counts)
