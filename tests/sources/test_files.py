"""Files of folders and zips by their paths: none is lost, and none is more than it may be."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.sources.files import File, Files, ZipLimits

LIMITS = ZipLimits(members=100, unpacked_bytes=1_000)


def zip_of(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def contents(files: Files) -> dict[str, bytes]:
    return {path: file.read(1_000) for path, file in files.by_path.items()}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_the_same_name_are_all_there(tmp_path: Path) -> None:
    twice = (
        ("a.jpg", b"1"),
        ("a.jpg", b"2"),
        ("b/c", b"3"),
        ("b/c", b"4"),
        ("a (2).jpg", b"5"),
        ("a.jpg", b"6"),
    )
    files = Files(zip_of(tmp_path / "in.zip", *twice))
    assert contents(files) == {
        "a (2).jpg": b"5",
        "a (3).jpg": b"2",
        "a (4).jpg": b"6",
        "a.jpg": b"1",
        "b/c": b"3",
        "b/c (2)": b"4",
    }
    assert list(files.by_path) == sorted(files.by_path)
    assert {file.path for file in files.matching("*.jpg")} == {path for path in files.by_path if "a" in path}


def test_a_folder_that_is_called_like_a_zip_takes_nothing_from_it(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", ("a.jpg", b"in the zip"))
    (tmp_path / "x.zip!").mkdir()
    (tmp_path / "x.zip!/a.jpg").write_bytes(b"in the folder")
    assert set(contents(Files(tmp_path)).values()) == {b"in the zip", b"in the folder"}


def test_a_member_without_a_name_is_a_file(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "in.zip", ("a", b"1"))
    data = bytearray(path.read_bytes())
    listed = data.rindex(b"PK\x01\x02")
    data[listed + 28 : listed + 30] = b"\0\0"  # the name's length; the name becomes what is called extra
    data[listed + 46 : listed + 47] = b""
    end = data.rindex(b"PK\x05\x06")
    data[end + 12] -= 1
    path.write_bytes(data)
    assert list(Files(path).by_path) == [""]


def test_limits_hold_for_all_that_a_zip_lists(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "in.zip", *((f"{number}", bytes(10)) for number in range(100)))
    assert len(Files(path, LIMITS).by_path) == 100
    with pytest.raises(UserError, match="the zip holds 100 files, more than 99; divide it"):
        Files(path, ZipLimits(99, 1_000))
    with pytest.raises(UserError, match="the zip unpacks to 1,000 bytes, more than 999; divide it"):
        Files(path, ZipLimits(100, 999))
    assert len(Files(path).by_path) == 100


def test_a_list_that_is_too_long_is_not_read_at_all(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "in.zip", *((f"{number:0500}", b"") for number in range(10)))
    with pytest.raises(UserError, match=r"the zip's list of its files takes 5,460 bytes, more than 1,024"):
        Files(path, ZipLimits(members=2, unpacked_bytes=1_000))


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "a.jpg").touch()
    os.mkfifo(tmp_path / "pipe")
    genuine = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path)

    monkeypatch.setattr(os, "scandir", refusing)
    files = Files(tmp_path)
    assert list(files.by_path) == ["a.jpg"]
    assert files.broken == {
        "gone.jpg": "the file cannot be read: FileNotFoundError",
        "secret": "the folder cannot be read: PermissionError",
    }


def test_many_members_of_one_name_are_named_in_no_time_to_speak_of(tmp_path: Path) -> None:
    files = Files(zip_of(tmp_path / "in.zip", ("a", b"")))
    (first,) = files.by_path.values()
    for _ in range(20_000):
        files._add(File(first.path, None, 0, "", first.open))
    files._rename_again()
    assert len(files.by_path) == 20_001
