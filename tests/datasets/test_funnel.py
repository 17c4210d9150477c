from __future__ import annotations

import pyarrow as pa

from pipeline import parts
from pipeline.datasets.catalogue import funnel_by_group


def faces(*rows: tuple[str, str | None, bool]) -> pa.Table:
    columns = [{"image_id": image, "group": group, "kept": kept} for image, group, kept in rows]
    return pa.Table.from_pylist(
        [dict.fromkeys(parts.FACES.names) | row for row in columns], schema=parts.FACES
    )


def test_a_comics_yield_is_counted_by_title() -> None:
    crawled = ["A"] * 20 + ["B"] * 5 + [None]
    found = faces(("1", "A", True), ("1", "A", False), ("2", "A", True), ("9", None, True))
    assert funnel_by_group(crawled, found) == {
        "A": {"crawled": 20, "with_faces": 2, "faces": 3, "kept": 2},
        "B": {"crawled": 5, "with_faces": 0, "faces": 0, "kept": 0},
    }


def test_a_source_without_groups_has_no_such_counts() -> None:
    assert funnel_by_group([None, None], faces(("1", None, True))) == {}
