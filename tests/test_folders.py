from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.folders import whole_folder

MARKER = "export.json"


def test_a_folder_appears_when_all_of_it_is_written(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out", MARKER, "name another") as folder:
        (folder / MARKER).write_text("{}")
        assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", MARKER]


def test_an_earlier_one_is_replaced_and_an_empty_one_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("old", "new"):
        with whole_folder(tmp_path / "out", MARKER, "name another") as folder:
            (folder / MARKER).write_text("{}")
            (folder / name).touch()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MARKER, "new"]


def test_what_somebody_else_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with (
        pytest.raises(UserError, match=r"out exists and is no earlier export .* name another"),
        whole_folder(tmp_path / "out", MARKER, "name another"),
    ):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "thesis.txt"]


def test_a_failure_leaves_the_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out", MARKER, "name another") as folder:
        (folder / MARKER).write_text("old")
    with pytest.raises(IsADirectoryError), whole_folder(tmp_path / "out", MARKER, "name another") as folder:
        folder.write_text("new")
    assert (tmp_path / "out" / MARKER).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
