from pathlib import Path

import pytest

from pipeline import parts

ROW = {"image_id": "a" * 64, "bytes": b"\x00\xff", "url": "http://example.org/1.jpg", "tags": ["smile"]}


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / parts.part_name(0)
    parts.write_rows(path, [ROW], parts.RAW)
    (row,) = parts.read_rows(path)
    assert row["bytes"] == b"\x00\xff"
    assert row["tags"] == ["smile"]
    assert row["licence"] is None


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        parts.write_rows(tmp_path / name, [ROW] * 100, parts.RAW)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_part_is_read_by_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "part"
    parts.write_rows(path, [ROW | {"image_id": str(number)} for number in range(70)], parts.RAW)
    assert parts.row_group_sizes(path) == [32, 32, 6]
    assert parts.read_rows(path, ["image_id"], row_group=2)[0] == {"image_id": "64"}


def test_no_rows_are_no_row_groups(tmp_path: Path) -> None:
    parts.write_rows(tmp_path / "part", [], parts.RAW)
    assert parts.row_group_sizes(tmp_path / "part") == []
    assert parts.count_rows(tmp_path / "part") == 0


def test_an_unknown_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="colour"):
        parts.write_rows(tmp_path / "part", [ROW | {"colour": "red"}], parts.RAW)


def test_an_unknown_reason_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ugly"):
        parts.write_rows(tmp_path / "part", [{"image_id": "a", "reason": "ugly"}], parts.DETECTIONS)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(TypeError), parts.atomic_path(path) as temporary:
        temporary.write_bytes("half")  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_parts_are_listed_in_order_without_leftovers(tmp_path: Path) -> None:
    for name in (
        "part-00001.parquet",
        "part-00000.parquet",
        ".part-00002.parquet.99.tmp",
        parts.REJECTED_NAME,
    ):
        (tmp_path / name).touch()
    assert [path.name for path in parts.list_parts(tmp_path)] == ["part-00000.parquet", "part-00001.parquet"]
