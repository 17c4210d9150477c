from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest

from pipeline.crawl.session import Budget
from tests.crawl.local_site import SITE, LocalSite, Reply, crawl_into, html, png, rejected, serving, stored
from tests.sources.recipes import entry_of, source_of

PAGES = Path(__file__).parent / "gallery"
PER_PAGE = 3


def page(name: str, **values: Any) -> str:
    return Template((PAGES / f"{name}.html").read_text()).substitute(values)


def in_pages(numbers: list[int]) -> list[list[int]]:
    return [numbers[start : start + PER_PAGE] for start in range(0, len(numbers), PER_PAGE)]


def show_ultrasound(site: LocalSite, numbers: list[int]) -> None:
    """Show pairs side by side on list pages that link to the next one."""
    pages = in_pages(numbers)
    for position, shown in enumerate(pages, start=1):
        last = position == len(pages)
        following = (
            "" if last else f'<a class="older" rel="next nofollow" href="page/{position + 1}/">Older</a>'
        )
        items = "\n".join(page("ultrasound-item", number=number) for number in shown)
        path = "/gallery/" if position == 1 else f"/gallery/page/{position}/"
        site.routes[path] = html(page("ultrasound-page", items=items, next=following))
    for number in numbers:
        site.routes[f"/gallery/media/{number}-scan.png"] = Reply(png(number))
        site.routes[f"/gallery/media/{number}-baby.png"] = Reply(png(1000 + number))


def show_surgery(site: LocalSite, numbers: list[int]) -> None:
    """Show cards on numbered list pages, and a page for each case; the page after the last has no cards."""
    for position, shown in enumerate([*in_pages(numbers), []], start=1):
        cards = "\n".join(page("surgery-card", number=number) for number in shown)
        path = "/cases/" if position == 1 else f"/cases/?page={position}"
        site.routes[path] = html(page("surgery-list", items=cards))
    for number in numbers:
        site.routes[f"/cases/{number}/"] = html(page("surgery-case", number=number, related=numbers[0]))
        site.routes[f"/photos/{number}-before.png"] = Reply(png(number))
        site.routes[f"/photos/{number}-after.png"] = Reply(png(1000 + number))


@dataclass(frozen=True)
class Gallery:
    """A recipe, the site that it is tried on, and where that shows what."""

    recipe: str
    show: Callable[[LocalSite, list[int]], None]
    changed: dict[str, str]
    images: dict[str, str]
    lists: tuple[str, ...]

    def crawl(self, folder: Path, site: LocalSite, budget: Budget | None = None) -> Any:
        return crawl_into(folder, source_of(self.recipe, **self.changed), site, budget=budget)

    def image(self, role: str, number: int) -> str:
        return self.images[role].format(number)


ULTRASOUND = Gallery(
    "ultrasound-newborns",
    show_ultrasound,
    {"start": f"{SITE}/gallery/"},
    {"ultrasound": "/gallery/media/{}-scan.png", "baby": "/gallery/media/{}-baby.png"},
    ("/gallery/", "/gallery/page/2/", "/gallery/page/3/"),
)
SURGERY = Gallery(
    "surgery-gallery",
    show_surgery,
    {"start": f"{SITE}/cases/", "pages": f"{SITE}/cases/?page={{page}}"},
    {"before": "/photos/{}-before.png", "after": "/photos/{}-after.png"},
    ("/cases/", "/cases/?page=2", "/cases/?page=3"),
)


@pytest.fixture
def site() -> Iterator[LocalSite]:
    with serving(LocalSite()) as site:
        yield site


@pytest.fixture(params=[ULTRASOUND, SURGERY], ids=lambda gallery: gallery.recipe)
def gallery(request: pytest.FixtureRequest) -> Gallery:
    return request.param


def pairs(folder: Path) -> dict[str, dict[str, str]]:
    """Return the path of each image by pair and role."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in stored(folder):
        found[row["pair_id"]][row["role"]] = row["url"].removeprefix(SITE)
    return found


def expected(gallery: Gallery, numbers: list[int]) -> list[dict[str, str]]:
    return [{role: gallery.image(role, number) for role in gallery.images} for number in numbers]


def test_every_pair_of_the_gallery_comes_whole(gallery: Gallery, site: LocalSite, tmp_path: Path) -> None:
    numbers = list(range(8, 0, -1))
    gallery.show(site, numbers)
    summary = gallery.crawl(tmp_path, site)
    assert (summary.discovered, summary.new, dict(summary.refused)) == (16, 16, {})
    assert list(pairs(tmp_path).values()) == expected(gallery, numbers)
    assert rejected(tmp_path) == {}


def test_every_role_of_the_recipe_has_a_domain(gallery: Gallery) -> None:
    entry = entry_of(gallery.recipe)
    assert set(gallery.images) == set(entry.options["pair"]) == set(entry.domain)


def test_a_recrawl_fetches_the_new_pair_only(gallery: Gallery, site: LocalSite, tmp_path: Path) -> None:
    gallery.show(site, list(range(8, 0, -1)))
    gallery.crawl(tmp_path, site)
    before = pairs(tmp_path)
    gallery.show(site, list(range(9, 0, -1)))
    site.asked.clear()
    summary = gallery.crawl(tmp_path, site)
    assert summary.new == 2
    new = {gallery.image(role, 9) for role in gallery.images}
    assert {path for path in site.asked if path.endswith(".png")} == new
    assert [path for path in gallery.lists if path in site.asked] == list(gallery.lists[:2])
    after = pairs(tmp_path)
    assert {pair: after.pop(pair) for pair in before} == before
    assert list(after.values()) == expected(gallery, [9])


def test_a_recrawl_without_news_reads_one_list_page(
    gallery: Gallery, site: LocalSite, tmp_path: Path
) -> None:
    gallery.show(site, list(range(8, 0, -1)))
    gallery.crawl(tmp_path, site)
    site.asked.clear()
    assert gallery.crawl(tmp_path, site).new == 0
    assert set(site.asked) - {"/robots.txt"} == {gallery.lists[0]}


def test_what_a_crawl_could_not_have_comes_with_a_later_one(
    gallery: Gallery, site: LocalSite, tmp_path: Path
) -> None:
    numbers = list(range(8, 0, -1))
    gallery.show(site, numbers)
    second_role = list(gallery.images)[1]
    path = gallery.image(second_role, 7)
    image, site.routes[path] = site.routes[path], Reply(status=500)
    summary = gallery.crawl(tmp_path, site)
    assert (summary.new, dict(summary.refused)) == (15, {"http_error": 1})
    assert rejected(tmp_path) == {path: ("http_error", "HTTP 500")}
    site.routes[path] = image
    assert gallery.crawl(tmp_path, site).new == 1
    assert sorted(pairs(tmp_path).values(), key=str) == sorted(expected(gallery, numbers), key=str)
    assert rejected(tmp_path) == {}


def test_a_limit_of_pages_is_how_deep_a_crawl_goes(gallery: Gallery, site: LocalSite, tmp_path: Path) -> None:
    gallery.show(site, list(range(8, 0, -1)))
    summary = gallery.crawl(tmp_path, site, Budget(pages=2))
    assert (summary.new, summary.spent) == (12, "pages")


def test_an_item_with_one_picture_is_half_refused(site: LocalSite, tmp_path: Path) -> None:
    show_ultrasound(site, [3, 2, 1])
    shown = site.routes["/gallery/"]
    assert isinstance(shown, Reply)
    alone = shown.body.replace(b'data-srcset="media/2-small.png 300w,\n      media/2-baby.png 900w"', b"")
    alone = alone.replace(b"../blank.gif", b"", 2).replace(b'src=""', b"")
    site.routes["/gallery/"] = Reply(alone, headers=shown.headers)
    ULTRASOUND.crawl(tmp_path, site)
    assert rejected(tmp_path) == {"/gallery/#pair-2-baby": ("no_image", "the item shows no image 'baby'")}
    assert list(pairs(tmp_path).values())[1] == {"ultrasound": "/gallery/media/2-scan.png"}


def test_captions_and_procedures_are_kept(site: LocalSite, tmp_path: Path) -> None:
    show_ultrasound(site, [1])
    ULTRASOUND.crawl(tmp_path / "ultrasound", site)
    assert {row["title"] for row in stored(tmp_path / "ultrasound")} == {"Week 31, child 1"}
    show_surgery(site, [1])
    SURGERY.crawl(tmp_path / "surgery", site)
    for row in stored(tmp_path / "surgery"):
        assert (row["title"], row["tags"]) == ("Case 1", ["rhinoplasty", "chin"])
        assert row["page_url"] == f"{SITE}/cases/1/"


def test_a_case_page_that_fails_is_read_by_the_next_crawl(site: LocalSite, tmp_path: Path) -> None:
    show_surgery(site, [3, 2, 1])
    case, site.routes["/cases/2/"] = site.routes["/cases/2/"], Reply(status=503)
    SURGERY.crawl(tmp_path, site)
    assert rejected(tmp_path) == {"/cases/2/": ("http_error", "HTTP 503")}
    site.routes["/cases/2/"] = case
    SURGERY.crawl(tmp_path, site)
    assert sorted(pairs(tmp_path).values(), key=str) == expected(SURGERY, [1, 2, 3])
    assert rejected(tmp_path) == {}
