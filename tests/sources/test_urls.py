from __future__ import annotations

import datetime
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.crawl.references import ImageRef, NothingKnown, Refusal
from pipeline.crawl.session import Session
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from pipeline.sources.urls import ROWS_AT_ONCE
from tests.crawl.local_site import (
    SITE,
    LocalSite,
    Reply,
    contents,
    crawl_into,
    discovered,
    png,
    rejected,
    serving,
    stored,
)

A, B, C = (f"{SITE}/{number}.png" for number in (1, 2, 3))


@pytest.fixture
def site() -> Iterator[LocalSite]:
    site = LocalSite()
    for number in (1, 2, 3):
        site.routes[f"/{number}.png"] = Reply(png(number))
    with serving(site):
        yield site


def source(path: Path | str, **options: Any) -> Any:
    entry = {"kind": "urls", "domain": "photo", "path": str(path)} | options
    return build("x", SourceEntry.model_validate(entry))


def found(path: Path | str, **options: Any) -> list[ImageRef | Refusal]:
    with Session() as session:
        return discovered(source(path, **options), session)


def images(path: Path | str, **options: Any) -> list[ImageRef]:
    """Return what a list shows, all of it images."""
    items = found(path, **options)
    return [item for item in items if isinstance(item, ImageRef) or pytest.fail(str(item))]


def written(path: Path, text: str) -> Path:
    """Write a list, packed where its name says so."""
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def table(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("name", ["list.txt", "list.txt.gz", "LIST.TXT"])
def test_a_text_has_a_url_a_line(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, f"\ufeff# of faces\r\n\r\n{A}\r\n  {B} \n\n # more\n{C}")
    assert images(path) == [ImageRef(A), ImageRef(B), ImageRef(C)]


@pytest.mark.parametrize(
    ("name", "separator"), [("l.csv", ","), ("l.csv.gz", ","), ("l.tsv", "\t"), ("l.tsv.gz", "\t")]
)
def test_a_table_says_more_about_each_image(tmp_path: Path, name: str, separator: str) -> None:
    lines = (
        ("id", "URL", "caption", "license", "tags", "subject"),
        ("7", A, '"One, two"', "CC0", "x; y", "s1"),
        ("", B, "", "", "", ""),
    )
    path = written(tmp_path / name, "\n".join(separator.join(line) for line in lines))
    assert images(path) == [
        ImageRef(A, title="One, two", licence="CC0", tags=("x", "y"), subject="s1", extra={"id": "7"}),
        ImageRef(B),
    ]


def test_metadata_of_laion_are_read_as_they_are(tmp_path: Path) -> None:
    path = table(
        tmp_path / "part-00000.parquet",
        SAMPLE_ID=[11, 12],
        URL=[A, B],
        TEXT=["a face", None],
        HEIGHT=[20, 20],
        WIDTH=[24, 24],
        LICENSE=["?", "CC BY 4.0"],
        NSFW=["UNLIKELY", "UNSURE"],
        similarity=[0.25, float("nan")],
    )
    assert images(path) == [
        ImageRef(
            A,
            title="a face",
            licence="?",
            extra={"SAMPLE_ID": 11, "HEIGHT": 20, "WIDTH": 24, "NSFW": "UNLIKELY", "similarity": 0.25},
        ),
        ImageRef(
            B, licence="CC BY 4.0", extra={"SAMPLE_ID": 12, "HEIGHT": 20, "WIDTH": 24, "NSFW": "UNSURE"}
        ),
    ]


def test_values_that_json_has_no_word_for_become_text_and_bytes_are_left_out(tmp_path: Path) -> None:
    path = table(
        tmp_path / "l.parquet",
        url=[A],
        day=[datetime.date(2026, 1, 2)],
        box=[{"x": 1.5, "y": float("inf")}],
        tags=[["x", "y"]],
        subject=[12],
        jpg=[b"\xff\xd8"],
        image=[{"bytes": b"\xff\xd8", "path": "a.jpg"}],
    )
    extra = {"day": "2026-01-02", "box": {"x": 1.5, "y": None}}
    assert images(path) == [ImageRef(A, tags=("x", "y"), subject="12", extra=extra)]


def test_a_parquet_is_read_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 3 * ROWS_AT_ONCE
    path = table(tmp_path / "l.parquet", url=[f"{SITE}/{number}.png" for number in range(count)])
    sizes = []
    iter_batches = pq.ParquetFile.iter_batches

    def counted(*arguments: Any, **options: Any) -> Iterator[Any]:
        for batch in iter_batches(*arguments, **options):
            sizes.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    with Session() as session:
        items = source(path).discover(session, NothingKnown())
        assert next(items) == ImageRef(f"{SITE}/0.png")
        assert sizes == [ROWS_AT_ONCE]
        assert len(list(items)) == count - 1


def test_a_folder_gives_its_lists_in_the_order_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists" / "more").mkdir(parents=True)
    table(tmp_path / "lists" / "b.parquet", url=[B])
    written(tmp_path / "lists" / "a.txt", C)
    written(tmp_path / "lists" / "more" / "c.csv", f"url\n{A}\n")
    written(tmp_path / "lists" / ".hidden.txt", "no list")
    written(tmp_path / "lists" / "README.md", "no list")
    monkeypatch.setenv("LISTS", str(tmp_path / "lists"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert images("$LISTS") == images("~/lists") == [ImageRef(C), ImageRef(B), ImageRef(A)]


def test_a_column_can_be_named_and_rights_be_said_for_all(tmp_path: Path) -> None:
    path = written(tmp_path / "l.csv", f"url,large,licence\n{A},{B},\n{A},{C},CC0\n")
    first, second = images(
        path, url_column="large", author="Ann", licence="CC BY 4.0", licence_url="https://c.test/"
    )
    assert first == ImageRef(
        B, author="Ann", licence="CC BY 4.0", licence_url="https://c.test/", extra={"url": A}
    )
    assert second.licence == "CC0"


def test_rows_that_are_none_are_refused(tmp_path: Path) -> None:
    path = written(
        tmp_path / "l.csv",
        f"url,title\n{A},one\n,two\n{B},three,4\nftp://x.test/a,\nhttp://[x/a,\nhttp:///a,\n",
    )
    assert found(path) == [
        ImageRef(A, title="one"),
        Refusal("file:l.csv#row-2", "address_refused", "the row has no URL"),
        Refusal("file:l.csv#row-3", "address_refused", "the row has more values than there are columns"),
        Refusal("ftp://x.test/a", "address_refused", "the URL is not one of the web"),
        Refusal("http://[x/a", "address_refused", "the URL is not one of the web"),
        Refusal("http:///a", "address_refused", "the URL is not one of the web"),
    ]
    assert found(table(tmp_path / "l.parquet", url=[None, 3.5, 1.0])) == [
        Refusal(f"file:l.parquet#row-{row}", "address_refused", "the row has no URL") for row in (1, 2, 3)
    ]
    assert found(written(tmp_path / "l.txt", "# one\nnone")) == [
        Refusal("none", "address_refused", "the URL is not one of the web")
    ]


def test_a_list_that_is_damaged_on_the_way_costs_its_rest(tmp_path: Path) -> None:
    rows = "".join(f"{SITE}/{number}.png\n" for number in range(20_000))
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(rows.encode())[:-4000])
    (tmp_path / "b.csv").write_bytes(f"url\n{A}\n".encode() + b"x" * 10_000 + b"\n\xff\xfe\n")
    written(tmp_path / "c.txt", B)
    items = found(tmp_path)
    refused = {item.url: item for item in items if isinstance(item, Refusal) and item.reason == "unreadable"}
    assert list(refused) == ["file:a.txt.gz", "file:b.csv"]
    assert refused["file:a.txt.gz"].detail.endswith("EOFError")
    assert refused["file:b.csv"].detail.endswith("UnicodeDecodeError")
    assert items[0] == ImageRef(f"{SITE}/0.png")
    assert items[-1] == ImageRef(B)


@pytest.mark.parametrize(
    ("name", "data", "options", "message"),
    [
        (
            "l.csv",
            b"link,title\nx,y\n",
            {},
            "url_column: l.csv has no column 'url'; its columns are: link, title",
        ),
        ("l.csv", b"url\nx\n", {"url_column": "large"}, "l.csv has no column 'large'; its columns are: url"),
        ("l.csv", b"", {}, "path: l.csv is empty"),
        ("l.csv", b"url\n\xff\n", {}, "path: l.csv cannot be read: UnicodeDecodeError"),
        ("l.txt.gz", b"not packed", {}, "path: l.txt.gz cannot be read: BadGzipFile"),
        ("l.parquet", b"no table", {}, "path: l.parquet cannot be read: ArrowInvalid"),
        ("l.json", b"[]", {}, r"path: l.json is no list; the names of lists end in .txt, .txt.gz, .csv"),
    ],
)
def test_a_list_that_cannot_be_used_is_the_users_to_put_right(
    tmp_path: Path, name: str, data: bytes, options: dict[str, str], message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message):
        found(tmp_path / name, **options)


def test_a_path_without_lists_is_the_users_to_put_right(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"path: .*none.csv: does not exist"):
        found(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"path: .*: the folder holds no list"):
        found(tmp_path)


def test_a_wrong_list_in_a_folder_is_named_before_anything_is_fetched(
    site: LocalSite, tmp_path: Path
) -> None:
    (tmp_path / "lists").mkdir()
    written(tmp_path / "lists" / "a.txt", A)
    written(tmp_path / "lists" / "b.csv", "link\nx\n")
    with pytest.raises(UserError, match=r"params.yaml: sources.s.url_column: b.csv has no column 'url'"):
        crawl_into(tmp_path, source(tmp_path / "lists"), site)
    assert not site.asked


def test_a_list_is_crawled_once_and_again_for_what_was_added(site: LocalSite, tmp_path: Path) -> None:
    path = written(
        tmp_path / "l.csv",
        f"url,licence,page_url,score\n{A},CC0,{SITE}/a.html,3\n{SITE}/gone.png,,,\n{A},,,\n,,,\n",
    )
    summary = crawl_into(tmp_path, source(path), site)
    assert (summary.discovered, summary.new) == (3, 1)
    assert rejected(tmp_path) == {
        "/gone.png": ("not_found", "HTTP 404"),
        "file:l.csv#row-4": ("address_refused", "the row has no URL"),
    }
    (row,) = stored(tmp_path)
    assert (row["licence"], row["page_url"], row["extra"]) == ("CC0", f"{SITE}/a.html", '{"score": "3"}')
    assert site.headers["/1.png"]["Referer"] == f"{SITE}/a.html"
    before = contents(tmp_path)
    assert crawl_into(tmp_path, source(path), site).new == 0
    assert contents(tmp_path) == before
    written(path, path.read_text() + f"{B},,,\n")
    assert crawl_into(tmp_path, source(path), site).new == 1
    assert site.asked["/1.png"] == 1
