from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.references import ImageRef, NothingKnown, Refusal
from pipeline.crawl.session import Caps, Session
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from tests.crawl.local_site import LocalSite, crawl_into, png, rejected, stored


def source(path: Path | str, **options: Any) -> Any:
    entry = {"kind": "folder", "domain": "photo", "path": str(path)} | options
    return build("x", SourceEntry.model_validate(entry))


def found(path: Path | str, **options: Any) -> list[ImageRef | Refusal]:
    with Session() as session:
        return list(source(path, **options).discover(session, NothingKnown()))


def urls(path: Path | str, **options: Any) -> list[str]:
    return [reference.url for reference in found(path, **options)]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for number, name in enumerate(
        ["s2/b.png", "s1/a_before.png", "s1/a_after.png", "c.jpg", ".hidden", ".git/x"]
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    (folder / "notes.txt").write_text("no image")
    return folder


def zipped(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive


def test_all_files_but_hidden_ones_come_sorted_and_without_machine_paths(pictures: Path) -> None:
    names = ["c.jpg", "notes.txt", "s1/a_after.png", "s1/a_before.png", "s2/b.png"]
    assert urls(pictures) == [f"file:{name}" for name in names]
    assert urls(zipped(pictures)) == [f"file:pictures.zip!/{name}" for name in names]


def test_a_file_that_is_no_image_is_rejected(pictures: Path, tmp_path: Path) -> None:
    crawl_into(tmp_path, source(pictures), LocalSite())
    assert rejected(tmp_path)["file:notes.txt"][0] == "not_an_image"
    assert len(stored(tmp_path)) == 4


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_a_recrawl_reads_what_changed_only(pictures: Path, tmp_path: Path, pack: Any) -> None:
    crawl_into(tmp_path, source(pack(pictures)), LocalSite())
    assert crawl_into(tmp_path, source(pack(pictures)), LocalSite()).known == 4
    (pictures / "c.jpg").write_bytes(png(77))
    os.utime(pictures / "c.jpg", (1e9, 1e9))
    summary = crawl_into(tmp_path, source(pack(pictures)), LocalSite())
    assert (summary.new, summary.known) == (1, 3)
    assert stored(tmp_path)[-1]["bytes"] == png(77)


def test_variables_and_home_are_expanded(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTURES", str(pictures))
    monkeypatch.setenv("HOME", str(pictures.parent))
    assert urls("$PICTURES/s2") == urls("~/pictures/s2") == ["file:b.png"]


def test_a_missing_path_is_the_users_to_put_right(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"path: .*nowhere: does not exist"):
        found(tmp_path / "nowhere")


def test_a_path_to_something_else_is_the_users_to_put_right(pictures: Path) -> None:
    with pytest.raises(UserError, match="is neither a folder nor a zip"):
        found(pictures / "notes.txt")


@pytest.mark.parametrize(
    ("glob", "names"),
    [("*.png", ["s1/a_after.png", "s1/a_before.png", "s2/b.png"]), ("s2/*", ["s2/b.png"]), ("*.gif", [])],
)
def test_a_glob_selects_files(pictures: Path, glob: str, names: list[str]) -> None:
    assert urls(pictures, glob=glob) == [f"file:{name}" for name in names]


def test_subjects_and_pairs_come_from_names(pictures: Path) -> None:
    references = found(
        pictures, glob="s?/*", subject=r"^(s\d+)/", pair="^(?P<pair>.)_(?P<role>before|after)", licence="CC0"
    )
    assert [(r.subject, r.pair_id, r.role, r.licence) for r in references if isinstance(r, ImageRef)] == [
        ("s1", "a", "after", "CC0"),
        ("s1", "a", "before", "CC0"),
        ("s2", None, None, "CC0"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subject": "s1"}, "sources.x.subject: must have exactly one group"),
        ({"subject": "(s1"}, "sources.x.subject: "),
        ({"pair": "(?P<pair>.)"}, "sources.x.pair: must have the groups"),
    ],
)
def test_a_wrong_pattern_names_the_key(options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        source(".", **options)


TABLE = (
    "\ufefffile,subject,pair_id,role,title,tags,unknown\n"
    's2/b.png,Ann,p1,before,"One, two","x; y",1\n'
    "gone.png,Bob,,,,,\n"
    "s1\\a_after.png,,,,,,\n"
)


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("as_zip", [True, False])
def test_a_table_tells_which_files_and_what_of_them(pictures: Path, beside: bool, as_zip: bool) -> None:
    (pictures.parent if beside else pictures).joinpath("table.csv").write_text(TABLE, encoding="utf-8")
    prefix = "file:pictures.zip!/" if as_zip else "file:"
    first, gone, last = found(zipped(pictures) if as_zip else pictures, table="table.csv")
    assert isinstance(first, ImageRef)
    assert (first.url, first.subject, first.pair_id, first.role) == (
        f"{prefix}s2/b.png",
        "Ann",
        "p1",
        "before",
    )
    assert (first.title, first.tags) == ("One, two", ("x", "y"))
    assert gone == Refusal(f"{prefix}gone.png", "not_found", "table.csv lists it")
    assert last.url == f"{prefix}s1/a_after.png"


def test_a_table_without_files_is_the_users_to_put_right(pictures: Path) -> None:
    (pictures / "table.csv").write_text("path,subject\n")
    with pytest.raises(UserError, match="has no column 'file'; its columns are: path, subject"):
        found(pictures, table="table.csv")
    with pytest.raises(UserError, match=r"'none.csv' is neither in"):
        found(pictures, table="none.csv")


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_a_file_over_the_cap_is_rejected(pictures: Path, pack: Any) -> None:
    (pictures / "c.jpg").write_bytes(bytes(100_000))
    with Session(caps=Caps(image_bytes=1000)) as session:
        (reference,) = source(pack(pictures), glob="c.jpg").discover(session, NothingKnown())
        with pytest.raises(Exception, match="too_large: more than 1000 bytes"):
            reference.local.read()


def test_a_damaged_zip_member_costs_one_image(pictures: Path, tmp_path: Path) -> None:
    archive = zipped(pictures)
    data = bytearray(archive.read_bytes())
    start = data.index(b"c.jpg") + len(b"c.jpg")
    data[start + 2 : start + 30] = bytes(28)
    archive.write_bytes(data)
    crawl_into(tmp_path, source(archive), LocalSite())
    reason, detail = rejected(tmp_path)["file:pictures.zip!/c.jpg"]
    assert reason == "unreadable"
    assert detail.startswith("the file cannot be read")
    assert len(stored(tmp_path)) == 3
