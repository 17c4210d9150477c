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
from pipeline.sources.danbooru import DanbooruOptions, DanbooruSource, account_of
from tests.crawl.local_site import (
    SITE,
    Clock,
    LocalSite,
    Reply,
    client,
    contents,
    crawl_into,
    discovered,
    png,
    rejected,
    serving,
    stored,
)
from tests.sources.recipes import source_of
from tests.sources.recorded import answer, request


def page(before: int | None = None, tags: str = "1girl rating:g") -> str:
    """Return the request for the posts before an id."""
    return request("/posts.json", {"tags": tags, "limit": 200, "page": before and f"b{before}"})


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DANBOORU_LOGIN", "DANBOORU_API_KEY", "DANBOORU_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site() -> Iterator[LocalSite]:
    """Danbooru with ten posts on two pages, four of them with an image that can be had."""
    site = LocalSite()
    for before, name in ((None, "page-1"), (1006, "page-2"), (1001, "page-3")):
        site.routes[page(before)] = answer(f"danbooru/{name}.json")
    for number in range(1001, 1011):
        site.routes[f"/original/{number}.png"] = Reply(png(number))
    with serving(site):
        yield site


def danbooru(**options: Any) -> DanbooruSource:
    return DanbooruSource(DanbooruOptions.model_validate({"host": SITE, "tags": "1girl"} | options))


def found(site: LocalSite, budget: Budget | None = None, **options: Any) -> list[ImageRef | Refusal]:
    with client(site, budget) as session:
        return discovered(danbooru(**options), session)


def names(items: list[ImageRef | Refusal]) -> list[str]:
    return [item.url.removeprefix(SITE) for item in items]


def listings_asked(site: LocalSite) -> int:
    return sum(count for path, count in site.asked.items() if path.startswith("/posts.json"))


def test_a_post_says_by_whom_it_is_and_what_it_shows(site: LocalSite) -> None:
    first, second, *_ = found(site)
    assert first == ImageRef(
        f"{SITE}/original/1010.png",
        f"{SITE}/posts/1010",
        author="artist_a",
        tags=(
            "general:1girl",
            "general:blue_hair",
            "artist:artist_a",
            "character:someone_(series_a)",
            "copyright:series_a",
            "meta:highres",
        ),
        extra={
            "post_id": 1010,
            "rating": "g",
            "score": 0,
            "source": "https://artists.test/works/1010",
            "uploaded_at": "2026-01-10T10:00:00.000-05:00",
            "width_px": 24,
            "height_px": 20,
        },
        checksum="md5:1e48c4420b7073bc11916c6c1de226bb",
    )
    assert isinstance(second, ImageRef)
    assert second.author == "artist_a, artist_b"
    assert "source" not in second.extra
    assert second.extra["score"] == -2
    assert not any(tag.startswith("character:") for tag in second.tags)


def test_what_a_post_does_not_say_is_left_out(site: LocalSite) -> None:
    (bare,) = (item for item in found(site) if item.url == f"{SITE}/original/1003.png")
    assert isinstance(bare, ImageRef), "a link without a host and a file without a type are enough"
    assert bare.checksum is None
    assert "score" not in bare.extra
    assert not any(tag.startswith("meta:") for tag in bare.tags)


def test_posts_without_a_picture_are_refused(site: LocalSite) -> None:
    hidden = "the file is hidden from those without an account of a higher level"
    refusals = [item for item in found(site) if isinstance(item, Refusal)]
    assert {item.url.removeprefix(SITE): (item.reason, item.detail) for item in refusals} == {
        "/posts/1008": ("no_file", "the post is banned"),
        "/posts/1007": ("no_file", "the post is deleted"),
        "/posts/1006": ("not_an_image", "its type is mp4"),
        "/posts/1005": ("not_an_image", "its type is zip"),
        "/posts/1004": ("no_file", hidden),
        "/posts/1002": ("unsafe", "its rating is q"),
    }
    assert all(item.page_url == item.url for item in refusals)


def test_pages_are_turned_by_id_until_one_is_empty(site: LocalSite) -> None:
    assert len(found(site)) == 10
    assert [site.asked[page(before)] for before in (None, 1006, 1001)] == [1, 1, 1]
    assert listings_asked(site) == 3


def test_a_limit_of_pages_ends_the_paging(site: LocalSite) -> None:
    assert len(found(site, Budget(pages=1))) == 5


@pytest.mark.parametrize(
    ("options", "search"),
    [
        ({"tags": ["1girl", "solo"]}, "1girl solo rating:g"),
        ({"tags": "1girl solo", "rating": ["s", "g"]}, "1girl solo rating:g,s"),
        ({"rating": "e"}, "1girl rating:e"),
        ({"rating": ["g", "s", "q", "e"]}, "1girl"),
        ({"tags": "(1girl or 1boy) -status:deleted"}, "(1girl or 1boy) -status:deleted rating:g"),
    ],
)
def test_tags_and_rating_are_one_search(site: LocalSite, options: dict[str, Any], search: str) -> None:
    site.routes[page(tags=search)] = answer("danbooru/page-2.json")
    found(site, **options)
    assert site.asked[page(tags=search)] == 1


def test_posts_of_other_ratings_are_wanted_when_asked_for(site: LocalSite) -> None:
    site.routes[page(tags="1girl rating:g,q")] = answer("danbooru/page-2.json")
    assert "/original/1002.png" in names(found(site, rating=["g", "q"]))


def test_posts_that_hide_even_their_id_are_refused_and_end_the_paging(site: LocalSite) -> None:
    site.routes[page()] = Reply(b'[{"rating": "g"}, {"id": "7", "is_banned": 1}]')
    assert found(site) == [
        Refusal(f"{SITE}{page()}#post-{place}", "no_file", "the post is hidden from those without an account")
        for place in (0, 1)
    ]


def test_a_host_that_turns_no_pages_by_id_is_left(site: LocalSite) -> None:
    site.routes[page(1006)] = answer("danbooru/page-1.json")
    *_, last = found(site)
    assert last == Refusal(f"{SITE}{page(1006)}", "http_error", "the listing leads in a circle")


def test_an_account_is_sent_with_every_listing_and_nowhere_else(
    site: LocalSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DANBOORU_LOGIN", "somebody")
    monkeypatch.setenv("DANBOORU_API_KEY", "s3cret")
    monkeypatch.setenv("DANBOORU_HOST", f"{SITE}/")
    crawl_into(tmp_path, danbooru(), site)
    signed = {path for path, headers in site.headers.items() if "Authorization" in headers}
    assert signed == {page(), page(1006), page(1001)}
    assert site.headers[page()]["Authorization"] == "Basic c29tZWJvZHk6czNjcmV0"
    assert not any("s3cret" in path for path in site.asked)
    assert not any(b"s3cret" in data for data in contents(tmp_path).values())


def test_an_account_is_of_the_official_host_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANBOORU_LOGIN", "somebody")
    monkeypatch.setenv("DANBOORU_API_KEY", "s3cret")
    assert account_of("https://danbooru.donmai.us/") == ("somebody", "s3cret")
    assert account_of("https://other.test") is None
    monkeypatch.setenv("DANBOORU_HOST", "https://other.test")
    assert account_of("https://other.test") == ("somebody", "s3cret")
    assert account_of("https://danbooru.donmai.us") is None


@pytest.mark.parametrize("name", ["DANBOORU_LOGIN", "DANBOORU_API_KEY"])
def test_half_an_account_is_the_users_to_put_right(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "somebody")
    with pytest.raises(UserError, match=f"kind: danbooru: the environment holds {name} but not DANBOORU_"):
        account_of("https://danbooru.donmai.us")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            answer("danbooru/error.json"),
            "tags: http://site.test/posts.json cannot be read: http_error: the answer is",
        ),
        (
            Reply(answer("danbooru/error.json").body, 422),
            "HTTP 422; .* without an account two tags are allowed",
        ),
        (
            Reply(status=401),
            "HTTP 401; are DANBOORU_LOGIN and DANBOORU_API_KEY those of an account of this host",
        ),
        (Reply(status=403), "HTTP 403; the site refuses this crawler or this account: is crawl.contact set"),
        (Reply(status=429), "HTTP 429"),
        (Reply(b"<html>busy</html>"), "the answer is no JSON"),
        (Reply(b"[1, 2]"), "the answer is not what the interface documents"),
        (answer("danbooru/page-3.json"), "tags: '1girl rating:g' finds no post at http://site.test/"),
    ],
)
def test_a_first_page_that_fails_is_the_users_to_put_right(
    site: LocalSite, reply: Reply, message: str
) -> None:
    site.routes[page()] = reply
    with pytest.raises(UserError, match=message):
        found(site)


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (Reply(status=500), "HTTP 500"),
        (Reply(b"[{]"), "the answer is no JSON"),
        (Reply(b'{"success": false}'), "the answer is not what the interface documents"),
    ],
)
def test_a_later_page_that_fails_is_a_refusal(site: LocalSite, reply: Reply, detail: str) -> None:
    site.routes[page(1006)] = reply
    assert found(site)[5:] == [Refusal(f"{SITE}{page(1006)}", "http_error", detail)]


def test_a_busy_site_is_asked_again(site: LocalSite) -> None:
    busy, ready = Reply(status=429, headers={"Retry-After": "0"}), site.routes[page()]
    site.routes[page()] = lambda earlier: ready if earlier else busy  # type: ignore[return-value]
    assert len(found(site)) == 10


def test_pictures_are_stored_with_their_tags(site: LocalSite, tmp_path: Path) -> None:
    del site.routes["/original/1001.png"]
    summary = crawl_into(tmp_path, danbooru(), site)
    assert (summary.discovered, summary.new) == (10, 3)
    assert summary.refused == {"no_file": 3, "not_an_image": 2, "unsafe": 1, "not_found": 1}
    rows = stored(tmp_path)
    assert [row["url"] for row in rows] == [f"{SITE}/original/{number}.png" for number in (1010, 1009, 1003)]
    assert rows[0]["tags"][2] == "artist:artist_a"
    assert rows[0]["licence"] is None
    assert rejected(tmp_path)["/original/1001.png"] == ("not_found", "HTTP 404")
    assert site.headers["/original/1010.png"]["Referer"] == f"{SITE}/posts/1010"


def test_the_recipe_takes_pictures_rated_general(site: LocalSite, tmp_path: Path) -> None:
    site.routes[page(tags="portrait solo rating:g")] = Reply(answer("danbooru/page-1.json").body)
    source = source_of("danbooru-faces", host=SITE)
    assert crawl_into(tmp_path, source, site, budget=Budget(pages=1)).new == 2


def test_robots_txt_speaks_of_pages_and_images_not_of_the_interface(site: LocalSite, tmp_path: Path) -> None:
    site.routes["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /posts\nDisallow: /original/1010.png")
    assert crawl_into(tmp_path, danbooru(), site).new == 3
    assert rejected(tmp_path)["/original/1010.png"][0] == "disallowed_by_robots"


def test_a_recrawl_reads_as_far_as_the_news_reach(site: LocalSite, tmp_path: Path) -> None:
    clock, source = Clock(), danbooru()
    crawl_into(tmp_path, source, site, now=clock)
    kept = contents(tmp_path)
    clock.days += 3
    assert crawl_into(tmp_path, source, site, now=clock).requests == 1, "the first page"
    assert contents(tmp_path) == kept
    site.routes[page()] = Reply(b'[{"id": 1011, "rating": "g", "file_url": "/original/1011.png"}]')
    site.routes[page(1011)] = answer("danbooru/page-1.json")
    site.routes["/original/1011.png"] = Reply(png(1011))
    assert crawl_into(tmp_path, source, site, now=clock).new == 1
    assert site.asked[page(1006)] == 1, "where all is known, the crawl ends"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tags": []}, "sources.x.tags: "),
        (
            {"tags": "1girl rating:q"},
            "sources.x.tags: rating: does not belong here: give it as the option rating",
        ),
        ({"tags": ["1girl", "-rating:e"]}, "sources.x.tags: rating: "),
        (
            {"tags": "1girl order:score"},
            "sources.x.tags: order: does not belong here: posts are read newest first",
        ),
        ({"tags": "ordfav:somebody"}, "sources.x.tags: ordfav: "),
        ({"rating": []}, "sources.x.rating: "),
        ({"rating": "safe"}, "sources.x.rating"),
        ({"host": "danbooru.donmai.us"}, "sources.x.host: "),
        ({"api_key": "s3cret"}, "sources.x.api_key: this key is unknown here"),
    ],
)
def test_a_wrong_entry_names_the_key(options: dict[str, Any], message: str) -> None:
    entry = {"kind": "danbooru", "domain": "anime", "limit": {"pages": 1}, "tags": "1girl"}
    with pytest.raises(UserError) as caught:
        build("x", SourceEntry.model_validate(entry | options))
    assert message in str(caught.value)


def test_tags_that_only_look_like_reserved_ones_are_searched_for(site: LocalSite) -> None:
    assert danbooru(tags="border 1girl score:>10").options.tags == ("border 1girl score:>10",)
