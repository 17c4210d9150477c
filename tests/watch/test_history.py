"""The history of a source: appended to whole, read back as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.watch import history
from pipeline.watch.history import Record, Spread

ONE = Record(
    *("2026-01-01T04:00:00+00:00", "2026-01-01T04:10:00+00:00", "accepted", ["part-00000.parquet"]),
    *(12, 2, 10, 9, 8, 8),
    rejected={"crawl": {"not_found": 2}},
    spreads={"yaw": Spread(8, [float(n) for n in range(20)])},
)


def test_what_was_appended_is_read_back_in_order(in_folder: Path) -> None:
    assert history.load("s") == []
    history.append("s", [ONE])
    history.append("s", [replace(ONE, verdict="discarded"), ONE])
    assert [record.verdict for record in history.load("s")] == ["accepted", "discarded", "accepted"]
    assert history.load("s")[0] == ONE
    assert [path.name for path in Path(".state").iterdir()] == ["s.history.jsonl"]


def test_a_broken_line_is_named(in_folder: Path) -> None:
    history.append("s", [ONE])
    with history.history_path("s").open("a") as file:
        file.write('{"at": ')
    with pytest.raises(
        UserError, match=r"s.history.jsonl: line 2 is no record of a recrawl; delete the line"
    ):
        history.load("s")
