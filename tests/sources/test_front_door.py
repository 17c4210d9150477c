"""Every kind that lies on the network, from its recorded answers, as a user runs it: `python -m pipeline crawl`."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.workspace import Workspace
from pipeline import parts
from tests.crawl.local_site import SITE, LocalSite, Reply, html, png, serving
from tests.sources.recorded import answer

# For each kind its entry, and its answers: the first whose words are all in the request is given.
KINDS: dict[str, tuple[dict[str, Any], list[tuple[tuple[str, ...], str]]]] = {
    "commons": (
        {"category": "Portraits", "api": "{site}/w/api.php"},
        [
            (("/w/api.php", "&iicontinue="), "commons/category-2.json"),
            (("/w/api.php", "&gcmcontinue="), "commons/category-3.json"),
            (("/w/api.php", "gcmtitle=Category%3APortraits"), "commons/category-1.json"),
        ],
    ),
    "openverse": (
        {"query": "smiling face", "api": "{site}/v1/images/"},
        [(("/v1/images/", f"page={page}&"), f"openverse/page-{page}.json") for page in (1, 2)],
    ),
    "google": (
        {"query": "newborn face", "api": "{site}/customsearch/v1"},
        [
            (("/customsearch/v1", f"start={start}&", "key=key-made-up"), f"google/page-{page}.json")
            for page, start in ((1, 1), (2, 11))
        ],
    ),
    "danbooru": (
        {"tags": "1girl", "host": "{site}"},
        [
            (("/posts.json", "page=b1001"), "danbooru/page-3.json"),
            (("/posts.json", "page=b1006"), "danbooru/page-2.json"),
            (("/posts.json",), "danbooru/page-1.json"),
        ],
    ),
    "webtoon": (
        {"titles": [101], "host": "{site}", "acknowledge_unlicensed": True},
        [
            (("/api/article/list/info",), "webtoon/info.json"),
            *((("/api/article/list", f"page={page}&"), f"webtoon/list-{page}.json") for page in (1, 2)),
            *((("/webtoon/detail", f"no={n}"), f"webtoon/episode-{n}.html") for n in (1, 2, 4)),
            (("/webtoon/detail",), "webtoon/login.html"),
        ],
    ),
    "gallery": (
        {"start": "{site}/", "item": "li", "image": "img"},
        [(("/",), "")],
    ),
}


class RecordedSite(LocalSite):
    """Gives recorded answers in which the site has its real address, and a picture for every other request."""

    def __init__(self, answers: list[tuple[tuple[str, ...], str]]) -> None:
        super().__init__()
        self.answers = answers

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, headers: dict[str, str]) -> Reply:
        self.asked[path] += 1
        if path == "/robots.txt":
            return Reply(status=404)
        if path.endswith((".png", ".jpg", ".webp")):
            return Reply(png(zlib.crc32(path.encode()) % 65536), headers={"ETag": '"1"'})
        for words, name in self.answers:
            if all(word in path for word in words):
                return self.moved(answer(name) if name else html('<ul><li><img src="a.png"></ul>'))
        return Reply(status=404)

    def moved(self, reply: Reply) -> Reply:
        assert isinstance(reply.body, bytes)
        return replace(reply, body=reply.body.replace(SITE.encode(), self.address.encode()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_crawled_and_crawled_again_through_the_front_door(
    kind: str, workspace: Callable[[dict], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "key-made-up")
    monkeypatch.setenv("GOOGLE_SEARCH_ENGINE_ID", "engine-made-up")
    options, answers = KINDS[kind]
    with serving(RecordedSite(answers)) as site:
        entry = {name: _filled(value, site.address) for name, value in options.items()}
        common = {
            "kind": kind,
            "domain": "photo",
            "limit": {"pages": 20},
            "allow_networks": ["127.0.0.0/8"],
            "requests_per_s": 1000,
        }
        project = workspace({"it": common | entry})
        said = project.run("pipeline", "crawl", "it")
        images = [path for path in site.asked if path.endswith((".png", ".jpg", ".webp"))]
        rows = stored(project.folder)
        assert rows, said
        assert f"{len(rows)} new" in said
        assert {row["url"] for row in rows} <= {site.address + path for path in images}
        site.asked.clear()
        again = project.run("pipeline", "crawl", "it")
        assert "it: 0 new" in again
        assert not any(path in site.asked for path in images), "what is known is not fetched again"
        assert stored(project.folder) == rows


def test_without_leave_a_private_address_is_not_crawled(workspace: Callable[[dict], Workspace]) -> None:
    options, answers = KINDS["gallery"]
    with serving(RecordedSite(answers)) as site:
        entry = options | {
            "start": f"{site.address}/",
            "kind": "gallery",
            "domain": "photo",
            "limit": {"pages": 1},
        }
        said = workspace({"it": entry}).run("pipeline", "crawl", "it", exit_code=2)
        assert "params.yaml: sources.it.start" in said
        assert "the address is not a public one; see allow_networks" in said
        assert not site.asked


def test_what_lies_on_the_network_needs_a_limit(workspace: Callable[[dict], Workspace]) -> None:
    entry = {"kind": "gallery", "domain": "photo", "start": "http://site.test/", "item": "li", "image": "img"}
    said = workspace({"it": entry}).run("pipeline", "check", exit_code=2)
    assert "sources.it.limit: is missing" in said


def stored(folder: Path) -> list[dict[str, Any]]:
    return [row for part in parts.list_parts(folder / "data/raw/it") for row in parts.read_rows(part)]


def _filled(value: Any, address: str) -> Any:
    return value.format(site=address) if isinstance(value, str) else value
