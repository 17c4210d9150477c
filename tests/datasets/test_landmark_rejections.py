"""Rejections by eye size and by tag are counted over faces, each face once for each of its tags."""

from __future__ import annotations

import pyarrow as pa

from pipeline import parts
from pipeline.datasets.landmark_rejections import rejections_by_eye_size, rejections_by_tag


def table(*faces: tuple[float | None, list[str] | None, str | None]) -> pa.Table:
    names = ("eye_size", "tags", "reason")
    rows = [dict(zip(names, face, strict=True)) for face in faces]
    schema = pa.schema([parts.FACES.field(name) for name in names])
    return pa.Table.from_pylist(rows, schema)


def test_large_eyes_are_counted_apart_from_small_ones() -> None:
    faces = table(
        (0.12, None, None),
        (0.14, None, "bad_landmarks"),
        (0.33, None, "eye_missing"),
        (0.31, None, "blurred"),
    )
    assert rejections_by_eye_size(faces) == {
        "0.10 to 0.15": {"faces": 2, "rejected": 1},
        "0.30 to 0.35": {"faces": 2, "rejected": 1},
    }


def test_the_tag_that_fails_most_comes_first_and_rare_ones_not_at_all() -> None:
    girls = [(None, ["1girl", "smile"], "bad_landmarks")] * 4 + [(None, ["1girl"], None)] * 2
    boys = [(None, ["1boy"], None)] * 5
    found = rejections_by_tag(table(*girls, *boys))
    assert found == {"1girl": {"faces": 6, "rejected": 4}, "1boy": {"faces": 5, "rejected": 0}}
    assert list(found) == ["1girl", "1boy"]


def test_without_eye_sizes_or_tags_there_is_nothing_to_count() -> None:
    faces = table((None, None, "bad_landmarks"))
    assert rejections_by_eye_size(faces) == {}
    assert rejections_by_tag(faces) == {}
