from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.references import ImageRef, Refusal
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from pipeline.sources.openverse import OpenverseOptions, OpenverseSource, licence_name
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

API = "/v1/images/"


def page(number: int, query: str = "smiling face", **params: str) -> str:
    """Return the request for a page of results."""
    licences = params.pop("license", "cc0,pdm,by,by-sa")
    given = {"q": query, "license": licences, **params, "mature": "false", "page": number, "page_size": 20}
    return request(API, given)


@pytest.fixture
def site() -> Iterator[LocalSite]:
    """Openverse with seven results on two pages."""
    site = LocalSite()
    for number in (1, 2):
        site.routes[page(number)] = answer(f"openverse/page-{number}.json")
    for number in range(1, 8):
        site.routes[f"/{number}.png"] = Reply(png(number))
    with serving(site):
        yield site


def openverse(**options: Any) -> OpenverseSource:
    given = {"api": f"{SITE}{API}", "query": "smiling face"} | options
    return OpenverseSource(OpenverseOptions.model_validate(given))


def found(site: LocalSite, **options: Any) -> list[ImageRef | Refusal]:
    with client(site) as session:
        return discovered(openverse(**options), session)


def test_a_result_says_whom_to_name_and_where_it_comes_from(site: LocalSite) -> None:
    first, second, third, *_ = found(site)
    assert first == ImageRef(
        f"{SITE}/1.png",
        f"{SITE}/photos/1",
        "Face 1",
        "Creator 1",
        "CC BY 2.0",
        "https://creativecommons.org/licenses/by/2.0/",
        ("face", "smile"),
        group="smiling face",
        extra={
            "id": "00000000-0000-4000-8000-000000000001",
            "provider": "flickr",
            "source": "flickr",
            "creator_url": f"{SITE}/people/1",
            "attribution": '"Face 1" by Creator 1 is licensed under CC BY 2.0.',
        },
    )
    assert isinstance(second, ImageRef)
    assert (second.author, second.licence, second.tags) == (None, "CC0 1.0", ())
    assert isinstance(third, ImageRef)
    assert (third.title, third.licence) == (None, "Public Domain Mark 1.0")


def test_what_was_not_asked_for_is_refused(site: LocalSite) -> None:
    assert [item for item in found(site) if isinstance(item, Refusal)] == [
        Refusal(f"{SITE}/4.png", "licence_excluded", "by-nc", f"{SITE}/photos/4"),
        Refusal(f"{SITE}/5.png", "unsafe", "Openverse marks it as mature", f"{SITE}/photos/5"),
        Refusal(
            f"{SITE}/v1/images/00000000-0000-4000-8000-000000000006/",
            "no_file",
            "the result has no image",
            f"{SITE}/photos/6",
        ),
    ]


def test_licences_and_category_are_part_of_the_question(site: LocalSite) -> None:
    asked = page(1, license="by-nc", category="photograph")
    site.routes[asked] = answer("openverse/page-2.json")
    found(site, licences=["by-nc"], category="photograph")
    assert site.asked[asked] == 1


@pytest.mark.parametrize(
    ("code", "version", "name"),
    [
        ("by", "4.0", "CC BY 4.0"),
        ("by-nc-sa", "2.0", "CC BY-NC-SA 2.0"),
        ("cc0", "1.0", "CC0 1.0"),
        ("pdm", "1.0", "Public Domain Mark 1.0"),
        ("by", None, "CC BY"),
    ],
)
def test_licences_have_their_usual_names(code: str, version: str | None, name: str) -> None:
    assert licence_name(code, version) == name


def test_a_query_ends_where_those_without_an_account_are_shown_no_more(site: LocalSite) -> None:
    many = json.loads(answer("openverse/page-2.json").body)  # type: ignore[arg-type]
    for number in range(1, 14):
        many["results"][0]["url"] = f"{SITE}/{number}.png"
        site.routes[page(number)] = Reply(json.dumps(many | {"page_count": 20, "page": number}).encode())
    *images, end = found(site)
    assert [image.url for image in images] == [f"{SITE}/{number}.png" for number in range(1, 13)]
    assert end == Refusal(
        f"{SITE}{page(13)}", "no_file", "without an account a query shows 240 results; use narrower ones"
    )
    assert site.asked[page(13)] == 0


def test_several_queries_are_asked_one_after_the_other(site: LocalSite) -> None:
    site.routes[page(1, "nothing")] = answer("openverse/empty.json")
    site.routes[page(1, "child")] = Reply(status=500)
    items = found(site, query=["nothing", "child", "smiling face"])
    assert items[0] == Refusal(f"{SITE}{page(1, 'child')}", "http_error", "HTTP 500")
    assert len(items) == 8
    assert {item.group for item in items if isinstance(item, ImageRef)} == {"smiling face"}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            Reply(status=401),
            "query: http://site.test/v1/images/ cannot be read: http_error: HTTP 401; .* account",
        ),
        (Reply(status=429, headers={"Retry-After": "3600"}), "HTTP 429; too many requests"),
        (Reply(status=500), "HTTP 500"),
        (Reply(status=404), "HTTP 404"),
        (Reply(b"{"), "the answer is no JSON"),
        (Reply(b'{"detail": "made up"}'), "the answer is not what the interface documents"),
        (Reply(b'{"page_count": 1, "results": [3]}'), "the answer is not what the interface documents"),
    ],
)
def test_a_first_page_that_fails_is_the_users_to_put_right(
    site: LocalSite, reply: Reply, message: str
) -> None:
    site.routes[page(1)] = reply
    with pytest.raises(UserError, match=message):
        found(site)


def test_a_recrawl_fetches_nothing_again_and_reads_a_page_that_failed(
    site: LocalSite, tmp_path: Path
) -> None:
    site.routes[page(2)] = Reply(status=429, headers={"Retry-After": "0"})
    assert crawl_into(tmp_path, openverse(), site).new == 3
    assert rejected(tmp_path)[page(2)] == ("http_error", "HTTP 429")
    site.routes[page(2)] = answer("openverse/page-2.json")
    summary = crawl_into(tmp_path, openverse(), site)
    assert (summary.new, summary.known, site.images_asked) == (1, 3, 4)
    assert page(2) not in rejected(tmp_path)
    assert [row["licence"] for row in stored(tmp_path)] == [
        "CC BY 2.0",
        "CC0 1.0",
        "Public Domain Mark 1.0",
        "CC BY-SA 4.0",
    ]
    assert site.headers["/1.png"]["Referer"] == f"{SITE}/photos/1"


def test_half_a_character_in_a_title_does_not_stop_the_crawl(site: LocalSite, tmp_path: Path) -> None:
    site.routes[page(1)] = Reply(answer("openverse/page-2.json").body.replace(b"Face 7", b"\\ud83d 7"))  # type: ignore[union-attr]
    crawl_into(tmp_path, openverse(), site)
    assert stored(tmp_path)[0]["title"] == "? 7"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "sources.x.query: this key is missing"),
        ({"query": []}, "sources.x.query: "),
        ({"query": "a", "licences": ["CC BY"]}, "sources.x.licences.0: "),
        ({"query": "a", "category": "photo"}, "sources.x.category: "),
        ({"query": "a", "limit": {}}, "sources.x.limit: is missing"),
    ],
)
def test_a_wrong_entry_names_the_key(options: dict[str, Any], message: str) -> None:
    entry = {"kind": "openverse", "domain": "photo", "limit": {"pages": 12}} | options
    with pytest.raises(UserError, match=message):
        build("x", SourceEntry.model_validate(entry))
