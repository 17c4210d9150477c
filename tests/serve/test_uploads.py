"""What visitors give is read within limits and forgotten; the folder goes with its process."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.serve.scratch import scratch_folder
from pipeline.serve.uploads import read_upload


def wait_until_gone(path: Path) -> bool:
    deadline = time.monotonic() + 20
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not path.exists()


def test_an_upload_is_read_and_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    assert read_upload(path, 7, forgotten_after_s=0.05) == b"picture"
    assert wait_until_gone(path)


def test_a_file_that_is_too_large_is_refused_and_forgotten_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    with pytest.raises(UserError, match="more than the 6 bytes that are taken; reduce the picture"):
        read_upload(path, 6, forgotten_after_s=0.05)
    assert wait_until_gone(path)


def test_what_another_visitor_uploads_again_meanwhile_stays_for_that_one(tmp_path: Path) -> None:
    path, marker = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(b"picture")
    marker.write_bytes(b"read later, gone later")
    read_upload(path, 100, forgotten_after_s=0.3)
    read_upload(marker, 100, forgotten_after_s=0.4)
    time.sleep(0.05)
    path.write_bytes(b"picture")
    assert wait_until_gone(marker)
    assert path.exists()


def test_a_file_that_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="upload it again"):
        read_upload(tmp_path / "gone.jpg", 100)


def test_the_folder_of_a_process_is_its_own_and_goes_with_it(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        (folder / "upload").write_bytes(b"x")
        assert folder.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    left = tmp_path / "likeness-serve-left"
    left.mkdir()
    (left / "in-use").touch()
    (left / "upload").write_bytes(b"x")
    (tmp_path / "likeness-serve-nothing-known").mkdir()
    with scratch_folder(tmp_path) as first, scratch_folder(tmp_path) as second:
        assert not left.exists()
        assert first.exists()
        assert second.exists()
    assert (tmp_path / "likeness-serve-nothing-known").exists()
