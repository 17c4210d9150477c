from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.references import ImageRef, Refusal
from pipeline.crawl.session import Budget
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from pipeline.sources.commons import CommonsOptions, CommonsSource, is_licence, plain_text
from tests.crawl.local_site import (
    SITE,
    LocalSite,
    Reply,
    client,
    crawl_into,
    discovered,
    png,
    rejected,
    serving,
    stored,
)
from tests.sources.recorded import answer, request

FILES = f"{SITE}/wikipedia/commons"
API = "/w/api.php"
ANN, BEN, CLEO, DORA = (
    f"{FILES}/{name}.png" for name in ("a/a1/Ann_at_work", "b/b2/Ben", "d/d5/Cleo", "e/e6/Dora")
)
OUTLINE = f"{FILES}/c/c3/Outline_of_a_face.svg"
GONE = f"{SITE}/wiki/File:Gone_picture.jpg"
QUERY = {"action": "query", "format": "json", "formatversion": 2, "maxlag": 5}
CATEGORY = {
    "generator": "categorymembers",
    "gcmtitle": "Category:Portraits",
    "gcmnamespace": 6,
    "gcmsort": "timestamp",
    "gcmdir": "desc",
    "gcmlimit": 50,
}
FILE_INFO = {
    "prop": "imageinfo",
    "iiprop": "url|size|sha1|mime|user|timestamp|extmetadata",
    "iiextmetadatafilter": (
        "LicenseShortName|LicenseUrl|Artist|ObjectName|Categories|Credit|AttributionRequired|Restrictions"
    ),
}
FIRST = request(API, QUERY | CATEGORY | FILE_INFO)
SECOND = request(
    API,
    QUERY
    | CATEGORY
    | FILE_INFO
    | {"iicontinue": "Outline_of_a_face.svg|20240505100000", "continue": "gcmcontinue||"},
)
THIRD = request(
    API, QUERY | CATEGORY | FILE_INFO | {"gcmcontinue": "2024-05-01 10:00:00|105", "continue": "-||"}
)


@pytest.fixture
def site() -> Iterator[LocalSite]:
    """Commons with a category of six files, which takes three answers."""
    site = LocalSite()
    for number, path in enumerate((FIRST, SECOND, THIRD), 1):
        site.routes[path] = answer(f"commons/category-{number}.json")
    for number, url in enumerate((ANN, BEN, CLEO, DORA)):
        site.routes[url.removeprefix(SITE)] = Reply(png(number))
    with serving(site):
        yield site


def commons(**options: Any) -> CommonsSource:
    given = {"api": f"{SITE}{API}"} | ({} if "search" in options else {"category": "Portraits"}) | options
    return CommonsSource(CommonsOptions.model_validate(given))


def found(site: LocalSite, **options: Any) -> list[ImageRef | Refusal]:
    with client(site) as session:
        return discovered(commons(**options), session)


def urls(items: list[ImageRef | Refusal]) -> list[str]:
    return [item.url for item in items]


def test_a_category_is_followed_to_its_end(site: LocalSite) -> None:
    assert urls(found(site)) == [ANN, BEN, OUTLINE, GONE, CLEO, DORA]
    assert urls(found(site, category="Category:Portraits")) == urls(found(site))


def test_a_file_says_all_that_its_page_says(site: LocalSite) -> None:
    ann, ben, *_, cleo, _ = found(site)
    assert ann == ImageRef(
        ANN,
        f"{SITE}/wiki/File:Ann_at_work.png",
        "Ann at work",
        "Berta B., 2024",
        "CC BY-SA 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0",
        ("category:Portraits of women", "category:Wikimedia-made"),
        extra={
            "credit": "Own work",
            "restrictions": "personality",
            "uploader": "Uploader1",
            "uploaded_at": "2024-05-03T10:00:00Z",
            "attribution_required": True,
        },
        checksum="sha1:0000000000000000000000000000000000000065",
    )
    assert isinstance(ben, ImageRef)
    assert (ben.author, ben.licence) == ("Unknown author", "CC0")
    assert ben.licence_url == "http://creativecommons.org/publicdomain/zero/1.0/deed.en"
    assert isinstance(cleo, ImageRef)
    assert (cleo.title, cleo.author, cleo.licence, cleo.tags) == ("Cleo", None, None, ())


def test_what_is_no_image_or_has_no_file_is_refused(site: LocalSite) -> None:
    assert [item for item in found(site) if isinstance(item, Refusal)] == [
        Refusal(
            OUTLINE, "not_an_image", "its type is image/svg+xml", f"{SITE}/wiki/File:Outline_of_a_face.svg"
        ),
        Refusal(GONE, "no_file", "the page has no file", GONE),
    ]


@pytest.mark.parametrize(
    ("licences", "kept"),
    [(["CC0"], [BEN]), (["cc-by"], [DORA]), (["CC BY", "CC BY-SA"], [ANN, DORA]), (["GFDL"], [])],
)
def test_only_the_licences_asked_for_are_taken(site: LocalSite, licences: list[str], kept: list[str]) -> None:
    items = found(site, licences=licences)
    assert [item.url for item in items if isinstance(item, ImageRef)] == kept
    excluded = {item.url: item.detail for item in items if item.url in {ANN, BEN, CLEO, DORA} - set(kept)}
    assert excluded[CLEO] == "no licence is said"
    assert {item.reason for item in items if item.url in excluded} == {"licence_excluded"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "short", "same"),
    [
        ("CC BY-SA 3.0 de", "CC BY-SA", True),
        ("CC BY-SA 4.0", "CC BY", False),
        ("CC BY 2.0", "CC BY", True),
        ("CC BY 4.0", "CC BY-SA", False),
        ("CC0", "cc0", True),
        ("Public domain", "public domain", True),
        (None, "CC0", False),
    ],
)
def test_a_licence_is_told_by_its_short_name(name: str | None, short: str, same: bool) -> None:
    assert is_licence(name, short) == same


def test_html_becomes_what_is_seen_of_it() -> None:
    assert plain_text('<b>A</b> &amp; <i>B</i><span style="display:none">C</span>\n d') == "A & B d"
    assert plain_text("<br>") is None


SEARCH = {"generator": "search", "gsrsearch": "portrait filetype:bitmap", "gsrnamespace": 6}


def test_a_search_yields_renderings_of_the_width_asked_for_in_its_own_order(site: LocalSite) -> None:
    ranked = SEARCH | {"gsrsort": "relevance", "gsrlimit": 50}
    site.routes[request(API, QUERY | ranked | FILE_INFO | {"iiurlwidth": 500})] = answer(
        "commons/search.json"
    )
    small, large = found(site, search="portrait filetype:bitmap", width_px=500)
    assert isinstance(small, ImageRef)
    assert isinstance(large, ImageRef)
    assert (small.url, small.checksum) == (BEN, "sha1:0000000000000000000000000000000000000066")
    assert large.url == f"{FILES}/thumb/a/a1/Ann_at_work.png/500px-Ann_at_work.png"
    assert large.checksum == "sha1-500px:0000000000000000000000000000000000000065"


def test_a_search_can_show_the_newest_first(site: LocalSite) -> None:
    newest = SEARCH | {"gsrsort": "create_timestamp_desc", "gsrlimit": 50}
    site.routes[request(API, QUERY | newest | FILE_INFO)] = answer("commons/search.json")
    assert len(found(site, search="portrait filetype:bitmap", sort="newest")) == 2


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            answer("commons/maxlag.json"),
            r"category: http://site.test/w/api.php .* too busy \(maxlag\); try again",
        ),
        (answer("commons/error.json"), "invalidcategory: The category name"),
        (
            answer("commons/empty.json"),
            "category: 'Category:Portraits' shows no files at .*; is it spelt right",
        ),
        (Reply(b'{"query": {"pa'), "the answer is no JSON"),
        (Reply(b'{"query": {"pages": [{"title": 3}]}}'), "the answer is not what the interface documents"),
        (Reply(b"[]"), "the answer is not what the interface documents"),
        (Reply(status=404), "not_found: HTTP 404"),
        (Reply(status=500), "http_error: HTTP 500"),
        (Reply(status=429, headers={"Retry-After": "3600"}), "http_error: HTTP 429"),
    ],
)
def test_a_first_answer_that_fails_is_the_users_to_put_right(
    site: LocalSite, reply: Reply, message: str
) -> None:
    site.routes[FIRST] = reply
    with pytest.raises(UserError, match=message):
        found(site)


def test_a_later_answer_that_fails_is_a_refusal(site: LocalSite) -> None:
    site.routes[THIRD] = Reply(status=429, headers={"Retry-After": "3600"})
    *first_batch, refused = found(site)
    assert urls(first_batch) == [ANN, BEN, OUTLINE, GONE]
    assert refused == Refusal(f"{SITE}{THIRD}", "http_error", "HTTP 429", retry_after_s=3600)
    site.routes[THIRD] = answer("commons/maxlag.json")
    *_, refused = found(site)
    assert refused.detail == "the site is too busy (maxlag); try again later"  # type: ignore[union-attr]
    assert refused.retry_after_s == 7.5  # type: ignore[union-attr]


def test_an_answer_that_leads_back_ends_the_listing(site: LocalSite) -> None:
    site.routes[THIRD] = answer("commons/category-2.json")
    assert found(site)[-1] == Refusal(f"{SITE}{THIRD}", "http_error", "the listing leads in a circle")


def test_a_recrawl_stops_at_what_is_known_and_finds_what_is_new(site: LocalSite, tmp_path: Path) -> None:
    assert crawl_into(tmp_path, commons(), site).new == 4
    assert set(rejected(tmp_path)) == {OUTLINE.removeprefix(SITE), GONE.removeprefix(SITE)}
    row = stored(tmp_path)[0]
    assert (row["url"], row["author"], row["licence"]) == (ANN, "Berta B., 2024", "CC BY-SA 4.0")
    assert site.headers[ANN.removeprefix(SITE)]["Referer"] == f"{SITE}/wiki/File:Ann_at_work.png"
    assert crawl_into(tmp_path, commons(), site).new == 0
    assert (site.asked[SECOND], site.asked[THIRD]) == (2, 1)
    assert site.images_asked == 4
    added = answer("commons/category-1.json").body.replace(b"a/a1/Ann_at_work", b"f/f9/Eva")  # type: ignore[union-attr]
    site.routes[FIRST] = Reply(added.replace(f"{0x65:040x}".encode(), b"f" * 40))
    site.routes[ANN.removeprefix(SITE).replace("a/a1/Ann_at_work", "f/f9/Eva")] = Reply(png(9))
    assert crawl_into(tmp_path, commons(), site).new == 1


def test_a_page_that_failed_is_read_by_the_next_crawl(site: LocalSite, tmp_path: Path) -> None:
    site.routes[THIRD] = Reply(status=500)
    assert crawl_into(tmp_path, commons(), site).new == 2
    assert rejected(tmp_path)[THIRD] == ("http_error", "HTTP 500")
    site.routes[THIRD] = answer("commons/category-3.json")
    assert crawl_into(tmp_path, commons(), site).new == 2
    assert THIRD not in rejected(tmp_path)


def test_a_budget_of_pages_ends_the_crawl(site: LocalSite, tmp_path: Path) -> None:
    summary = crawl_into(tmp_path, commons(), site, budget=Budget(pages=2))
    assert (summary.new, summary.spent) == (2, "pages")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "sources.x: give either category or search"),
        ({"category": "A", "search": "b"}, "give either category or search"),
        ({"category": "A", "sort": "newest"}, "sort belongs to search"),
        ({"category": "A", "width_px": 501}, "sources.x.width_px: "),
        ({"category": "A", "licences": []}, "sources.x.licences: "),
        ({"category": " "}, "sources.x.category: "),
    ],
)
def test_a_wrong_entry_names_the_key(options: dict[str, Any], message: str) -> None:
    entry = {"kind": "commons", "domain": "photo", "limit": {"images": 10}} | options
    with pytest.raises(UserError, match=message):
        build("x", SourceEntry.model_validate(entry))
