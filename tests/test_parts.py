import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline import parts
from pipeline.errors import UserError

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


# What a raw part was before schema version 2.
RAW_1 = pa.schema(
    [
        ("image_id", pa.string()),
        ("bytes", pa.binary()),
        ("url", pa.string()),
        ("page_url", pa.string()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("author", pa.string()),
        ("licence", pa.string()),
        ("licence_url", pa.string()),
        ("fetched_at", pa.string()),
        ("etag", pa.string()),
        ("width_px", pa.int32()),
        ("height_px", pa.int32()),
        ("format", pa.string()),
        ("phash", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("subject", pa.string()),
        ("pair_id", pa.string()),
        ("role", pa.string()),
    ],
    metadata={"schema_version": "1"},
)


def write_version_1(path: Path, rows: list[dict]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, RAW_1), path, row_group_size=parts.ROW_GROUP_SIZE)
    return path


def test_an_older_part_is_brought_up_to_date_as_it_is_read(tmp_path: Path) -> None:
    old = write_version_1(tmp_path / parts.part_name(0), [ROW | {"image_id": str(n)} for n in range(40)])
    before = old.read_bytes()
    table = parts.read_table(old)
    assert table.schema.remove_metadata() == parts.RAW
    assert table["group"].null_count == table["extra"].null_count == 40
    assert table["bytes"].to_pylist() == [b"\x00\xff"] * 40
    assert old.read_bytes() == before


@pytest.mark.parametrize("columns", [["group"], ["extra", "image_id"], ["image_id"], []])
def test_of_an_older_part_only_the_columns_asked_for_are_read(tmp_path: Path, columns: list[str]) -> None:
    old = write_version_1(tmp_path / parts.part_name(0), [ROW | {"image_id": str(n)} for n in range(40)])
    assert parts.read_table(old, columns).column_names == columns
    expected = {"group": None, "extra": None, "image_id": "32"}
    assert parts.read_rows(old, columns, row_group=1)[:1] == [{name: expected[name] for name in columns}]


def test_rows_of_an_older_part_are_chosen_by_a_column_that_it_has(tmp_path: Path) -> None:
    old = write_version_1(tmp_path / parts.part_name(0), [ROW | {"image_id": str(n)} for n in range(40)])
    (row,) = parts.read_table(old, ["group", "image_id"], pc.field("image_id") == "7").to_pylist()
    assert row == {"group": None, "image_id": "7"}


def test_old_and_new_parts_fit_together(tmp_path: Path) -> None:
    old = write_version_1(tmp_path / parts.part_name(0), [ROW])
    parts.write_rows(tmp_path / parts.part_name(1), [ROW | {"group": "a comic"}], parts.RAW)
    both = pa.concat_tables([parts.read_table(old), parts.read_table(tmp_path / parts.part_name(1))])
    assert both["group"].to_pylist() == [None, "a comic"]


def test_other_tables_have_not_changed_since_version_1(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"image_id": "a"}], parts.DETECTIONS.with_metadata({"schema_version": "1"}))
    pq.write_table(table, tmp_path / "part")
    assert parts.read_table(tmp_path / "part").column_names == parts.DETECTIONS.names


@pytest.mark.parametrize("read", [parts.read_rows, parts.row_group_sizes, parts.count_rows])
@pytest.mark.parametrize(
    ("version", "said"),
    [
        ({"schema_version": "3"}, "schema_version 3, this program knows them up to 2; update the program"),
        ({"schema_version": "latest"}, "says no schema_version"),
        (None, "says no schema_version"),
    ],
)
def test_a_part_that_this_program_cannot_know_is_refused_by_name(tmp_path: Path, read, version, said) -> None:
    pq.write_table(pa.Table.from_pylist([ROW], RAW_1.with_metadata(version)), tmp_path / "part-00000.parquet")
    with pytest.raises(UserError, match=f"part-00000.parquet: .*{said}"):
        read(tmp_path / "part-00000.parquet")


def test_a_file_that_is_no_table_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_text("<html>")
    with pytest.raises(UserError, match=r"part-00000\.parquet: no readable Parquet file"):
        parts.read_rows(tmp_path / "part-00000.parquet")


def test_json_is_written_for_people_too(tmp_path: Path) -> None:
    parts.write_json(tmp_path / "new" / "numbers.json", {"b": 1, "a": [2]})
    written = (tmp_path / "new" / "numbers.json").read_text()
    assert written.endswith("}\n")
    assert '\n  "b": 1,' in written
    assert json.loads(written) == {"b": 1, "a": [2]}
