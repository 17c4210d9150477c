from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from pipeline.crawl.references import ImageRef, Refusal
from pipeline.crawl.session import Budget
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from pipeline.sources.gallery import GalleryOptions, GallerySource, image_link, largest
from tests.crawl.local_site import (
    SITE,
    Clock,
    LocalSite,
    Reply,
    client,
    contents,
    crawl_into,
    discovered,
    html,
    png,
    rejected,
    serving,
    stored,
)


@pytest.fixture
def site() -> Iterator[LocalSite]:
    with serving(LocalSite()) as site:
        yield site


def gallery(**options: Any) -> GallerySource:
    return GallerySource(GalleryOptions.model_validate({"start": f"{SITE}/", "item": "li"} | options))


def found(site: LocalSite, max_pages: int | None = None, **options: Any) -> list[ImageRef | Refusal]:
    with client(site, Budget(pages=max_pages)) as session:
        return discovered(gallery(**options), session)


def urls(references: list[ImageRef | Refusal]) -> list[str]:
    return [reference.url.removeprefix(SITE) for reference in references]


def linked_pages(site: LocalSite, count: int) -> None:
    for number in range(count):
        following = f'<a class="next" href="/{number + 1}">next</a>' if number + 1 < count else ""
        path = f"/{number}" if number else "/"
        site.routes[path] = html(f'<ul><li><img src="/{number}.png"></li></ul>{following}')


def test_pages_are_followed_to_the_end(site: LocalSite) -> None:
    linked_pages(site, 3)
    assert urls(found(site, image="img", next="a.next")) == ["/0.png", "/1.png", "/2.png"]


def test_without_a_next_selector_one_page_is_read(site: LocalSite) -> None:
    linked_pages(site, 3)
    assert urls(found(site, image="img")) == ["/0.png"]


def test_several_starts_are_read_one_after_the_other(site: LocalSite) -> None:
    linked_pages(site, 3)
    assert urls(found(site, start=[f"{SITE}/2", f"{SITE}/"], image="img")) == ["/2.png", "/0.png"]


def numbered_pages(site: LocalSite, count: int) -> None:
    for page in range(1, count + 1):
        site.gallery((2 * page, 2 * page + 1), f"/?page={page}")


def test_numbered_pages_are_turned_until_one_is_not_there(site: LocalSite) -> None:
    numbered_pages(site, 3)
    references = found(site, start=f"{SITE}/?page=1", image="img", pages=f"{SITE}/?page={{page}}")
    assert urls(references) == [f"/{number}.png" for number in range(2, 8)]


def test_numbered_pages_are_turned_until_one_is_empty_or_repeats(site: LocalSite) -> None:
    numbered_pages(site, 3)
    options = {"start": f"{SITE}/?page=1", "image": "img", "pages": f"{SITE}/?page={{page}}"}
    site.gallery((), "/?page=4")
    assert len(found(site, **options)) == 6
    site.routes["/?page=4"] = site.routes["/?page=3"]
    assert site.asked["/?page=5"] == 0
    assert len({item.url for item in found(site, **options)}) == 6
    assert site.asked["/?page=5"] == 0


def test_a_numbered_page_that_fails_is_a_refusal(site: LocalSite) -> None:
    numbered_pages(site, 1)
    site.routes["/?page=2"] = Reply(status=500)
    *_, last = found(site, start=f"{SITE}/?page=1", image="img", pages=f"{SITE}/?page={{page}}")
    assert isinstance(last, Refusal)
    assert last.reason == "http_error"


def test_a_recrawl_of_what_is_newest_first_reads_one_page(site: LocalSite, tmp_path: Path) -> None:
    linked_pages(site, 4)
    for number in range(5):
        site.routes[f"/{number}.png"] = Reply(png(number))
    source = gallery(image="img", next="a.next", newest_first=True)
    crawl_into(tmp_path, source, site)
    pages = site.asked.total() - site.images_asked
    crawl_into(tmp_path, source, site)
    assert site.asked.total() - site.images_asked - pages == 2, "robots.txt and the first page"
    site.gallery((4,), "/new")
    site.routes["/new"] = html('<ul><li><img src="/4.png"></li></ul><a class="next" href="/">next</a>')
    grown = gallery(start=f"{SITE}/new", image="img", next="a.next", newest_first=True)
    assert crawl_into(tmp_path, grown, site).new == 1


def test_where_the_order_is_unknown_every_list_page_is_read_and_no_known_detail_page(
    site: LocalSite, tmp_path: Path
) -> None:
    for page in (1, 2):
        items = "".join(f'<a class="item" href="/item/{page}{n}">x</a>' for n in range(3))
        site.routes["/" if page == 1 else "/2"] = html(items + '<a class="next" href="/2">next</a>')
        for n in range(3):
            site.routes[f"/item/{page}{n}"] = html(f'<img src="/{page}{n}.png">')
            site.routes[f"/{page}{n}.png"] = Reply(png(10 * page + n))
    source = gallery(item="a.item", detail="a.item", image="img", next="a.next")
    assert crawl_into(tmp_path, source, site).new == 6
    site.asked.clear()
    assert crawl_into(tmp_path, source, site).requests == 3
    assert set(site.asked) == {"/robots.txt", "/", "/2"}


def test_a_limit_of_pages_ends_the_paging(site: LocalSite) -> None:
    linked_pages(site, 5)
    assert urls(found(site, 2, image="img", next="a.next")) == ["/0.png", "/1.png"]


def test_pages_that_lead_in_a_circle_end(site: LocalSite) -> None:
    linked_pages(site, 2)
    site.routes["/1"] = html('<li><img src="/1.png"></li><a class="next" href="/">again</a>')
    assert urls(found(site, image="img", next="a.next")) == ["/0.png", "/1.png"]


def test_a_last_page_that_repeats_under_new_urls_ends(site: LocalSite) -> None:
    for number in range(50):
        site.routes[f"/{number or ''}"] = html(
            f'<li><img src="/last.png"></li><a class="next" href="/{number + 1}">next</a>'
        )
    assert urls(found(site, image="img", next="a.next")) == ["/last.png", "/last.png"]


def test_a_later_page_that_fails_is_a_refusal(site: LocalSite) -> None:
    linked_pages(site, 3)
    del site.routes["/1"]
    assert found(site, image="img", next="a.next")[1:] == [
        Refusal(f"{SITE}/1", "not_found", "HTTP 404", f"{SITE}/")
    ]


def test_a_first_page_that_fails_is_the_users_to_put_right(site: LocalSite) -> None:
    with pytest.raises(UserError, match=r"start: http://site.test/ cannot be read: not_found: HTTP 404"):
        found(site, image="img")


@pytest.mark.parametrize(
    ("head", "source", "url"),
    [
        ("", "a.png", f"{SITE}/sub/a.png"),
        ("", "/a.png#top", f"{SITE}/a.png"),
        ("", "../a.png?x=1&amp;y=2", f"{SITE}/a.png?x=1&y=2"),
        ("", "//other.test/a.png", "http://other.test/a.png"),
        ('<base href="/pictures/">', "a.png", f"{SITE}/pictures/a.png"),
        ('<base href="https://cdn.test/x/">', "a.png", "https://cdn.test/x/a.png"),
    ],
)
def test_links_are_relative_to_the_page_or_its_base(
    site: LocalSite, head: str, source: str, url: str
) -> None:
    site.routes["/sub/"] = html(f'<head>{head}</head><li><img src="{source}"></li>')
    assert [reference.url for reference in found(site, start=f"{SITE}/sub/", image="img")] == [url]


@pytest.mark.parametrize(
    ("element", "link"),
    [
        ('<img src="a.png">', "a.png"),
        ('<img src="small.png" srcset="m.png 400w, l.png 1200w, s.png 100w">', "l.png"),
        ('<img src="x1.png" srcset="x1.png, x2.png 2x">', "x2.png"),
        ('<img src="data:image/gif;base64,R0l" data-src="a.png">', "a.png"),
        ('<img src="wait.gif" data-original="a.png">', "a.png"),
        ('<img src="wait.gif" data-lazy-src="a.png">', "a.png"),
        ('<img src="wait.gif" data-srcset="a.png 1x, b.png 3x">', "b.png"),
        ('<a href="full.png"><img src="thumb.png"></a>', "full.png"),
        ('<figure><img src="a.png"></figure>', "a.png"),
        ('<meta property="og:image" content="a.png">', "a.png"),
        ('<img src="data:image/gif;base64,R0l">', None),
        ("<p>no image</p>", None),
    ],
)
def test_the_largest_real_image_of_an_element_is_taken(element: str, link: str | None) -> None:
    (tag,) = BeautifulSoup(element, "html.parser").find_all(recursive=False)
    assert image_link(tag) == link


def test_commas_inside_a_srcset_url_belong_to_it() -> None:
    assert largest("/w_300,h_200/a.png 300w, /w_600,h_400/a.png 600w") == "/w_600,h_400/a.png"


def test_fields_are_read_from_the_item(site: LocalSite) -> None:
    site.routes["/"] = html(
        '<li><img src="a.png"><h2> A\n head </h2><i>Ann</i>'
        '<a rel="license" href="/cc0">CC0</a><b>x</b><b>y z</b></li>'
    )
    (reference,) = found(
        site, image="img", fields={"title": "h2", "author": "i", "licence": '[rel="license"]', "tags": "b"}
    )
    assert reference == ImageRef(
        f"{SITE}/a.png", f"{SITE}/", "A head", "Ann", "CC0", f"{SITE}/cc0", ("x", "y z")
    )


def test_what_holds_for_all_images_is_said_once(site: LocalSite) -> None:
    site.routes["/"] = html('<li><img src="a.png"></li>')
    (reference,) = found(site, image="img", author="Ann", licence="CC0", licence_url="https://c.test/")
    assert isinstance(reference, ImageRef)
    assert (reference.author, reference.licence, reference.licence_url) == ("Ann", "CC0", "https://c.test/")


def detail_site(site: LocalSite) -> None:
    site.routes |= {
        "/robots.txt": Reply(b"User-agent: *\nDisallow: /private/"),
        "/": html(
            '<a class="item" href="/item/1">1</a><a class="item" href="/private/2">2</a>'
            '<a class="item" href="/item/3">3</a><a class="item" href="/item/1">1 again</a>'
        ),
        "/item/1": html('<h1>One</h1><img src="../1.png">'),
        "/1.png": Reply(png(1)),
    }


def test_detail_pages_are_where_the_images_are(site: LocalSite) -> None:
    detail_site(site)
    assert found(site, item="a.item", detail="a.item", image="img", fields={"title": "h1"}) == [
        ImageRef(f"{SITE}/1.png", f"{SITE}/item/1", "One"),
        Refusal(f"{SITE}/private/2", "disallowed_by_robots", "robots.txt disallows it", f"{SITE}/"),
        Refusal(f"{SITE}/item/3", "not_found", "HTTP 404", f"{SITE}/"),
    ]
    assert site.asked["/item/1"] == 1


def test_a_detail_page_that_can_be_read_later_leaves_the_rejected(site: LocalSite, tmp_path: Path) -> None:
    detail_site(site)
    source = gallery(item="a.item", detail="a.item", image="img")
    clock = Clock()
    crawl_into(tmp_path, source, site, now=clock)
    assert set(rejected(tmp_path)) == {"/private/2", "/item/3"}
    site.routes |= {"/item/3": html('<img src="../3.png">'), "/3.png": Reply(png(3))}
    crawl_into(tmp_path, source, site, now=clock)
    assert site.asked["/item/3"] == 1, "not before its time"
    clock.days += 1
    crawl_into(tmp_path, source, site, now=clock)
    assert set(rejected(tmp_path)) == {"/private/2"}
    assert [row["url"] for row in stored(tmp_path)] == [f"{SITE}/1.png", f"{SITE}/3.png"]


def test_an_item_without_an_image_is_a_refusal(site: LocalSite, tmp_path: Path) -> None:
    site.routes["/"] = html('<li><img src="/1.png"></li><li id="sold">sold</li><li>soon</li>')
    site.routes["/1.png"] = Reply(png(1))
    crawl_into(tmp_path, gallery(image="img"), site)
    assert rejected(tmp_path) == {
        "/#sold": ("no_image", "the item shows no image"),
        "/#item-2": ("no_image", "the item shows no image"),
    }


def pair_page(*numbers: int) -> Reply:
    items = [f'<li><img class="b" src="/{n}b.png"><img class="a" src="/{n}a.png"></li>' for n in numbers]
    return html("".join(items))


def test_before_and_after_share_a_pair_id_that_new_items_do_not_change(site: LocalSite) -> None:
    pair = {"before": "img.b", "after": "img.a"}
    site.routes["/"] = pair_page(1, 2)
    first = found(site, pair=pair)
    site.routes["/"] = pair_page(3, 1, 2)
    second = found(site, pair=pair)
    assert first == second[2:]
    images = [reference for reference in second if isinstance(reference, ImageRef)]
    assert [image.role for image in images] == ["before", "after"] * 3
    assert [images[0].pair_id, images[2].pair_id, images[4].pair_id] == [i.pair_id for i in images[1::2]]
    assert len({image.pair_id for image in images}) == 3


def test_a_pair_with_one_image_missing_is_half_refused(site: LocalSite) -> None:
    site.routes["/"] = html(
        '<li><img class="b" src="/1b.png"><img class="a" src="/1a.png"></li>'
        '<li><img class="b" src="/2b.png"></li>'
    )
    references = found(site, pair={"before": "img.b", "after": "img.a"})
    assert urls(references) == ["/1b.png", "/1a.png", "/2b.png", "/#item-1-after"]
    assert isinstance(references[3], Refusal)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"item": "div.grid article", "image": "img"}, "item: 'div.grid article' matches nothing"),
        (
            {"image": "img.full"},
            "image: 'img.full' matches nothing on http://site.test/; nearest there: <li><img",
        ),
        ({"image": "img", "detail": "a"}, "detail: 'a' matches nothing"),
        ({"image": "img", "fields": {"licence": ".cc"}}, "fields.licence: '.cc' matches nothing"),
        ({"pair": {"before": "img", "after": "img.a"}}, "pair.after: 'img.a' matches nothing"),
    ],
)
def test_a_selector_that_matches_nothing_on_the_first_page_is_named(
    site: LocalSite, options: dict[str, Any], message: str
) -> None:
    site.routes["/"] = html('<div class="grid"><ul><li><img src="/1.png"></li></ul></div>')
    with pytest.raises(UserError) as caught:
        found(site, **options)
    assert message in str(caught.value)


def test_the_nearest_html_is_what_the_selectors_beginning_finds(site: LocalSite) -> None:
    site.routes["/"] = html('<p>intro</p><div class="grid"><span>here</span></div>')
    with pytest.raises(UserError, match='nearest there: <div class="grid"><span>here</span></div>'):
        found(site, item="div.grid > article", image="img")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": "img", "nxt": "a"}, "sources.x.nxt: this key is unknown here"),
        ({"image": "img["}, "sources.x.image: 'img[' is no CSS selector"),
        ({}, "give either image or pair"),
        ({"image": "img", "pair": {"a": "b", "c": "d"}}, "give either image or pair"),
        ({"image": "img", "start": "site.test"}, "sources.x.start.0: "),
        ({"image": "img", "author": "A", "fields": {"author": "i"}}, "give either author or fields.author"),
    ],
)
def test_a_wrong_entry_names_the_key(options: dict[str, Any], message: str) -> None:
    entry = {"kind": "gallery", "domain": "photo", "limit": {"pages": 1}, "start": f"{SITE}/", "item": "li"}
    with pytest.raises(UserError) as caught:
        build("x", SourceEntry.model_validate(entry | options))
    assert message in str(caught.value)


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'galery' is not one of the kinds: .*gallery"):
        build("x", SourceEntry(kind="galery", domain="photo"))


def test_the_demo_is_a_gallery_like_any_other(tmp_path: Path) -> None:
    entry = SourceEntry.model_validate({"kind": "demo", "domain": "anime", "style": "cartoon", "count": 24})
    summary = crawl_into(tmp_path, build("demo-cartoons", entry), LocalSite(), part_size=10)
    assert summary.discovered == 24
    assert set(summary.refused) == {"duplicate", "not_found", "disallowed_by_robots"}
    first = stored(tmp_path)[0]
    assert first["url"] == "http://demo-cartoons.demo.test/images/0.jpg"
    assert (first["licence"], first["fetched_at"]) == ("CC0 1.0", "2026-01-01T00:00:00Z")
    before = contents(tmp_path)
    assert crawl_into(tmp_path, build("demo-cartoons", entry), LocalSite()).new == 0
    assert contents(tmp_path) == before
