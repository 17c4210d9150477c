from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.references import ImageRef, Refusal
from pipeline.crawl.session import Budget
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from pipeline.sources.webtoon import WebtoonOptions, WebtoonSource
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
from tests.sources.recipes import recipe, source_of
from tests.sources.recorded import answer, request

FOLDER = Path(__file__).parent / "webtoon"
PAID = ("no_file", "the episode is not free")
NO_CUTS = ("no_image", "the page shows no cuts to those who do not sign in")


def info(title: int = 101) -> str:
    return request("/api/article/list/info", {"titleId": title})


def listed(page: int, title: int = 101) -> str:
    return request("/api/article/list", {"titleId": title, "page": page, "sort": "DESC"})


def viewer(number: int, title: int = 101, section: str = "webtoon") -> str:
    return request(f"/{section}/detail", {"titleId": title, "no": number})


def recorded_page(name: str) -> Reply:
    return html((FOLDER / name).read_text(encoding="utf-8"))


def recorded_list(page: int, **changes: Any) -> Reply:
    """Return a recorded list page with some of its values changed."""
    values = json.loads(answer(f"webtoon/list-{page}.json").body)  # type: ignore[arg-type]
    return Reply(json.dumps(values | changes).encode())


def cut(episode: int, number: int) -> str:
    return f"/webtoon/101/{episode}/cut_{number:03}.png"


@pytest.fixture
def site() -> Iterator[LocalSite]:
    """A title with four episodes on two list pages: the third needs a login, a fifth can be bought."""
    site = LocalSite()
    site.routes[info()] = answer("webtoon/info.json")
    for page in (1, 2):
        site.routes[listed(page)] = answer(f"webtoon/list-{page}.json")
    site.routes[viewer(3)] = Reply(status=302, headers={"Location": "/login"})
    site.routes["/login"] = recorded_page("login.html")
    for episode, cuts in ((1, 1), (2, 2), (4, 3)):
        site.routes[viewer(episode)] = recorded_page(f"episode-{episode}.html")
        for number in range(1, cuts + 1):
            site.routes[cut(episode, number)] = Reply(png(10 * episode + number))
    with serving(site):
        yield site


def webtoon(**options: Any) -> WebtoonSource:
    given = {"host": SITE, "titles": [101], "acknowledge_unlicensed": True}
    return WebtoonSource(WebtoonOptions.model_validate(given | options))


def found(site: LocalSite, budget: Budget | None = None, **options: Any) -> list[ImageRef | Refusal]:
    with client(site, budget) as session:
        return discovered(webtoon(**options), session)


def names(items: list[ImageRef | Refusal]) -> list[str]:
    return [item.url.removeprefix(SITE) for item in items]


def test_nothing_is_asked_before_the_user_knows_whose_the_images_are(site: LocalSite) -> None:
    with pytest.raises(UserError, match="acknowledge_unlicensed: the images are copyrighted"):
        found(site, acknowledge_unlicensed=False)
    assert site.asked.total() == 0


def test_the_recipe_crawls_only_once_that_is_acknowledged(site: LocalSite, tmp_path: Path) -> None:
    assert recipe("webtoon-cuts")["domains"]["webtoon"]["faces"] == "cartoon"
    with pytest.raises(
        UserError, match=r"params.yaml: sources.s.acknowledge_unlicensed: .*; set this to true"
    ):
        crawl_into(tmp_path, source_of("webtoon-cuts", host=SITE), site)
    acknowledged = source_of("webtoon-cuts", host=SITE, titles=[101], acknowledge_unlicensed=True)
    assert crawl_into(tmp_path, acknowledged, site).new == 6


def test_a_cut_says_where_it_belongs(site: LocalSite) -> None:
    _, first, *_ = found(site)
    assert first == ImageRef(
        f"{SITE}{cut(4, 1)}",
        f"{SITE}{viewer(4)}",
        title="4화",
        author="글쓴이, 그린이",
        licence="unlicensed",
        group="가나다",
        extra={"title_id": 101, "episode": 4, "cut": 1},
    )


def test_episodes_come_newest_first_and_cuts_in_the_order_of_reading(site: LocalSite) -> None:
    cuts = [item for item in found(site) if isinstance(item, ImageRef)]
    assert [(item.extra["episode"], item.extra["cut"]) for item in cuts] == [
        (4, 1),
        (4, 2),
        (4, 3),
        (2, 1),
        (2, 2),
        (1, 1),
    ]


def test_what_is_sold_or_locked_is_refused(site: LocalSite) -> None:
    refusals = [item for item in found(site) if isinstance(item, Refusal)]
    assert {item.url.removeprefix(SITE): (item.reason, item.detail) for item in refusals} == {
        f"{listed(1)}#5": PAID,
        viewer(3): NO_CUTS,
    }


def test_a_listed_episode_that_is_sold_is_not_asked_for(site: LocalSite) -> None:
    articles = [{"no": 4, "subtitle": "4", "charge": True}, {"no": 3, "subtitle": "3", "charge": False}]
    site.routes[listed(1)] = recorded_list(1, articleList=articles, chargeFolderArticleList=None)
    assert names(found(site))[:2] == [f"{listed(1)}#4", viewer(3)]
    assert site.asked[viewer(4)] == 0


@pytest.mark.parametrize(
    ("options", "episodes"),
    [
        ({"episodes": {"first": 2}}, [4, 2]),
        ({"episodes": {"last": 2}}, [2, 1]),
        ({"episodes": {"first": 2, "last": 3}}, [2]),
        ({"titles": [{"id": 101, "episodes": {"last": 1}}], "episodes": {"first": 2}}, [1]),
        ({"titles": [{"id": 101}], "episodes": {"first": 4, "last": 4}}, [4]),
    ],
)
def test_a_range_of_episodes(site: LocalSite, options: dict[str, Any], episodes: list[int]) -> None:
    cuts = [item for item in found(site, **options) if isinstance(item, ImageRef)]
    assert list(dict.fromkeys(item.extra["episode"] for item in cuts)) == episodes


def test_list_pages_are_not_turned_beyond_the_first_episode_wanted(site: LocalSite) -> None:
    found(site, episodes={"first": 3})
    assert site.asked[listed(2)] == 0


@pytest.mark.parametrize(
    ("level", "section"),
    [("WEBTOON", "webtoon"), ("CHALLENGE", "challenge"), ("BEST_CHALLENGE", "bestChallenge")],
)
def test_each_section_has_its_own_pages(site: LocalSite, level: str, section: str) -> None:
    site.routes[listed(1)] = recorded_list(1, webtoonLevelCode=level, pageInfo={"nextPage": 0})
    site.routes[viewer(4, section=section)] = recorded_page("episode-4.html")
    pages = {item.page_url for item in found(site) if isinstance(item, ImageRef)}
    assert pages == {f"{SITE}{viewer(4, section=section)}"}


def test_a_title_without_a_name_goes_by_its_number(site: LocalSite) -> None:
    site.routes[info()] = Reply(b'{"titleId": 101, "communityArtists": null}')
    cuts = [item for item in found(site) if isinstance(item, ImageRef)]
    assert {(item.group, item.author) for item in cuts} == {("101", None)}


def test_a_limit_of_pages_counts_lists_and_not_episodes(site: LocalSite) -> None:
    items = found(site, Budget(pages=2))
    assert {item.extra["episode"] for item in items if isinstance(item, ImageRef)} == {4}


def test_links_are_made_absolute_and_said_once(site: LocalSite) -> None:
    site.routes[viewer(4)] = html(
        '<div id="comic_view_area"><img src="/a.png"><p><img src="b.png "></p><img src="/a.png">'
        '<img src="data:image/gif;base64,R0l"><img alt="none"><img src="/static/c.png"></div>'
    )
    assert names(found(site, episodes={"first": 4}))[1:] == ["/a.png", "/webtoon/b.png"]


@pytest.mark.parametrize(
    ("path", "reply", "message"),
    [
        (
            info(),
            Reply(status=404),
            "titles.0: http://site.test/api/article/list/info cannot be read: not_found",
        ),
        (info(), Reply(status=401), "HTTP 401; the title may be for adults only"),
        (info(), Reply(b"<html></html>"), "the answer is no JSON"),
        (
            listed(1),
            Reply(status=500),
            "titles.0: http://site.test/api/article/list cannot be read: http_error",
        ),
        (listed(1), Reply(b'{"articleList": []}'), "the answer is not what the interface documents"),
        (
            listed(1),
            recorded_list(1, webtoonLevelCode="NOVEL"),
            "the answer is not what the interface documents",
        ),
        (
            listed(1),
            recorded_list(1, articleList=[{"subtitle": "x"}]),
            "the answer is not what the interface",
        ),
        (
            "/robots.txt",
            Reply(b"User-agent: *\nDisallow: /api/"),
            "disallowed_by_robots: robots.txt disallows it",
        ),
    ],
)
def test_a_first_listing_that_fails_is_the_users_to_put_right(
    site: LocalSite, path: str, reply: Reply, message: str
) -> None:
    site.routes[path] = reply
    with pytest.raises(UserError, match=message):
        found(site)


def test_a_later_title_that_fails_is_a_refusal_and_the_others_go_on(site: LocalSite) -> None:
    site.routes[info(103)] = answer("webtoon/info.json")
    site.routes[listed(1, 103)] = Reply(status=500)
    assert found(site, titles=[101, 102, 103])[-2:] == [
        Refusal(f"{SITE}{info(102)}", "not_found", "HTTP 404"),
        Refusal(f"{SITE}{listed(1, 103)}", "http_error", "HTTP 500"),
    ]


def test_list_pages_that_lead_in_a_circle_end(site: LocalSite) -> None:
    site.routes[listed(2)] = recorded_list(2, articleList=[{"no": 2}], pageInfo={"nextPage": 1})
    *_, last = found(site)
    assert last == Refusal(f"{SITE}{listed(1)}", "http_error", "the listing leads in a circle")


def test_an_empty_list_page_ends_the_title(site: LocalSite) -> None:
    site.routes[listed(2)] = recorded_list(2, articleList=[], pageInfo={"nextPage": 3})
    found(site)
    assert site.asked[listed(3)] == 0


def test_cuts_are_stored_as_they_came(site: LocalSite, tmp_path: Path) -> None:
    del site.routes[cut(2, 1)]
    summary = crawl_into(tmp_path, webtoon(), site)
    assert (summary.new, summary.refused) == (5, {"no_file": 1, "no_image": 1, "not_found": 1})
    rows = stored(tmp_path)
    assert [row["bytes"] for row in rows] == [png(number) for number in (41, 42, 43, 22, 11)]
    assert {row["group"] for row in rows} == {"가나다"}
    assert {row["licence"] for row in rows} == {"unlicensed"}
    assert site.headers[cut(4, 1)]["Referer"] == f"{SITE}{viewer(4)}"
    assert rejected(tmp_path) == {
        f"{listed(1)}#5": PAID,
        viewer(3): NO_CUTS,
        cut(2, 1): ("not_found", "HTTP 404"),
    }


def test_a_recrawl_reads_new_episodes_only(site: LocalSite, tmp_path: Path) -> None:
    crawl_into(tmp_path, webtoon(), site)
    before = contents(tmp_path)
    site.asked.clear()
    crawl_into(tmp_path, webtoon(), site)
    assert set(site.asked) == {"/robots.txt", info(), listed(1)}
    assert contents(tmp_path) == before
    free = [{"no": 5, "subtitle": "5화", "charge": False}, {"no": 4, "subtitle": "4화", "charge": False}]
    site.routes[listed(1)] = recorded_list(1, articleList=free, chargeFolderArticleList=[])
    site.routes[viewer(5)] = html(f'<div id="comic_view_area"><img src="{cut(5, 1)}"></div>')
    site.routes[cut(5, 1)] = Reply(png(51))
    site.asked.clear()
    assert crawl_into(tmp_path, webtoon(), site).new == 1
    assert set(site.asked) == {"/robots.txt", info(), listed(1), listed(2), viewer(5), cut(5, 1)}
    assert set(rejected(tmp_path)) == {viewer(3)}, "what was sold can be read now"


def test_an_episode_that_failed_is_read_when_it_is_time(site: LocalSite, tmp_path: Path) -> None:
    clock = Clock()
    page = site.routes.pop(viewer(1))
    crawl_into(tmp_path, webtoon(), site, now=clock)
    assert rejected(tmp_path)[viewer(1)] == ("not_found", "HTTP 404")
    site.routes[viewer(1)] = page
    assert crawl_into(tmp_path, webtoon(), site, now=clock).new == 0
    clock.days += 1
    assert crawl_into(tmp_path, webtoon(), site, now=clock).new == 1
    assert site.asked[viewer(1)] == 2
    assert viewer(1) not in rejected(tmp_path)


def test_an_interrupted_crawl_leaves_no_holes(site: LocalSite, tmp_path: Path) -> None:
    assert crawl_into(tmp_path, webtoon(), site, budget=Budget(images=2)).spent == "images"
    assert crawl_into(tmp_path, webtoon(), site).new == 4
    assert len(stored(tmp_path)) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"titles": []}, "sources.x.titles: "),
        ({"titles": ["the-name"]}, "sources.x.titles.0.id: "),
        ({"titles": [0]}, "sources.x.titles.0.id: "),
        ({"titles": [101, {"id": 101}]}, "sources.x.titles: given more than once: 101"),
        ({"titles": [{"id": 1, "from": 2}]}, "sources.x.titles.0.from: this key is unknown here"),
        (
            {"episodes": {"first": 3, "last": 2}},
            "sources.x.episodes: the last episode (2) comes before the first (3)",
        ),
        ({"host": "comic.naver.com"}, "sources.x.host: "),
    ],
)
def test_a_wrong_entry_names_the_key(options: dict[str, Any], message: str) -> None:
    entry = {"kind": "webtoon", "domain": "anime", "limit": {"pages": 1}, "titles": [101]}
    with pytest.raises(UserError) as caught:
        build("x", SourceEntry.model_validate(entry | options))
    assert message in str(caught.value)
