"""What a user gives is read where it lies, and what is made of it lies where it should."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from pipeline.crawl.failures import TooLarge
from pipeline.errors import UserError
from pipeline.serve.given import Refused, is_zip_in_zip, pictures_in, places_of, safe_path, shown
from pipeline.sources.files import ZipLimits


def test_a_folder_a_zip_and_a_file_give_their_files_by_path(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "b").mkdir(parents=True)
    for name in ("b/2.jpg", "a.png", ".hidden.png"):
        (folder / name).write_bytes(name.encode())
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(folder / "b/2.jpg", "b/2.jpg")
        archive.write(folder / "a.png", "a.png")
    for given in (folder, tmp_path / "in.zip"):
        files, refused = pictures_in(given)
        assert [(file.path, file.read(99)) for file in files] == [
            ("a.png", b"a.png"),
            ("b/2.jpg", b"b/2.jpg"),
        ]
        assert refused == []
    (one,), _ = pictures_in(folder / "a.png")
    assert (one.path, one.read(99)) == ("a.png", b"a.png")


def test_what_cannot_be_given_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"IN: .*nothing does not exist"):
        pictures_in(tmp_path / "nothing")
    (tmp_path / "page.zip").write_bytes(b"<html>")
    with pytest.raises(UserError, match=r"IN: .*page.zip: the zip cannot be read"):
        pictures_in(tmp_path / "page.zip")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        pictures_in(tmp_path / "pipe")


def test_a_zip_bomb_is_not_unpacked_beyond_what_is_allowed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.png", bytes(50_000_000))
    (file,), _ = pictures_in(tmp_path / "bomb.zip")
    with pytest.raises(TooLarge):
        file.read(1_000_000)


@pytest.mark.parametrize(
    "path", ["a.jpg", "holiday/Anna & Ben.jpg".replace("&", "+"), "家族/写真 1.jpeg", "x.zip!/1.png"]
)
def test_a_safe_path_stays_as_it_is(path: str) -> None:
    assert safe_path(path).as_posix() == path


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../b.png",
        "..\\..\\windows.png",
        "C:\\x.png",
        "a//b.png",
        "./a.png",
        "con\x00trol\n.png",
        "~root.png",
        "n" * 300 + ".png",
        "long/" * 400 + "x.png",
        "name-is-no-utf-8-\udcff.png",
        "a-0.png/x.jpg",
        " ",
        "...",
    ],
)
def test_an_unsafe_path_becomes_another_that_leads_down(tmp_path: Path, path: str) -> None:
    safe = safe_path(path)
    assert safe.as_posix() != path
    assert not safe.is_absolute()
    assert ".." not in safe.parts
    assert (tmp_path / safe).resolve().is_relative_to(tmp_path)
    assert not any(name.startswith(".") for name in safe.parts)
    written = tmp_path / f"{safe}-0.png"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_bytes(b"can be a file's name")
    shown(path).encode()


def test_no_two_pictures_share_a_path() -> None:
    alike = ["a?.png", "a*.png", "a_.png", "../a.png", "/a.png", "b/a.png", "b//a.png", "n" * 300, "n" * 301]
    assert len({safe_path(path) for path in alike}) == len(alike)


def test_pictures_that_only_some_file_systems_tell_apart_lie_apart_on_all(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name in ("a.jpg", "A.JPG", "b.jpg", "é.jpg", "e\u0301.jpg"):
            archive.writestr(name, name)
    files, _ = pictures_in(tmp_path / "in.zip")
    places = places_of(files)
    assert len({place.as_posix().casefold() for place in places.values()}) == 5
    assert places["b.jpg"] == Path("b.jpg")
    assert places["a.jpg"].name.startswith("a.jpg.")
    assert places_of(files[::-1]) == places
    assert places_of([file for file in files if file.path == "a.jpg"]) == {"a.jpg": Path("a.jpg")}


def test_a_zip_over_the_limits_is_refused_and_in_a_folder_it_is_one_of_many(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.jpg", bytes(100))
    allowed = ZipLimits(members=5, unpacked_bytes=500)
    assert len(pictures_in(tmp_path / "many.zip", allowed)[0]) == 5
    with pytest.raises(UserError, match=r"IN: .*many.zip: the zip holds 5 files, more than 4; divide it"):
        pictures_in(tmp_path / "many.zip", ZipLimits(4, 500))
    with pytest.raises(UserError, match="the zip unpacks to 500 bytes, more than 499; divide it"):
        pictures_in(tmp_path / "many.zip", ZipLimits(5, 499))
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.zip").write_bytes(b"<html>")
    files, refused = pictures_in(tmp_path, ZipLimits(4, 500))
    assert [file.path for file in files] == ["a.jpg"]
    assert refused == [
        Refused("b.zip", "unreadable", "the zip cannot be read: BadZipFile"),
        Refused("many.zip", "too_large", "the zip holds 5 files, more than 4; divide it"),
    ]


def test_a_zip_in_a_zip_is_known_by_its_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("more/Inner.ZIP", b"PK")
        archive.writestr("a.jpg", b"")
    found = {file.path: is_zip_in_zip(file) for file in pictures_in(tmp_path / "in.zip")[0]}
    assert found == {"a.jpg": False, "more/Inner.ZIP": True}
